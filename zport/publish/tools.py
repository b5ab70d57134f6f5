"""The programs that speak to registries, oras and cosign: whether they are there, what they say."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from zport.engines.process import DIE_WITH_PARENT
from zport.errors import HostError

INSTALL = "install Debian 13's package {0}; it runs on Debian 12 too: see ci/setup-test-host"


def require_command(name: str) -> None:
    """Raise :class:`HostError` unless the command is installed."""
    if not shutil.which(name):
        raise HostError(f"{name} is not installed", next_step=INSTALL.format(name))


def run_tool(name: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What a program gives and says; ``options`` are those of :func:`subprocess.run`.

    Raises :class:`HostError` unless it is installed.
    """
    require_command(name)
    return subprocess.run(
        [*DIE_WITH_PARENT, name, *arguments], capture_output=True, text=True, errors="replace",
        check=False, **options,
    )  # fmt: skip


def said_by(done: subprocess.CompletedProcess[str]) -> str:
    """The line that tells why a program failed; hints may come after it."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("Error")), (lines or ["failed"])[-1])
