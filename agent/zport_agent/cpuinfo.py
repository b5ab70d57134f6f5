"""Linux's /proc/cpuinfo, read by the fields that are there, whatever the architecture."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A field only one family of kernels prints, and what platform.machine() says there. Used for
# one thing: some emulators of single programs show the host's file instead of the guest's.
_MARKS: Mapping[str, frozenset[str]] = {
    "# processors": frozenset({"s390", "s390x"}),
    "cpuid level": frozenset({"i386", "i486", "i586", "i686", "x86_64"}),
    "CPU implementer": frozenset({"aarch64", "armv6l", "armv7l", "armv8l"}),
    "isa": frozenset({"riscv32", "riscv64"}),
    "revision": frozenset({"ppc", "ppc64", "ppc64le"}),
}

# IBM Z prints one line a processor: "version = FF,  identification = 0133E8,  machine = 3906".
_Z_PROCESSOR = re.compile(r"\bmachine\s*=\s*(\w+)")


@dataclass(frozen=True)
class Cpu:
    """What the file says. ``cpuinfo`` is ``own``, ``host`` (another architecture's) or ``absent``.

    ``model`` is the model name, or the machine type (``3906``) where there is no name;
    ``features`` are flags; ``facilities`` are IBM Z's facility numbers.
    """

    cpuinfo: str
    vendor: str | None = None
    model: str | None = None
    features: list[str] = field(default_factory=list)
    facilities: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The fields as they are."""
        return dict(vars(self))


def parse_cpuinfo(text: str, machine: str) -> Cpu:
    """Parse the file's text on a kernel whose platform.machine() is ``machine``.

    Lines that are not ``key : value`` are passed over; a text without any is ``absent``.
    """
    fields = _fields(text)
    if not fields:
        return Cpu("absent")
    return Cpu(
        cpuinfo=_origin(fields, machine),
        vendor=_first(fields, "vendor_id", "CPU implementer", "mvendorid"),
        model=_first(fields, "model name", "cpu", "uarch", "CPU part") or _z_machine(fields),
        features=(_first(fields, "flags", "features", "Features", "isa") or "").split(),
        facilities=[int(n) for n in fields.get("facilities", "").split() if n.isdigit()],
    )


def _fields(text: str) -> dict[str, str]:
    """Each key's first value; keys repeat once a processor."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    return fields


def _first(fields: Mapping[str, str], *keys: str) -> str | None:
    return next((fields[key] for key in keys if fields.get(key)), None)


def _z_machine(fields: Mapping[str, str]) -> str | None:
    match = _Z_PROCESSOR.search(fields.get("processor 0", ""))
    return f"machine {match.group(1)}" if match else None


def _origin(fields: Mapping[str, str], machine: str) -> str:
    owners = [machines for mark, machines in _MARKS.items() if mark in fields]
    return "host" if owners and all(machine not in machines for machines in owners) else "own"
