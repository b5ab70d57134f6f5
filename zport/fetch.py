"""Fetched files: found in the cache by SHA-256, or brought there and checked.

A file is in the cache under its own hash or not at all; what a dead download left is taken up
again where it stopped. Debian packages are downloaded by apt's helper, which honours apt's
proxies; index files over HTTP with resume and back-off.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from urllib.request import url2pathname

from zport.debian import DebianPackage
from zport.errors import ChecksumError, FetchError, HostError
from zport.pypi import Index, IndexFile
from zport.workspace import Workspace, disk_error, make_folder, sha256_file

APT_HELPER = "/usr/lib/apt/apt-helper"
ATTEMPTS = 4
CHUNK = 1 << 20


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

    def file(self, file: IndexFile) -> Path:
        """Fetch a file of the package index."""
        cached = self.cached(file.sha256)
        with self.workspace.exclusive(f"fetch-{file.sha256[:16]}"):
            if not cached.exists():
                part = make_folder(cached.parent) / f"{file.sha256}.part"
                download(self.index.locate(file), part, where=f"pypi:{file.name}=={file.version}")
                admit(part, cached, file.sha256, where=file.filename)
        return cached

    def _fetch_debian(self, packages: Sequence[DebianPackage]) -> None:
        with TemporaryDirectory(dir=make_folder(self.workspace.cache), prefix=".debian.") as name:
            request = []
            for package in packages:
                path = Path(name) / package.sha256
                request += [package.uri, str(path), f"SHA256:{package.sha256}"]
            done = subprocess.run(
                [APT_HELPER, "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3",
                 "download-file", *request],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            for package in packages:
                path = Path(name) / package.sha256
                if not path.exists():
                    raise _debian_failure(package, done.stdout + done.stderr, path)
                admit(path, self.cached(package.sha256), package.sha256, where=package.file)


def download(url: str, part: Path, *, where: str) -> None:
    """Bring a URL into ``part``, going on where an earlier try stopped.

    Raises :class:`FetchError` after the last attempt, with the reason of that one.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        try:
            shutil.copyfile(url2pathname(parts.path), part)
        except OSError as error:
            raise FetchError(
                f"cannot read {error.filename}: {error.strerror}", where=where
            ) from error
        return
    reason = ""
    for attempt in range(ATTEMPTS):
        time.sleep((2**attempt - 1) / 2)
        reason = _attempt(url, part)
        if not reason:
            return
    raise FetchError(
        f"cannot fetch {parts.path.rsplit('/', 1)[-1]}: {reason}",
        where=where,
        next_step="check the network; the next run goes on where this one stopped",
    )


def _attempt(url: str, part: Path) -> str:
    """One try; returns why it failed, or nothing."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(15, 60)) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                part.unlink(missing_ok=True)
                return "the part fetched earlier does not fit"
            if not answer.ok:
                return f"HTTP {answer.status_code} {answer.reason}"
            mode = "ab" if answer.status_code == requests.codes.partial_content else "wb"
            with part.open(mode) as file:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
    except requests.RequestException as error:
        return str(error)
    except OSError as error:
        raise disk_error(error, part) from error
    return ""


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


def _debian_failure(package: DebianPackage, output: str, path: Path) -> Exception:
    free = shutil.disk_usage(path.parent).free
    if free < package.size:
        return HostError(
            f"disk full: {free >> 20} MB free",
            where=path.parent,
            next_step="free space on that disk, then run the same command again",
        )
    reasons = [line for line in output.splitlines() if line.startswith(("E:", "Err:"))]
    return FetchError(
        reasons[0] if reasons else "apt could not download it",
        where=package.file,
        next_step="check the network; if the archive has moved on, run again with --refresh",
    )
