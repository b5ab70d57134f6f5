"""A trace in Chrome's trace event format, for ``chrome://tracing`` and Perfetto.

Complete events (``ph`` X), times in µs since the trace began. A run is a thread of its own, so that
nobody takes spans of two runs for things that happened inside each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zport.trace.spans import Span, Trace
from zport.trace.table import EMULATED

Event = dict[str, Any]
PROCESS = 1
MICROSECOND = 1000
"""In ns."""


def chrome_trace(trace: Trace, side: str) -> dict[str, Any]:
    """The trace as Chrome's JSON object format has it."""
    process = f"{trace.resource['zport.model.name']} in {side}"
    if trace.emulated:
        process += f" ({EMULATED})"
    threads = {level: number for number, level in enumerate(trace.runs, 1)}
    events = [
        _metadata("process_name", 0, process),
        *(_metadata("thread_name", number, f"run at {run}") for run, number in threads.items()),
        *_complete(trace, threads),
    ]
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {key: str(value) for key, value in trace.resource.items()},
    }


def _complete(trace: Trace, threads: dict[str, int]) -> Iterable[Event]:
    for span in trace.spans:
        if span.run:
            yield {
                "name": span.name,
                "cat": span.level or "run",
                "ph": "X",
                "ts": (span.start - trace.root.start) / MICROSECOND,
                "dur": span.duration / MICROSECOND,
                "pid": PROCESS,
                "tid": threads[span.run],
                "args": _arguments(span),
            }


def _arguments(span: Span) -> dict[str, Any]:
    return {key.removeprefix("zport."): value for key, value in span.attributes.items()}


def _metadata(name: str, thread: int, value: str) -> Event:
    return {"name": name, "ph": "M", "pid": PROCESS, "tid": thread, "args": {"name": value}}
