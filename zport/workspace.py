"""Where things lie in the build folder, and how a file gets there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from zport.errors import HostError

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout: recipes, agents, models, templates."""


@dataclass(frozen=True)
class Workspace:
    """The build folder. Everything in it can be deleted and made again."""

    root: Path

    @property
    def cache(self) -> Path:
        """Fetched files, by their SHA-256: packages, wheels, sources."""
        return self.root / "cache"

    @property
    def locks(self) -> Path:
        """What Debian's archive and the package index answered: the resolved closures."""
        return self.root / "locks"

    @property
    def plan(self) -> Path:
        """Rendered Dockerfiles with their contexts, one folder a step."""
        return self.root / "plan"

    @property
    def wheels(self) -> Path:
        """Wheels that were built, one folder a key."""
        return self.root / "wheels"

    @property
    def models(self) -> Path:
        """Model files, fetched and prepared, one folder a key."""
        return self.root / "models"

    @property
    def results(self) -> Path:
        """Verdicts: one folder a cell, one file a run."""
        return self.root / "results"

    @property
    def logs(self) -> Path:
        """The whole output of every command of the build."""
        return self.root / "logs"

    @contextmanager
    def exclusive(self, name: str, *, seconds: float = -1) -> Iterator[None]:
        """Hold the named lock; another zport on this folder waits. A dead process holds nothing.

        Raises :class:`filelock.Timeout` when it is not free within ``seconds``; negative: waits.
        """
        folder = make_folder(self.root / "guards")
        with FileLock(folder / f"{name}.lock", timeout=seconds):
            yield


def make_folder(path: Path) -> Path:
    """The folder, made if need be. Raises :class:`HostError` when it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error
    return path


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file so that it is there whole or not at all, whenever the process dies."""
    data = content.encode() if isinstance(content, str) else content
    make_folder(path.parent)
    with part_file(path) as part:
        part.write_bytes(data)
    return path


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write into; it becomes ``path`` when the block ends well.

    Raises :class:`HostError` where it cannot, and for a ``path`` that is a device, a pipe or a
    link: it would be replaced, as by root ``/dev/stdout``.
    """
    if path.is_symlink() or (path.exists() and not (path.is_file() or path.is_dir())):
        raise HostError("not a plain file", where=path, next_step="name another one")
    folder = make_folder(path.parent)
    part = None
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
        os.close(handle)
        part = Path(name)
        yield part
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        if part:
            part.unlink(missing_ok=True)


@contextmanager
def part_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` to fill; it becomes ``path`` when the block ends well."""
    make_folder(path.parent)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:
            inner = Path(name) / "whole"
            inner.mkdir()
            yield inner
            if path.exists():
                path.rename(Path(name) / "old")
            inner.rename(path)
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path) -> HostError:
    """The clear form of a failed write: a full disk, a missing right."""
    return HostError(
        f"cannot write: {error.strerror or error}",
        where=path,
        next_step="free space or rights on that disk, then run the same command again",
    )


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """SHA-256, in hex, of a value that JSON can write; the same value gives the same digest."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: Path) -> Any:
    """What a JSON file of the build folder holds, or ``None`` if it is absent or broken."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None


def write_json(path: Path, value: Any) -> Path:
    """Write a value as readable JSON, whole or not at all."""
    return write_whole(path, json.dumps(value, indent=2, sort_keys=True) + "\n")
