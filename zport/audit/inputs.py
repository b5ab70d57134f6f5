"""Inputs: a folder, a file, an archive, or ``PACKAGE==VERSION``, and how its files are had."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from zport.audit.files import BROKEN, File, Files, archive_files, folder_files, read_file
from zport.audit.languages import SUFFIXES, language_of
from zport.distribution import TRIXIE
from zport.errors import FetchError, UsageError
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index, IndexFile
from zport.workspace import Workspace

KINDS = "a folder, a source file, a .tar.* or .zip archive, or PACKAGE==VERSION"
OLDER_PYTHONS = ((3, 13), (3, 9), (3, 7), (2, 7))
"""An old source is read and not run, so the Python that it is for does not matter."""


@dataclass(frozen=True)
class Input:
    """What is audited: ``files`` goes through it each time it is called."""

    title: str
    files: Files


def find_input(text: str, workspace: Workspace) -> Input:
    """The source that an argument names; a package's is fetched.

    Raises :class:`UsageError` for what is none, and what fetching raises.
    """
    path = Path(text)
    try:
        if path.is_dir():
            return Input(text, partial(folder_files, path))
        if path.is_file():
            return _file_input(path)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=text,
                         next_step=f"name {KINDS}") from error  # fmt: skip
    if "/" in text or path.is_symlink() or language_of(text) or text.endswith((".zip", "gz", "xz")):
        raise UsageError("no such file or folder", where=text, next_step=f"name {KINDS}")
    return _package_input(text, workspace)


def _file_input(path: Path) -> Input:
    if language_of(path.name) is not None:
        return Input(str(path), lambda: _one(path))
    try:
        known = zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except (*BROKEN, OSError) as error:
        raise UsageError(f"not a whole archive: {error}", where=path,
                         next_step=f"name {KINDS}") from error  # fmt: skip
    if not known:
        raise UsageError(
            "neither an archive nor a source that is audited", where=path,
            next_step=f"name {KINDS}; sources end in {', '.join(SUFFIXES)}",
        )  # fmt: skip
    return Input(str(path), partial(archive_files, path, str(path)))


def _one(path: Path) -> Iterator[File]:
    yield read_file(path, path.name)


def _package_input(text: str, workspace: Workspace) -> Input:
    name, given, version = text.strip().partition("==")
    try:
        name = str(canonicalize_name(name, validate=True))
        wanted = str(Version(version)) if given else None
    except (InvalidName, InvalidVersion) as error:
        raise UsageError("no such file, and not a package either", where=text,
                         next_step=f"name {KINDS}") from error  # fmt: skip
    fetcher = Fetcher(workspace, Index())
    file = find_source(fetcher.index, name, wanted)
    title = f"{file.name}=={file.version}"
    return Input(title, partial(archive_files, fetcher.file(file), title))


def find_source(index: Index, name: str, version: str | None) -> IndexFile:
    """The source distribution of a version, or of the newest, whatever Python it is for.

    Raises :class:`UsageError` for an unknown package, :class:`FetchError` for one without source.
    """
    for python in OLDER_PYTHONS:
        file = index.sdist(name, version, replace(TRIXIE, python=python))
        if file:
            return file
    if not index.knows(name):
        raise UsageError("no such file, and the package index has no such package", where=name,
                         next_step=f"name {KINDS}")  # fmt: skip
    raise FetchError(
        "the index has no source distribution of it",
        where=f"pypi:{name}" + (f"=={version}" if version else ""),
        next_step="choose another version, or name a folder with its source",
    )
