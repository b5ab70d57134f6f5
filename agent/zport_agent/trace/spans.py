"""Spans of a trace, and the file that holds them: OpenTelemetry's OTLP in its JSON encoding.

The file is one line, a ``TracesData`` of opentelemetry-proto (trace/v1/trace.proto) as the OTLP
specification writes it in JSON: identifiers in hex, 64-bit integers as decimal texts, enumerations
as numbers. So it is a file of OTLP's file exporter, and the body of a request to ``/v1/traces``.
OpenTelemetry's own SDK would add 0.5 s to every start natively and 2.2 s under emulation.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from zport_agent import __version__
from zport_agent.output import write_bytes

Attribute: TypeAlias = str | bool | int | float | Sequence[str]
_TRIES = 20
INTERNAL = 1
"""Of opentelemetry-proto's SpanKind: nothing remote is behind the span."""


@dataclass
class Span:
    """One span: times are ns since the Unix epoch, ``parent`` is a span's ``identity``."""

    name: str
    parent: str | None
    start: int
    end: int = 0
    identity: str = field(default_factory=lambda: secrets.token_hex(8))
    attributes: dict[str, Attribute] = field(default_factory=dict)


class Recorder:
    """Records nested spans of one trace."""

    def __init__(self) -> None:
        self.trace = secrets.token_hex(16)
        self.spans: list[Span] = []
        self._open: list[Span] = []
        # The wall clock may be set while spans are open; they are measured by the steady one.
        self._epoch = _epoch()

    @contextlib.contextmanager
    def span(self, name: str, **attributes: Attribute) -> Iterator[Span]:
        """A span around the block, its attributes' names after ``zport.``."""
        given = {f"zport.{key}": value for key, value in attributes.items()}
        parent = self._open[-1].identity if self._open else None
        span = Span(name, parent, 0, attributes=given)
        self.spans.append(span)
        self._open.append(span)
        span.start = self.now()
        try:
            yield span
        finally:
            span.end = self.now()
            self._open.pop()

    def now(self) -> int:
        """The time in ns since the Unix epoch, by a clock that only goes forward."""
        return self._epoch + time.perf_counter_ns()


def _epoch() -> int:
    """What to add to the steady clock to have the wall clock, in ns, from the best of some tries:
    a process may lose the processor between reading one and the other."""
    tries = [
        (time.perf_counter_ns(), time.time_ns(), time.perf_counter_ns()) for _ in range(_TRIES)
    ]
    before, wall, after = min(tries, key=lambda one: one[2] - one[0])
    return wall - (before + after) // 2


def write_otlp(path: Path, recorder: Recorder, resource: Mapping[str, Attribute]) -> None:
    """Write a trace as OTLP/JSON. Raises UsageError when the folder refuses it."""
    document = {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [
                    {
                        "scope": {"name": "zport-agent", "version": __version__},
                        "spans": [_span(recorder.trace, span) for span in recorder.spans],
                    }
                ],
            }
        ]
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def _span(trace: str, span: Span) -> dict[str, Any]:
    parent = {"parentSpanId": span.parent} if span.parent else {}
    return {
        "traceId": trace,
        "spanId": span.identity,
        **parent,
        "name": span.name,
        "kind": INTERNAL,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "attributes": _attributes(span.attributes),
    }


def _attributes(attributes: Mapping[str, Attribute]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Attribute) -> dict[str, Any]:
    # bool is a kind of int, so it comes first.
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [{"stringValue": one} for one in value]}}
