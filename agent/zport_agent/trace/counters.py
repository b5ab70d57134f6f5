"""What is counted around a predict call at each of the inner levels.

No call into the libraries inside a framework can be seen from outside, so ``ML_LIBRARY_TRACE``
counts what they do: the work in user mode. ``SYSTEM_LIBRARY_TRACE`` counts what they ask of the
kernel, ``HARDWARE_TRACE`` what the processor does.
"""

import resource
from collections.abc import Mapping

from zport_agent.trace.perf import HARDWARE, SOFTWARE, Count, PerfCounters, open_counters

_IN_USER_MODE = ("cycles", "instructions")
_NS = 1_000_000_000


class Counters:
    """The counters of one level, open from now on.

    ``unavailable`` says of those that cannot be had, why.
    """

    def __init__(self, level: str) -> None:
        self.level = level
        self._perf = _open(level)
        self.unavailable = dict(self._perf.unavailable)

    def read(self) -> dict[str, Count]:
        """All values so far, by name: times in ns, all others counts."""
        return _usage(self.level) | self._perf.read()

    def close(self) -> None:
        """Stop counting."""
        self._perf.close()


def difference(before: Mapping[str, Count], after: Mapping[str, Count]) -> dict[str, int]:
    """What was counted between two readings.

    A counter that had to take turns is scaled up to the whole time, as perf(1) does, and is named
    with ``(estimated)``; one that never had its turn is left out.
    """
    counted: dict[str, int] = {}
    for name, last in after.items():
        value, enabled, running = (b - a for a, b in zip(before[name], last, strict=True))
        if running == enabled:
            counted[name] = value
        elif running > 0:
            counted[f"{name} (estimated)"] = round(value * enabled / running)
    return counted


def _open(level: str) -> PerfCounters:
    if level == "ML_LIBRARY_TRACE":
        return open_counters({name: HARDWARE[name] for name in _IN_USER_MODE}, user_only=True)
    return open_counters(SOFTWARE if level == "SYSTEM_LIBRARY_TRACE" else HARDWARE)


def _usage(level: str) -> dict[str, Count]:
    """What getrusage(2) tells of the whole process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    if level == "ML_LIBRARY_TRACE":
        return {"user-time": Count(round(usage.ru_utime * _NS))}
    if level == "SYSTEM_LIBRARY_TRACE":
        return {
            "system-time": Count(round(usage.ru_stime * _NS)),
            "minor-faults": Count(usage.ru_minflt),
            "major-faults": Count(usage.ru_majflt),
            "voluntary-switches": Count(usage.ru_nvcsw),
            "involuntary-switches": Count(usage.ru_nivcsw),
        }
    return {}
