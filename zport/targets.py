"""The target table: the one place where an architecture is named.

A target is data. Everything that differs between architectures (OCI platform, Debian name, GNU
triplet, byte order, emulator, wheel tags) is a field here, and all other code and every template
reads the field.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from zport.errors import UsageError


@dataclass(frozen=True)
class Target:
    """One architecture that images are built for.

    ``oci`` is the platform as OCI writes it, ``machine`` what ``uname -m`` and wheel tags say,
    ``debian`` dpkg's architecture, ``triplet`` GNU's, ``cpu_baseline`` what it compiles for.
    ``rust`` is the compiler's name for the platform, ``cpu_family`` Meson's for the processor, and
    ``long_double`` NumPy's for the format of C's ``long double``: what a native build finds out by
    running a program, a cross build has to be told.
    ``wheel_glibc_floor`` is the oldest glibc (minor of 2.x) for which manylinux defines the
    platform. ``run_here`` says whether images of this target have been built, run and compared:
    what has not been run is marked so in every table.
    """

    name: str
    oci: str
    machine: str
    debian: str
    triplet: str
    byte_order: Literal["little", "big"]
    emulator: str
    cpu_baseline: str
    wheel_glibc_floor: int
    elf_machine: str
    rust: str
    cpu_family: str
    long_double: str
    run_here: bool = False

    @property
    def goarch(self) -> str:
        """The architecture as OCI and Kubernetes write it: Go's name."""
        return self.oci.rpartition("/")[2]

    @property
    def byte_order_phrase(self) -> str:
        return f"{self.byte_order}-endian"

    def wheel_platforms(self, glibc: tuple[int, int]) -> list[str]:
        """Platform tags that run on this target with the given glibc, best first (PEP 600)."""
        major, minor = glibc
        tags = [
            f"manylinux_{major}_{m}_{self.machine}"
            for m in range(minor, self.wheel_glibc_floor - 1, -1)
        ]
        return [*tags, f"manylinux2014_{self.machine}", f"linux_{self.machine}"]


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("s390x", "linux/s390x", "s390x", "s390x", "s390x-linux-gnu", "big",
               "qemu-s390x", "z196", 17, "EM_S390",
               "s390x-unknown-linux-gnu", "s390x", "IEEE_QUAD_BE", run_here=True),
        Target("amd64", "linux/amd64", "x86_64", "amd64", "x86_64-linux-gnu", "little",
               "qemu-x86_64", "x86-64", 5, "EM_X86_64",
               "x86_64-unknown-linux-gnu", "x86_64", "INTEL_EXTENDED_16_BYTES_LE", run_here=True),
        Target("arm64", "linux/arm64", "aarch64", "arm64", "aarch64-linux-gnu", "little",
               "qemu-aarch64", "armv8-a", 17, "EM_AARCH64",
               "aarch64-unknown-linux-gnu", "aarch64", "IEEE_QUAD_LE"),
        Target("ppc64le", "linux/ppc64le", "ppc64le", "ppc64el", "powerpc64le-linux-gnu", "little",
               "qemu-ppc64le", "power8", 17, "EM_PPC64",
               "powerpc64le-unknown-linux-gnu", "ppc64", "IBM_DOUBLE_DOUBLE_LE"),
        Target("riscv64", "linux/riscv64", "riscv64", "riscv64", "riscv64-linux-gnu", "little",
               "qemu-riscv64", "rv64gc", 31, "EM_RISCV",
               "riscv64gc-unknown-linux-gnu", "riscv64", "IEEE_QUAD_LE"),
    )
}  # fmt: skip

DEFAULT = TARGETS["s390x"]
"""The target that is meant where none is given."""

REFERENCE = TARGETS["amd64"]
"""The target whose numbers the others are compared with."""

BOTH = f"{REFERENCE.name},{DEFAULT.name}"
"""The list that is meant where one target is not enough."""


def parse_targets(text: str) -> list[Target]:
    """Targets for a comma-separated list such as ``s390x,amd64``, each once, in that order.

    Raises :class:`UsageError` for an unknown name, with the nearest one.
    """
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    if not names:
        raise UsageError("no architecture given", where="--arch", next_step=_choices())
    return list(dict.fromkeys(find_target(name) for name in names))


def find_target(name: str) -> Target:
    """The target of that name, or the one whose ``uname -m`` or Debian name it is."""
    for target in TARGETS.values():
        if name in (target.name, target.machine, target.debian, target.oci):
            return target
    near = get_close_matches(name, TARGETS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown architecture {name!r}", where="--arch", next_step=hint + _choices())


def host_target() -> Target:
    """The target that runs on this machine without emulation."""
    return find_target(platform.machine())


def _choices() -> str:
    return "choose from " + ", ".join(TARGETS)
