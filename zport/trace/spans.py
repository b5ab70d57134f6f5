"""A trace as the agent program wrote it: one line of OTLP/JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zport.errors import ResultsError

COUNTER = "zport.counter."
Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class Span:
    """One span; ``start`` and ``end`` are ns since the Unix epoch."""

    identity: str
    parent: str | None
    name: str
    start: int
    end: int
    attributes: Attributes

    @property
    def duration(self) -> int:
        """In ns."""
        return self.end - self.start

    @property
    def level(self) -> str | None:
        """Its trace level; none for the whole trace and for a run."""
        return self.attributes.get("zport.level")

    @property
    def run(self) -> str | None:
        """The level that the run was for which it is from; none for the whole trace."""
        return self.attributes.get("zport.run")

    @property
    def operator(self) -> str | None:
        """The type of the framework's operator that it is."""
        return self.attributes.get("zport.operator")

    @property
    def counters(self) -> dict[str, int]:
        """What was counted while it lasted, by name: times in ns, all others counts."""
        return {
            key.removeprefix(COUNTER): value
            for key, value in self.attributes.items()
            if key.startswith(COUNTER)
        }


@dataclass(frozen=True)
class Trace:
    """One trace: what ran where, and its spans; the first is the whole trace."""

    resource: Attributes
    spans: Sequence[Span]

    @property
    def root(self) -> Span:
        return self.spans[0]

    @property
    def emulated(self) -> bool:
        return bool(self.resource.get("zport.emulated"))

    @property
    def not_run(self) -> dict[str, str]:
        """Why a level was not run, by level."""
        return split_reasons(self.root.attributes.get("zport.not_run", []))

    @cached_property
    def runs(self) -> dict[str, Span]:
        """The span of each run, by its level."""
        return {span.run: span for span in self.children[self.root.identity] if span.run}

    @cached_property
    def children(self) -> dict[str, list[Span]]:
        """The spans inside each, by its identity, in order of time."""
        inside: dict[str, list[Span]] = {span.identity: [] for span in self.spans}
        for span in sorted(self.spans, key=lambda one: one.start):
            if span.parent:
                inside[span.parent].append(span)
        return inside


def split_reasons(lines: Sequence[str]) -> dict[str, str]:
    """Lines such as ``cycles: no such counter`` as a dictionary."""
    return {name: why for name, _, why in (line.partition(": ") for line in lines)}


def read_trace(path: Path) -> Trace:
    """The trace of a file. Raises :class:`ResultsError` for one that is not a trace of ours."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        [of_resource] = document["resourceSpans"]
        [of_scope] = of_resource["scopeSpans"]
        spans = [_span(one) for one in of_scope["spans"]]
        trace = Trace(_attributes(of_resource["resource"]["attributes"]), spans)
        _check(trace)
    except OSError as error:
        raise ResultsError(str(error.strerror), where=path, next_step="trace again") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ResultsError(f"not a trace of OTLP/JSON: {error!r}", where=path,
                           next_step="trace again") from error  # fmt: skip
    return trace


def _check(trace: Trace) -> None:
    """Raise ValueError unless it is one tree whose spans end after they begin."""
    known: set[str] = set()
    for number, span in enumerate(trace.spans):
        if (span.parent is None) != (number == 0):
            raise ValueError(f"span {span.name!r}: the first span alone has no parent")
        if span.parent is not None and span.parent not in known:
            raise ValueError(f"span {span.name!r}: its parent does not come before it")
        if span.identity in known:
            raise ValueError(f"span {span.name!r}: its identifier is another's too")
        if span.end < span.start:
            raise ValueError(f"span {span.name!r} ends before it begins")
        known.add(span.identity)
    if not trace.spans:
        raise ValueError("it has no spans")


def _span(one: dict[str, Any]) -> Span:
    return Span(
        identity=str(one["spanId"]),
        parent=one.get("parentSpanId") or None,
        name=str(one["name"]),
        start=int(one["startTimeUnixNano"]),
        end=int(one["endTimeUnixNano"]),
        attributes=_attributes(one.get("attributes", [])),
    )


def _attributes(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: _value(pair["value"]) for pair in pairs}


def _value(value: dict[str, Any]) -> Any:
    [(kind, content)] = value.items()
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [_value(one) for one in content.get("values", [])]
    if kind in ("stringValue", "boolValue", "doubleValue"):
        return content
    raise ValueError(f"an attribute's value is a {kind}")
