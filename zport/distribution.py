"""The distribution that images are made of, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """A Debian release: suites of its archive, the Python and C library it ships.

    ``image`` is the reference that a registry is asked for. ``optional_suites`` are used where
    the archive serves them; the plan says which were left out. ``toolchain_requirements`` are
    Python packages, pinned with hashes in ``dockerfiles/toolchain/requirements.lock``.
    """

    suite: str
    python: tuple[int, int]
    glibc: tuple[int, int]
    image: str
    optional_suites: tuple[str, ...] = ()
    base_packages: tuple[str, ...] = ()
    builder_packages: tuple[str, ...] = ()
    model_packages: tuple[str, ...] = ()
    toolchain_packages: tuple[str, ...] = ()
    toolchain_requirements: tuple[str, ...] = ()
    native_compiler: tuple[str, ...] = ()
    cross_compiler: tuple[str, ...] = ()

    @property
    def python_version(self) -> str:
        return f"{self.python[0]}.{self.python[1]}"


TRIXIE = Distribution(
    suite="trixie",
    python=(3, 13),
    glibc=(2, 41),
    image="debian:trixie-slim",
    optional_suites=("trixie-updates", "trixie-security"),
    base_packages=("?essential", "apt"),
    builder_packages=("python3", "python3-pip", "xz-utils", "patch"),
    model_packages=("python3-onnx",),
    toolchain_packages=(
        "ccache", "cmake", "ninja-build", "patchelf", "pkg-config", "libpython3-dev:{debian}",
    ),
    toolchain_requirements=("auditwheel==6.8.2",),
    native_compiler=("build-essential",),
    cross_compiler=("crossbuild-essential-{debian}",),
)  # fmt: skip
