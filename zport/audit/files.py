"""The files of a source, one by one: of a folder, of an archive as it is, or a single one.

Nothing is unpacked to the disk, no link is followed, and there are limits to what comes out of an
archive.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path

from zport.audit.examine import LARGEST
from zport.audit.languages import language_of
from zport.errors import UsageError

LEFT_OUT = {".git", ".hg", ".svn", "__pycache__", "node_modules", ".tox", ".venv", ".mypy_cache"}
TOTAL = 8 << 30
"""Bytes that come out of an archive at most."""
RATIO = 200
"""How many times as large as the archive its content may be; sources are near 10."""
SMALL = 256 << 20
"""Bytes up to which no ratio counts: test data may be packed very well."""
MEMBERS = 500_000
CHUNK = 1 << 20
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, RuntimeError,
          NotImplementedError, ValueError)  # fmt: skip
"""What a damaged or encrypted archive raises."""


@dataclass(frozen=True)
class File:
    """A file of a known language; where ``data`` is ``None``, ``skipped`` says why."""

    path: str
    data: bytes | None
    skipped: str = ""


Files = Callable[[], Iterator[File]]
"""A source: each call goes through its files anew."""


def folder_files(root: Path) -> Iterator[File]:
    """The sources below a folder, in the order of their names. Links are not followed."""
    for base, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders
            if name not in LEFT_OUT and not Path(base, name).is_symlink()
        )  # fmt: skip
        for name in sorted(names):
            path = Path(base, name)
            shown = path.relative_to(root).as_posix()
            if language_of(shown) is not None:
                yield read_file(path, shown)


def read_file(path: Path, shown: str) -> File:
    """One file of the disk."""
    try:
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode):
            return File(shown, None, "a link: not followed")
        if not stat.S_ISREG(state.st_mode):
            return File(shown, None, "no regular file")
        if state.st_size > LARGEST:
            return File(shown, None, f"larger than {LARGEST >> 20} MB")
        return File(shown, path.read_bytes())
    except OSError as error:
        return File(shown, None, f"cannot be read: {error.strerror}")


def archive_files(archive: Path, title: str) -> Iterator[File]:
    """The sources in a tar or zip archive, without its top folder if it has one.

    Raises :class:`UsageError` for one that is broken, or out of which too much comes.
    """
    try:
        members = _zipped if zipfile.is_zipfile(archive) else _tarred
        for name, data, skipped in members(archive):
            yield File(name, data, skipped)
    except _TooMuchError as error:
        raise UsageError(
            str(error), where=title, next_step="no source is packed like that: do not trust it"
        ) from error
    except (*BROKEN, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"not a whole source archive: {reason}",
            where=title,
            next_step="name a folder, a .tar.* or .zip archive, or fetch it again",
        ) from error


class _TooMuchError(Exception):
    """More comes out of an archive than of any source."""


class _Budget:
    def __init__(self, archive: Path) -> None:
        self.left = min(TOTAL, max(SMALL, RATIO * archive.stat().st_size))
        self.limit = self.left
        self.members = 0

    def spend(self, size: int) -> None:
        self.left -= size
        self.members += 1
        if self.left < 0:
            raise _TooMuchError(f"more than {self.limit >> 20} MB come out of it")
        if self.members > MEMBERS:
            raise _TooMuchError(f"more than {MEMBERS} files come out of it")


Member = tuple[str, bytes | None, str]


def _tarred(archive: Path) -> Iterator[Member]:
    budget = _Budget(archive)
    # As a stream: the index of a large archive would be as large as its sources.
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            budget.spend(member.size)
            tar.members = []  # type: ignore[attr-defined]
            name = _inner(member.name)
            if not member.isreg() or language_of(name) is None:
                continue
            if member.size > LARGEST:
                yield name, None, f"larger than {LARGEST >> 20} MB"
                continue
            file = tar.extractfile(member)
            yield name, file.read() if file else b"", ""


def _zipped(archive: Path) -> Iterator[Member]:
    budget = _Budget(archive)
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            name = _inner(info.filename)
            if info.is_dir() or language_of(name) is None:
                continue
            if info.file_size > LARGEST:
                yield name, None, f"larger than {LARGEST >> 20} MB"
                continue
            with opened.open(info) as file:
                # What the directory says of the size may be a lie.
                data = file.read(LARGEST + 1)
            budget.spend(len(data))
            if len(data) > LARGEST:
                yield name, None, f"larger than {LARGEST >> 20} MB"
            else:
                yield name, data, ""


def _inner(name: str) -> str:
    """A member's path without the folder at the top, which has the version in its name."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return "/".join(parts[1:] or parts)
