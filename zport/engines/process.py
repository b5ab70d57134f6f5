"""Running an engine's command: its whole output goes to a log, its failure becomes one message."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from zport.errors import BuildError, EngineError, HostError, PatchError, ZportError
from zport.workspace import make_folder

MARKED = re.compile(r"zport-error: (?P<message>.+)")
TELLING = re.compile(r"(?i)\berror\b|\bE: ")
WRAPPED = re.compile(r"Error: building at STEP|subprocess exited|ERROR: failed to (build|solve)")
"""What an engine says of a command that has told its own reason before."""
NO_SPACE = "no space left on device"
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""A build that lost its zport must not go on: util-linux's setpriv has the kernel end it."""


def run_logged(command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> int:
    """Run a command with all its output appended to a log; returns the exit status."""
    make_folder(log.parent)
    with log.open("ab") as file:
        file.write(f"$ {' '.join(command)}\n".encode())
        file.flush()
        return subprocess.run(
            _guarded(command), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})}, check=False,
        ).returncode  # fmt: skip


def ask(command: Sequence[str], *, where: str | None = None, next_step: str | None = None) -> str:
    """A command's standard output. Raises :class:`EngineError` with what it said on failure."""
    done = subprocess.run(
        _guarded(command), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise EngineError(
            said[-1].removeprefix("Error: "),
            where=where or " ".join(command[:3]),
            next_step=next_step,
        )
    return done.stdout.decode(errors="replace")


def build_failure(log: Path, what: str) -> ZportError:
    """The clear form of a failed build, from its log."""
    lines = log.read_text(errors="replace").splitlines()
    marked = [match["message"] for line in lines if (match := MARKED.search(line))]
    if marked and marked[-1].startswith("patch "):
        return PatchError(
            marked[-1], where=what, next_step="mend or remove that patch in patches/", log=log
        )
    if any(NO_SPACE in line.lower() for line in lines[-40:]):
        return HostError(
            "the disk is full", where=what, next_step="free space, then run it again", log=log
        )
    telling = [line.strip() for line in lines if TELLING.search(line) and not WRAPPED.match(line)]
    reason = marked[-1] if marked else (telling or lines or ["no output"])[-1].strip()
    return BuildError(
        reason, where=what, next_step="read the log; the next run starts at this step", log=log
    )


def _guarded(command: Sequence[str]) -> list[str]:
    return [*DIE_WITH_PARENT, *command]
