"""Emulators: what the kernel runs programs of another architecture with.

The kernel calls them by its binfmt_misc registrations, containers included if a registration has
flag F. Standard library only, as zport.host.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from zport.errors import HostError
from zport.host import HOST_TOOLS, install_command
from zport.targets import Target

KERNEL = Path("/proc/sys/fs/binfmt_misc")
"""Where the kernel shows and takes registrations."""

DEFINITIONS = Path("/usr/lib/binfmt.d")
"""Where packages keep the line that registers each of their emulators, as binfmt.d(5) says."""


class Registration(NamedTuple):
    """One emulator as the kernel knows it."""

    enabled: bool
    interpreter: str
    flags: str

    @property
    def fault(self) -> str | None:
        """Why containers cannot use it, or None.

        With flag F the kernel opened the interpreter when it was registered, so its path need not
        exist any more, and it works in every container. Without, a container would have to hold it.
        """
        if not self.enabled:
            return "is disabled"
        if "F" in self.flags:
            return None
        if not Path(self.interpreter).exists():
            return f"points to {self.interpreter}, which does not exist"
        return f"lacks flag F (fix binary), so containers do not find {self.interpreter}"


def registration(emulator: str, kernel: Path = KERNEL) -> Registration | None:
    """The kernel's entry for that emulator, or None."""
    try:
        enabled, *lines = (kernel / emulator).read_text().splitlines()
    except FileNotFoundError:
        return None
    fields = dict(line.partition(" ")[::2] for line in lines)
    flags = fields.get("flags:", "")
    return Registration(enabled == "enabled", fields.get("interpreter", ""), flags)


def emulator_registered(target: Target, kernel: Path = KERNEL) -> bool:
    """Whether containers of that target run here by emulation."""
    entry = registration(target.emulator, kernel)
    return entry is not None and entry.fault is None


def emulator_version(
    target: Target, kernel: Path = KERNEL, definitions: Path = DEFINITIONS
) -> str | None:
    """What the emulator of a target says of its version: the registered one, else the one that
    would be. None where there is none, or it does not say."""
    entry = registration(target.emulator, kernel)
    if entry:
        return _said_version(Path(entry.interpreter).resolve())
    try:
        line = _definition(target.emulator, definitions)
    except HostError:
        return None
    return _said_version(Path(line.split(":")[-2]).resolve())


@cache
def _said_version(program: Path) -> str | None:
    # By its own name: called by its link's name it would take the option for a program.
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.splitlines()[0] if done.stdout else None


def register_emulators(
    targets: Iterable[Target], kernel: Path = KERNEL, definitions: Path = DEFINITIONS
) -> list[str]:
    """Register what is not registered yet, and return the names of those emulators.

    The caller leaves out the targets that run natively. Raises :class:`HostError` where an entry
    is there but of no use: it may be somebody's on purpose, so it is never replaced.
    """
    emulators = [target.emulator for target in targets]
    if emulators:
        _mount(kernel)
    missing = [name for name in emulators if _usable(name, kernel) is None]
    # All definitions are read before the first is registered: all or nothing.
    lines = {name: _definition(name, definitions) for name in missing}
    for name, line in lines.items():
        _register(name, line, kernel)
    return missing


def _usable(emulator: str, kernel: Path) -> Registration | None:
    """The kernel's entry, None if there is none; raises where it is of no use to containers."""
    entry = registration(emulator, kernel)
    if entry and entry.fault:
        path = kernel / emulator
        raise HostError(
            f"the registered emulator {entry.fault}",
            where=path,
            next_step=f"remove it as root: echo -1 > {path}, then run zport again",
        )
    return entry


def _definition(emulator: str, definitions: Path) -> str:
    """The line of binfmt.d(5) that registers the emulator, fit for containers."""
    path = definitions / f"{emulator}.conf"
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        package = next(tool.package for tool in HOST_TOOLS if tool.need == "emulate")
        raise HostError(
            f"the emulator {emulator} is not installed",
            where=path,
            next_step=f"run: {install_command([package])}",
        ) from None
    for line in lines:
        if line.startswith(f":{emulator}:") and "F" in line.rpartition(":")[2]:
            return line
    raise HostError(
        f"no line registers {emulator} with flag F (fix binary), which containers need",
        where=path,
        next_step="install the statically linked emulators: qemu-user-static",
    )


def _mount(kernel: Path) -> None:
    if (kernel / "register").exists():
        return
    command = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(kernel)]
    complaint = "only root can mount it"
    if os.geteuid() == 0:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        complaint = result.stderr.strip()
    # Another process may have mounted it in between: what counts is that it is there.
    if not (kernel / "register").exists():
        raise HostError(
            f"binfmt_misc is not mounted, so emulators cannot be registered: {complaint}",
            where=kernel,
            next_step=f"run on the host: sudo {' '.join(command)}",
        )


def _register(emulator: str, line: str, kernel: Path) -> None:
    try:
        (kernel / "register").write_text(line)
    except OSError as error:
        # Another process may have registered it in between.
        if _usable(emulator, kernel) is None:
            definition = DEFINITIONS / f"{emulator}.conf"
            raise HostError(
                f"the emulator {emulator} cannot be registered: {error.strerror}",
                where=kernel / "register",
                next_step=f"run on the host: sudo sh -c 'cat {definition} > {kernel}/register'",
            ) from None
