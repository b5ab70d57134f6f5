"""The kernel's counters by perf_event_open(2), through ctypes: glibc has no wrapper for it.

Numbers and layouts are those of Linux's include/uapi/linux/perf_event.h. The attributes' flags are
a C bit field, whose first bit is the highest on big-endian machines; ctypes lays it out as the
compiler does.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zport_agent.trace.machines import this_machine

_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
_HARDWARE, _SOFTWARE = 0, 1
_TOTAL_TIMES = 0b11
"""PERF_FORMAT_TOTAL_TIME_ENABLED and _RUNNING: how long it was wanted, and how long it counted."""
_CLOSE_ON_EXEC = 8
_READING = struct.Struct("@QQQ")


class Event(NamedTuple):
    """What can be counted: the kernel's type and number; ``kernel_only`` is what a count without
    the kernel's part would always give as 0."""

    type: int
    config: int
    kernel_only: bool = False


HARDWARE = {
    "cycles": Event(_HARDWARE, 0),
    "instructions": Event(_HARDWARE, 1),
    "cache-references": Event(_HARDWARE, 2),
    "cache-misses": Event(_HARDWARE, 3),
    "branches": Event(_HARDWARE, 4),
    "branch-misses": Event(_HARDWARE, 5),
}
SOFTWARE = {
    "task-clock": Event(_SOFTWARE, 1),
    "page-faults": Event(_SOFTWARE, 2),
    "context-switches": Event(_SOFTWARE, 3, kernel_only=True),
    "cpu-migrations": Event(_SOFTWARE, 4, kernel_only=True),
}
"""By the names that perf(1) gives them. Task clock is in ns, all others are counts."""


class Count(NamedTuple):
    """A counter's value, with the ns that it was wanted and that it counted: where a processor has
    too few counters, they take turns."""

    value: int
    enabled: int = 0
    running: int = 0


class _Attributes(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("sample_period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        ("disabled", ctypes.c_uint64, 1),
        ("inherit", ctypes.c_uint64, 1),
        ("pinned", ctypes.c_uint64, 1),
        ("exclusive", ctypes.c_uint64, 1),
        ("exclude_user", ctypes.c_uint64, 1),
        ("exclude_kernel", ctypes.c_uint64, 1),
        ("exclude_hv", ctypes.c_uint64, 1),
        ("more_flags", ctypes.c_uint64, 57),
        ("wakeup_events", ctypes.c_uint32),
        ("bp_type", ctypes.c_uint32),
        ("bp_addr", ctypes.c_uint64),
    ]


@dataclass(frozen=True)
class PerfCounters:
    """Open counters of this thread and all that it will start, and why others could not be opened.

    A counter whose name ends in ``:u`` leaves out what the kernel does, as perf(1) has it.
    """

    descriptors: Mapping[str, int]
    unavailable: Mapping[str, str]

    def read(self) -> dict[str, Count]:
        """Every counter's value since it was opened."""
        return {
            name: Count(*_READING.unpack(os.read(descriptor, _READING.size)))
            for name, descriptor in self.descriptors.items()
        }

    def close(self) -> None:
        """Give the counters back to the kernel."""
        for descriptor in self.descriptors.values():
            os.close(descriptor)


def open_counters(events: Mapping[str, Event], *, user_only: bool = False) -> PerfCounters:
    """Open what the kernel permits: with the kernel's own part, else without."""
    descriptors: dict[str, int] = {}
    unavailable: dict[str, str] = {}
    for name, event in events.items():
        try:
            full, descriptor = _open_best(name, event, user_only)
            descriptors[full] = descriptor
        except OSError as error:
            unavailable[name] = reason(error.errno or 0, _paranoid())
    return PerfCounters(descriptors, unavailable)


def reason(number: int, paranoid: str) -> str:
    """Why a counter cannot be had, by the system call's error number."""
    if number == errno.ENOSYS:
        return "there is no perf_event_open here: an emulator of programs, or a kernel without it"
    if number in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
        return "the machine has no such counter; virtual ones often do not"
    if number == errno.EACCES:
        return f"not permitted: kernel.perf_event_paranoid is {paranoid}, CAP_PERFMON is absent"
    if number == errno.EPERM:
        return "not permitted: a container's seccomp profile forbids it, or CAP_PERFMON is absent"
    return os.strerror(number)


def _open_best(name: str, event: Event, user_only: bool) -> tuple[str, int]:
    if not user_only:
        try:
            return name, _open(event, exclude_kernel=False)
        except PermissionError:
            if event.kernel_only:
                raise
    return f"{name}:u", _open(event, exclude_kernel=True)


def _open(event: Event, *, exclude_kernel: bool) -> int:
    number = this_machine().perf
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    attributes = _Attributes(
        type=event.type,
        size=ctypes.sizeof(_Attributes),
        config=event.config,
        read_format=_TOTAL_TIMES,
        inherit=1,
        exclude_kernel=int(exclude_kernel),
        exclude_hv=1,
    )
    libc = ctypes.CDLL(None, use_errno=True)
    this_thread, any_cpu, no_group = 0, -1, -1
    descriptor = libc.syscall(
        ctypes.c_long(number), ctypes.byref(attributes), ctypes.c_int(this_thread),
        ctypes.c_int(any_cpu), ctypes.c_int(no_group), ctypes.c_ulong(_CLOSE_ON_EXEC),
    )  # fmt: skip
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(descriptor)


def _paranoid() -> str:
    try:
        return _PARANOID.read_text().strip()
    except OSError:
        return "unknown"
