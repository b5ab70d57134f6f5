"""Sources: what a recipe builds, named by kind and coordinates, pinned by SHA-256.

Where a registry is, nothing here says: pip's and apt's own configuration does, so mirrors work.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from zport.debian.source import DebianSourceFile
from zport.definitions import Definition
from zport.sources.fetch import UrlFile
from zport.sources.git import GitArchive
from zport.sources.pypi import IndexFile

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# Plain characters: the name becomes a part of paths and of a line of a Dockerfile.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+~-]*"
Archive = Annotated[str, StringConstraints(pattern=NAME + r"\.(tar|tar\.(gz|bz2|xz)|tgz|zip)$")]


class PyPISource(Definition):
    """The package's source distribution on the package index."""

    kind: Literal["pypi"]
    filename: Archive
    sha256: Sha256


class UrlSource(Definition):
    """An archive at a URL."""

    kind: Literal["url"]
    url: Annotated[str, StringConstraints(pattern=r"^(https?|file)://\S+$")]
    filename: Archive
    sha256: Sha256


class DebianSource(Definition):
    """A file of a Debian source package, mostly its original archive (``….orig.tar.xz``).

    The suite may be another one than that of the images. ``version`` is the source package's,
    with its epoch and revision.
    """

    kind: Literal["debian"]
    suite: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
    package: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]+$")]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+:~-]*$")]
    filename: Archive
    sha256: Sha256


class GitSource(Definition):
    """A commit of a git repository, packed as a tar archive whose hash is pinned too.

    ``tag`` is for the reader; the commit is what counts. The files lie in one folder, named as
    the archive without ``.tar``.
    """

    kind: Literal["git"]
    url: Annotated[str, StringConstraints(pattern=r"^(https?|ssh|git|file)://\S+$")]
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    tag: str | None = None
    submodules: bool = False
    filename: Annotated[str, StringConstraints(pattern=NAME + r"\.tar$")]
    sha256: Sha256


Source = Annotated[PyPISource | UrlSource | DebianSource | GitSource, Field(discriminator="kind")]


def is_pinned(source: Source) -> bool:
    """Whether the hash is known. Zeros stand for one that has not been found out yet."""
    return bool(source.sha256.strip("0"))


def coordinates(
    name: str, version: str, source: Source
) -> IndexFile | UrlFile | DebianSourceFile | GitArchive:
    """What :meth:`zport.sources.fetch.Fetcher.file` takes for a package version's source."""
    match source:
        case PyPISource():
            return IndexFile(name, version, source.filename, source.sha256)
        case UrlSource():
            return UrlFile(source.url, source.sha256)
        case DebianSource():
            return DebianSourceFile(
                source.package, source.version, source.suite, source.filename, source.sha256
            )
        case GitSource():
            return GitArchive(
                source.url, source.commit, source.submodules, source.filename, source.sha256
            )
