"""Fetched files: found in the cache by SHA-256, or brought there and checked.

A file is in the cache under its own hash or not at all; what a dead download left is taken up
again where it stopped. Files of Debian's archive are downloaded by apt's helper, which honours
apt's proxies; index files over HTTP with resume and back-off; commits by git.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from zport.debian import source as debian_source
from zport.debian.packages import DebianPackage
from zport.debian.source import DebianSourceFile
from zport.errors import ChecksumError, FetchError, HostError, ZportError
from zport.sources import git
from zport.sources.git import GitArchive
from zport.sources.pypi import Index, IndexFile
from zport.workspace import Workspace, disk_error, make_folder, sha256_file

APT_HELPER = "/usr/lib/apt/apt-helper"
ATTEMPTS = 4
CHUNK = 1 << 16
"""What a cut connection loses at most."""
SMALL, RATIO = 256 << 20, 200
"""Bytes that may come out of one file of any archive; of a large one so many times its size, for
weights hardly shrink."""
PASSING = (408, 425, 429)
"""HTTP's refusals that ask for a later try; all others of the 400s stay what they are."""


@dataclass(frozen=True)
class UrlFile:
    """A file at a URL, pinned."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Member:
    """One file inside a wheel, a zip or a tar archive, pinned by its own hash."""

    archive: IndexFile | UrlFile
    path: str
    sha256: str


Remote = IndexFile | UrlFile | DebianSourceFile | GitArchive
Source = Remote | Member


class Fetcher:
    """Brings files into the cache of a workspace."""

    def __init__(self, workspace: Workspace, index: Index) -> None:
        self.workspace = workspace
        self.index = index

    def cached(self, sha256: str) -> Path:
        """Where a file with this hash lies once it is fetched."""
        return self.workspace.cache / sha256[:2] / sha256

    def debian(self, packages: Iterable[DebianPackage]) -> None:
        """Fetch Debian packages, all missing ones in one run of apt's downloader."""
        with self.workspace.exclusive("fetch-debian"):
            missing = {p.sha256: p for p in packages if not self.cached(p.sha256).exists()}
            if missing:
                self._fetch_debian(list(missing.values()))

    def file(self, source: Source) -> Path:
        """Fetch a pinned file, and tell where it lies in the cache.

        It is on the package index, at a URL, in Debian's archive, a commit that is packed here, or
        inside an archive. Raises :class:`FetchError` when it cannot be had, :class:`ChecksumError`
        when it is another one, :class:`HostError` when a tool or room on the disk is missing.
        """
        cached = self.cached(source.sha256)
        with self.workspace.exclusive(f"fetch-{source.sha256[:16]}"):
            if not cached.exists():
                part = make_folder(cached.parent) / f"{source.sha256}.part"
                self._bring(source, part)
                where = source.path if isinstance(source, Member) else _place_of(source)
                admit(part, cached, source.sha256, where=where)
        return cached

    def _bring(self, source: Source, part: Path) -> None:
        if isinstance(source, Member):
            extract_member(self.file(source.archive), source.path, part)
        elif isinstance(source, DebianSourceFile):
            self._fetch_debian_source(source, part)
        elif isinstance(source, GitArchive):
            git.pack(self.workspace, source, part)
        elif isinstance(source, IndexFile):
            download(self.index.locate(source), part, where=_place_of(source))
        else:
            download(source.url, part, where=_place_of(source))

    def _fetch_debian(self, packages: Sequence[DebianPackage]) -> None:
        with TemporaryDirectory(dir=make_folder(self.workspace.cache), prefix=".debian.") as name:
            wanted = [(p.uri, Path(name) / p.sha256, p.sha256) for p in packages]
            output = _apt_download(wanted)
            for package, (_, path, sha256) in zip(packages, wanted, strict=True):
                if not path.exists():
                    raise _debian_failure(package.file, package.size, output, path)
                admit(path, self.cached(sha256), sha256, where=package.file)

    def _fetch_debian_source(self, file: DebianSourceFile, part: Path) -> None:
        place = debian_source.locate(self.workspace, file)
        output = _apt_download([(place.uri, part, file.sha256)])
        if not part.exists() or part.stat().st_size < place.size:
            part.with_name(f"{part.name}.FAILED").unlink(missing_ok=True)
            raise _debian_failure(str(file), place.size, output, part)


def _apt_download(wanted: Iterable[tuple[str, Path, str]]) -> str:
    """Have apt download URIs to paths, each checked against its SHA-256; returns what it said.

    apt goes on with a part that is there. A file that did not come is not there, or shorter.
    """
    request = []
    for uri, path, sha256 in wanted:
        # Of a local archive's files apt would only make links.
        request += [re.sub("^file:", "copy:", uri), str(path), f"SHA256:{sha256}"]
    try:
        done = subprocess.run(
            [APT_HELPER, "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3",
             "download-file", *request],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise HostError(
            "apt is not installed",
            where=APT_HELPER,
            next_step="zport fetches from Debian with apt: run it on Debian or Ubuntu",
        ) from error
    return done.stdout + done.stderr


def extract_member(archive: Path, name: str, part: Path) -> None:
    """Write one file of a zip or tar archive to ``part``; nothing else is unpacked.

    Raises :class:`FetchError` when the archive has no such file or is neither.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened, opened.open(name) as member:
                _write_member(member, part, archive)
            return
        with tarfile.open(archive) as tar:
            found = tar.extractfile(name)
            if found is None:
                raise KeyError(name)
            _write_member(found, part, archive)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise FetchError(
            f"the archive has no file {name}",
            where=archive,
            next_step="check the path and the pinned version",
        ) from error
    except OSError as error:
        raise disk_error(error, part) from error


def _write_member(member: IO[bytes], part: Path, archive: Path) -> None:
    """Copy a member piece by piece, up to what an honest archive of that size may hold."""
    limit = max(SMALL, RATIO * archive.stat().st_size)
    with part.open("wb") as file:
        while data := member.read(CHUNK):
            file.write(data)
            if file.tell() > limit:
                raise FetchError(
                    f"more than {limit >> 20} MB come out of one file",
                    where=archive, next_step="take the archive for a bomb: do not use it",
                )  # fmt: skip


def _place_of(source: Remote) -> str:
    if isinstance(source, UrlFile):
        return source.url
    if isinstance(source, IndexFile):
        return f"pypi:{source.name}=={source.version} {source.filename}"
    return str(source)


def download(url: str, part: Path, *, where: str, pinned: bool = True) -> None:
    """Bring a URL into ``part``, going on where an earlier try stopped.

    Without a pin nobody would see that two files were joined: then what an earlier call left is
    thrown away, and only that is gone on with which the server says is unchanged.

    Raises :class:`FetchError` after the last attempt, with the reason of that one.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        _copy(Path(url2pathname(parts.path)), part, where)
        return
    reason = ""
    seen: dict[str, str] | None = None if pinned else {}
    for attempt in range(ATTEMPTS):
        time.sleep((2**attempt - 1) / 2)
        reason, passing = _attempt(url, part, seen)
        if not reason:
            return
        if not passing:
            break
    raise FetchError(
        f"cannot fetch {parts.path.rsplit('/', 1)[-1]}: {reason}",
        where=where,
        next_step="check the network; the next run "
        + ("goes on where this one stopped" if pinned else "begins anew: nothing pins the file"),
    )


def _copy(source: Path, part: Path, where: str) -> None:
    try:
        file = source.open("rb")
    except OSError as error:
        raise FetchError(f"cannot read {source}: {error.strerror}", where=where) from error
    with file:
        try:
            with part.open("wb") as copy:
                shutil.copyfileobj(file, copy, CHUNK)
        except OSError as error:
            raise disk_error(error, part) from error


def _attempt(url: str, part: Path, seen: dict[str, str] | None) -> tuple[str, bool]:
    """One try; returns why it failed, or nothing, and whether another try may do better.

    ``seen`` has the header by which the server tells whether the file is still that of which a part
    is there, or nothing where it cannot; None for a file that is pinned.
    """
    import requests

    if seen == {}:
        part.unlink(missing_ok=True)
    have = part.stat().st_size if part.exists() else 0
    # The file as it is: a server may offer it compressed once more, and ranges then count that.
    headers = {"Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={have}-", **(seen or {})} if have else {}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(15, 60)) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                part.unlink(missing_ok=True)
                return "the part fetched earlier does not fit", True
            if not answer.ok:
                passing = answer.status_code >= 500 or answer.status_code in PASSING
                return f"HTTP {answer.status_code} {answer.reason}", passing
            rest = answer.status_code == requests.codes.partial_content
            if seen is not None and not _is_same(seen, answer.headers.get("ETag", ""), rest):
                return "the file was changed meanwhile", True
            mode = "ab" if rest else "wb"
            with part.open(mode) as file:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
    except requests.RequestException as error:
        return str(error), True
    except OSError as error:
        raise disk_error(error, part) from error
    return "", False


def _is_same(seen: dict[str, str], tag: str, rest: bool) -> bool:
    """Whether an answer belongs to what is there of an unpinned file: a new whole one always does,
    and a rest by its tag. What was seen of it is noted, or forgotten."""
    same = not rest or seen.get("If-Range") == tag
    if not rest or not same:
        seen.clear()
    if not rest and tag.startswith('"'):  # Others, W/"...", are of files that mean the same.
        seen["If-Range"] = tag
    return same


def admit(part: Path, path: Path, sha256: str, *, where: str) -> None:
    """Move a fetched file to its place if it is the pinned one, else remove it.

    Raises :class:`ChecksumError` with both hashes.
    """
    found = sha256_file(part)
    if found != sha256:
        part.unlink()
        raise ChecksumError(
            f"SHA-256 is {found}, pinned is {sha256}",
            where=where,
            next_step="the file was changed or cut short: fetch again, "
            "and if it stays so do not use it",
        )
    make_folder(path.parent)
    part.replace(path)


def _debian_failure(name: str, size: int, output: str, path: Path) -> ZportError:
    free = shutil.disk_usage(path.parent).free
    if free < size:
        return HostError(
            f"disk full: {free >> 20} MB free",
            where=path.parent,
            next_step="free space on that disk, then run the same command again",
        )
    if "Hash Sum mismatch" in output:
        return ChecksumError(
            "the archive has another file than the pinned one",
            where=name,
            next_step="the file was changed or cut short: fetch again, "
            "and if it stays so do not use it",
        )
    reasons = [line for line in output.splitlines() if line.startswith(("E:", "Err:"))]
    return FetchError(
        reasons[0] if reasons else "apt could not download it",
        where=name,
        next_step="check the network; if the archive has moved on, run again with --refresh",
    )
