"""The circumstances of a run: what its numbers depend on besides models and images."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zport import __version__
from zport.workspace import PROJECT

Circumstances = Mapping[str, Any]
"""``zport``, ``commit``, ``host``, ``engine``, ``emulators``, ``started``; more keys are kept."""


def circumstances(
    *, host: str, engine: str, emulators: Mapping[str, str | None], **more: Any
) -> dict[str, Any]:
    """The circumstances of a run that begins now.

    ``host`` is a target's name, ``emulators`` gives the emulator's version for each target that is
    not the host's. The rest is found out: zport's version, the checkout's commit, the time.
    """
    return {
        "zport": __version__,
        "commit": commit_of(PROJECT),
        "host": host,
        "engine": engine,
        "emulators": dict(emulators),
        "started": now(),
        **more,
    }


def now() -> str:
    """The time in UTC, to the second, as ISO 8601 has it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out there, with ``+`` where files differ; none without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+" if changed else commit


def _git(folder: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
