"""The distribution that images are made of, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Distribution:
    """A Debian release: suites of its archive, the Python and C library it ships.

    ``suite`` is the release's codename, ``alias`` the name that the archive has it under besides as
    long as it is the newest. ``image`` is the reference that a registry is asked for.
    ``optional_suites``, named after the codename, are used where the archive serves them; the plan
    says which were left out. ``framework_packages`` make the
    model files of a framework, besides ``model_packages``. ``toolchain_requirements`` are Python
    packages, pinned with hashes in ``dockerfiles/toolchain/requirements.lock``.
    ``agent_packages`` are in every agent's image, and of no package are the files that
    ``agents_leave_out`` has, as :class:`zport.debian.leave_out.LeaveOut` has them.
    """

    suite: str
    python: tuple[int, int]
    glibc: tuple[int, int]
    image: str
    optional_suites: tuple[str, ...] = ()
    alias: str | None = None
    base_packages: tuple[str, ...] = ()
    builder_packages: tuple[str, ...] = ()
    agent_packages: tuple[str, ...] = ()
    agents_leave_out: Mapping[str, str] = field(default_factory=dict, hash=False)
    model_packages: tuple[str, ...] = ()
    framework_packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
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
    alias="stable",
    base_packages=("?essential", "apt"),
    builder_packages=("python3", "python3-pip", "xz-utils", "patch"),
    # The first process of a container passes signals on, and reaps what other processes leave.
    agent_packages=("python3", "dumb-init"),
    agents_leave_out={
        "/usr/lib/*.a": "static libraries are for linkers",
        "/usr/lib/python3/dist-packages/numpy/*/tests/test_*": "NumPy's own tests",
        "/usr/lib/python3/dist-packages/numpy/f2py/*": "wraps Fortran",
    },
    model_packages=("python3-onnx",),
    framework_packages={"pytorch": ("python3-torch",)},
    toolchain_packages=(
        "ccache", "cmake", "ninja-build", "patchelf", "pkg-config", "libpython3-dev:{debian}",
    ),
    toolchain_requirements=("auditwheel==6.8.2",),
    native_compiler=("build-essential",),
    cross_compiler=("crossbuild-essential-{debian}",),
)  # fmt: skip
