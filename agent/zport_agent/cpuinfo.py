"""What Linux says of the processor: /proc/cpuinfo, and the capabilities in the auxiliary vector.

Emulators of single programs may show the host's /proc/cpuinfo, of another architecture; none of
that is an answer here. The auxiliary vector they make themselves, so it describes what they
emulate.
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A field only one family of kernels prints, and what platform.machine() says there.
_MARKS: Mapping[str, frozenset[str]] = {
    "# processors": frozenset({"s390", "s390x"}),
    "cpuid level": frozenset({"i386", "i486", "i586", "i686", "x86_64"}),
    "CPU implementer": frozenset({"aarch64", "armv6l", "armv7l", "armv8l"}),
    "isa": frozenset({"riscv32", "riscv64"}),
    "revision": frozenset({"ppc", "ppc64", "ppc64le"}),
}

# The bits of AT_HWCAP, lowest first, by the names that the same kernel prints in /proc/cpuinfo
# (Linux: arch/s390/include/asm/elf.h and arch/s390/kernel/processor.c).
_CAPABILITIES: Mapping[str, tuple[str, ...]] = {
    "s390x": (
        *("esan3", "zarch", "stfle", "msa", "ldisp", "eimm", "dfp", "edat"),
        *("etf3eh", "highgprs", "te", "vx", "vxd", "vxe", "gs", "vxe2"),
        *("vxp", "sort", "dflt", "vxp2", "nnpa", "pcimio", "sie"),
    ),
}
_AT_HWCAP = 16
_AUXV_ENTRY = struct.Struct("@LL")

# IBM Z prints one line a processor: "version = FF,  identification = 0133E8,  machine = 3906".
_Z_PROCESSOR = re.compile(r"\bmachine\s*=\s*(\w+)")


@dataclass(frozen=True)
class Cpu:
    """The processor that programs here see.

    ``cpuinfo`` is whose file is shown: ``own``, ``host`` (another architecture's; then nothing
    here comes from it) or ``absent``. ``model`` is the model name, or the machine type (``3906``)
    where there is no name; ``features`` are flags, read from ``features_from``; ``facilities``
    are IBM Z's facility numbers.
    """

    cpuinfo: str
    vendor: str | None = None
    model: str | None = None
    features: list[str] = field(default_factory=list)
    features_from: str | None = None
    facilities: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The fields as they are."""
        return dict(vars(self))


def describe(cpuinfo: str, auxv: bytes, machine: str) -> Cpu:
    """The processor by the text of /proc/cpuinfo and the bytes of /proc/self/auxv.

    ``machine`` is what platform.machine() says. Lines of the text that are not ``key : value``
    are passed over; a text without any is ``absent``. Capabilities without a name are ``bit N``.
    """
    fields = _fields(cpuinfo)
    origin = _origin(fields, machine)
    if origin != "own":
        fields = {}
    features = (_first(fields, "flags", "features", "Features", "isa") or "").split()
    capabilities = _capabilities(auxv, machine)
    return Cpu(
        cpuinfo=origin,
        vendor=_first(fields, "vendor_id", "CPU implementer", "mvendorid"),
        model=_first(fields, "model name", "cpu", "uarch", "CPU part") or _z_machine(fields),
        features=features or capabilities,
        features_from="/proc/cpuinfo" if features else "AT_HWCAP" if capabilities else None,
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
    if not fields:
        return "absent"
    owners = [machines for mark, machines in _MARKS.items() if mark in fields]
    return "host" if owners and all(machine not in machines for machines in owners) else "own"


def _capabilities(auxv: bytes, machine: str) -> list[str]:
    """The names of AT_HWCAP's bits, where this kernel's bits are known by name."""
    names = _CAPABILITIES.get(machine)
    whole = len(auxv) - len(auxv) % _AUXV_ENTRY.size
    value = dict(_AUXV_ENTRY.iter_unpack(auxv[:whole])).get(_AT_HWCAP, 0)
    if names is None:
        return []
    bits = [bit for bit in range(value.bit_length()) if value >> bit & 1]
    return [names[bit] if bit < len(names) else f"bit {bit}" for bit in bits]
