"""What a trace adds up to: time per level, counts per predict call, operators by type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from zport_agent.trace.levels import FRAMEWORK, LEVELS, MODEL

from zport.trace.spans import Span, Trace, split_reasons

OPERATORS = "operators"


@dataclass(frozen=True)
class Total:
    """How often something was and how long in all, in ns, and the middle one of them; ``share`` is
    of its table's sum."""

    name: str
    level: str
    run: str
    count: int
    total: int
    median: float
    share: float = 0.0


@dataclass(frozen=True)
class Counted:
    """A counter's mean over the predict calls of its run: ns, or a count."""

    name: str
    level: str
    calls: int
    mean: float

    @property
    def is_time(self) -> bool:
        return self.name.removesuffix(" (estimated)").removesuffix(":u") in (
            "user-time", "system-time", "task-clock",
        )  # fmt: skip


def level_totals(trace: Trace) -> list[Total]:
    """Each level's spans by name, from the run that was for that level; where there was none, from
    the one there was. All operators are one line, and one inside another counts once."""
    totals = []
    for level in LEVELS[: LEVELS.index(FRAMEWORK) + 1]:
        run = level if level in trace.runs else next(reversed(trace.runs), level)
        named: dict[str, list[Span]] = defaultdict(list)
        for span in trace.spans:
            if span.level == level and span.run == run:
                named[OPERATORS if span.operator else span.name].append(span)
        for name, spans in named.items():
            own = _self_times(trace, spans) if name == OPERATORS else {}
            times = list(own.values()) or [span.duration for span in spans]
            totals.append(Total(name, level, run, len(times), sum(times), median(times)))
    return totals


def operator_totals(trace: Trace) -> list[Total]:
    """Operators by type, hottest first; what runs inside an operator's subgraph is not its own."""
    spans = [span for span in trace.spans if span.operator]
    own = _self_times(trace, spans)
    whole = sum(own.values()) or 1
    by_type: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_type[str(span.operator)].append(span)
    totals = []
    for name, members in by_type.items():
        times = [own[span.identity] for span in members]
        total = sum(times)
        totals.append(
            Total(name, FRAMEWORK, FRAMEWORK, len(times), total, median(times), total / whole)
        )
    return sorted(totals, key=lambda one: (-one.total, one.name))


def counted(trace: Trace) -> list[Counted]:
    """What was counted, as means of one predict call."""
    values: dict[tuple[str, str], list[int]] = defaultdict(list)
    for span in trace.spans:
        for name, value in span.counters.items():
            values[str(span.level), name].append(value)
    return [
        Counted(name, level, len(found), sum(found) / len(found))
        for (level, name), found in values.items()
    ]


def reasons(trace: Trace) -> list[tuple[str, str, str]]:
    """What could not be had: level, the counters or the whole run, and why."""
    missing = [(level, "whole run", why) for level, why in trace.not_run.items()]
    for level, run in trace.runs.items():
        names: dict[str, list[str]] = defaultdict(list)
        for name, why in split_reasons(run.attributes.get("zport.unavailable", [])).items():
            names[why].append(name)
        missing += [(level, ", ".join(of_one), why) for why, of_one in names.items()]
    return sorted(missing, key=lambda one: LEVELS.index(one[0]) if one[0] in LEVELS else 0)


def profiling_cost(trace: Trace) -> float | None:
    """How many times as long a predict call takes while operators are profiled as in the model's
    own run, by their medians; None unless both were run, on a real machine."""
    if trace.emulated:
        return None
    middle = {}
    for run in (MODEL, FRAMEWORK):
        calls = [s.duration for s in trace.spans if s.level == MODEL and s.run == run]
        middle[run] = median(calls) if calls else 0.0
    return middle[FRAMEWORK] / middle[MODEL] if all(middle.values()) else None


def _self_times(trace: Trace, spans: Iterable[Span]) -> dict[str, int]:
    """Each span's ns without those of the spans inside it, by identity."""
    return {
        span.identity: max(span.duration - _sum(trace.children[span.identity]), 0) for span in spans
    }


def _sum(spans: Iterable[Span]) -> int:
    return sum(span.duration for span in spans)
