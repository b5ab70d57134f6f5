"""What differs between architectures in a trace: the one place here that names them."""

import platform
from typing import NamedTuple


class Machine(NamedTuple):
    """``otel`` is ``host.arch`` as OpenTelemetry's semantic conventions have it; ``perf`` the
    number of perf_event_open in Linux's system call table, None where it is not known here."""

    otel: str
    perf: int | None


MACHINES = {
    "x86_64": Machine("amd64", 298),
    "aarch64": Machine("arm64", 241),
    "ppc64le": Machine("ppc64", 319),
    "riscv64": Machine("riscv64", 241),
    "s390x": Machine("s390x", 331),
}
"""By what platform.machine() says."""


def this_machine() -> Machine:
    """The machine that this process sees; one that is not known has its own name."""
    name = platform.machine()
    return MACHINES.get(name, Machine(name, None))
