"""What zport needs of the host: tools, root, free space.

Standard library only: the front door ``build.py`` asks before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from zport.errors import HostError

Need = Literal["buildah", "docker", "bootstrap", "emulate"]


class HostTool(NamedTuple):
    """A file or command of the host: the package that has it, and what asks for it.

    ``name`` is a command, or with a slash a pattern that some file must match.
    """

    name: str
    package: str
    need: Need
    why: str

    @property
    def present(self) -> bool:
        if "/" in self.name:
            return any(Path("/").glob(self.name.lstrip("/")))
        return shutil.which(self.name) is not None


HOST_TOOLS = (
    HostTool("buildah", "buildah", "buildah", "builds images without a daemon"),
    HostTool("ip", "iproute2", "buildah", "gives containers without a network their loopback"),
    HostTool("mmdebstrap", "mmdebstrap", "bootstrap", "makes the base image from packages"),
    HostTool(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
        "bootstrap",
        "checks the signatures of those packages",
    ),
    HostTool(
        "/usr/lib/binfmt.d/qemu-*.conf",
        "qemu-user-static",
        "emulate",
        "runs programs of another architecture",
    ),
)
"""The one list of what is installed on the host. apt-get, dpkg and util-linux are Debian itself;
a Docker daemon is the user's own, so the docker engine asks for nothing here."""


def needs(engine: str, *, bootstrap: bool, emulate: bool) -> list[HostTool]:
    """The tools that ``engine`` needs, to ``bootstrap`` a base image and to ``emulate`` targets."""
    wanted = {engine: True, "bootstrap": bootstrap, "emulate": emulate}
    return [tool for tool in HOST_TOOLS if wanted.get(tool.need)]


def missing_packages(tools: Iterable[HostTool]) -> list[str]:
    """The packages of those tools that the host lacks, each once."""
    return list(dict.fromkeys(tool.package for tool in tools if not tool.present))


def install_command(packages: Iterable[str]) -> str:
    """The line that a user types to install the packages."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    names = " ".join(packages)
    return f"{sudo}apt-get update && {sudo}apt-get install --yes --no-install-recommends {names}"


def refuse_missing(packages: Iterable[str]) -> None:
    """Raise :class:`HostError` that names the packages and how to install them."""
    if names := list(packages):
        raise HostError(
            f"the host lacks {', '.join(names)}", next_step=f"run: {install_command(names)}"
        )


def can_install() -> bool:
    """Whether :func:`install_packages` can do more than tell the command."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_packages(packages: Iterable[str], log: Path) -> None:
    """Install the packages with apt; ``log`` takes all that apt says."""
    names = list(packages)
    if not can_install():
        refuse_missing(names)
    apt_get = ["apt-get", "-o", "DPkg::Lock::Timeout=300"]
    log.parent.mkdir(parents=True, exist_ok=True)
    for command in (
        [*apt_get, "update"],
        [*apt_get, "install", "--yes", "--no-install-recommends", *names],
    ):
        with log.open("a") as out:
            print("$", *command, file=out, flush=True)
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                check=False,
            )
        if result.returncode != 0:
            raise HostError(
                f"apt cannot install {', '.join(names)}",
                where=" ".join(command[:1] + command[3:4]),
                next_step=f"see the log, then run: {install_command(names)}",
                log=log,
            )


def free_space(path: Path, needed: int) -> None:
    """Raise :class:`HostError` unless ``needed`` bytes are free where ``path`` lies or will lie."""
    path = path.absolute()
    existing = next(place for place in (path, *path.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise HostError(
            f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free",
            where=path,
            next_step="free some space there, or put the build folder on another disk",
        )
