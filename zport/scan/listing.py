"""The package index with its pages kept: many questions about many packages, quickly.

The answers are :class:`zport.sources.pypi.Index`'s own. What is saved is asking and reading: one
client serves all questions, a page is kept on disk by version, and unearth is shown no other
version than the one that is asked about. Only file names, hashes and Python versions are read,
never a wheel.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_version
from packaging.version import InvalidVersion, Version

from zport.sources.pypi import Index, IndexFile
from zport.workspace import digest, write_whole

if TYPE_CHECKING:
    from unearth import PackageFinder

FRESH = 3600.0
"""Seconds for which a page is not asked for again."""
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar")
KEPT = ("filename", "url", "hashes", "requires-python", "yanked")
NO_VERSION = ""


@dataclass(frozen=True)
class Page:
    """An index page as unearth takes it."""

    url: str
    content: bytes
    status_code: int = 200
    encoding: str = "utf-8"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON_TYPE})

    @property
    def reason_phrase(self) -> str:
        return "OK" if self.status_code == 200 else "Not Found"


class Pages:
    """unearth's client, with a memory on disk for pages of indexes."""

    def __init__(self, client: Any, folder: Path, *, refresh: bool) -> None:
        self._client = client
        self._folder = folder
        self._refresh = refresh
        self._seen: dict[str, _Kept] = {}
        self._asked = threading.local()

    @contextmanager
    def only(self, version: str) -> Iterator[None]:
        """Show this thread the files of one version."""
        self._asked.version = _public(version)
        try:
            yield
        finally:
            self._asked.version = None

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Any:
        """The page at a URL, from the disk where it is fresh."""
        if not url.startswith("http"):
            return self._client.get(url, headers=headers)
        kept = self._kept(url, headers or {})
        if kept.status != 200:
            return Page(url, b"", kept.status)
        version = getattr(self._asked, "version", None)
        shown = kept.places if version is None else (version, NO_VERSION)
        files = ",".join(kept.files(one) for one in shown if one in kept.places)
        return Page(kept.url, f'{{"files":[{files}]}}'.encode())

    def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> Any:
        return self._client.head(url, headers=headers)

    def get_stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> Any:
        return self._client.get_stream(url, headers=headers)

    def iter_secure_origins(self) -> Iterable[tuple[str, str, str]]:
        origins: Iterable[tuple[str, str, str]] = self._client.iter_secure_origins()
        return origins

    def _kept(self, url: str, headers: Mapping[str, str]) -> _Kept:
        if url not in self._seen:
            path = self._folder / f"{digest(url)[:24]}.page"
            kept = _Kept.read(path)
            if kept is None or self._refresh or time.time() - kept.asked > FRESH:
                kept = self._asked_again(url, headers, kept, path)
            self._seen[url] = kept
        return self._seen[url]

    def _asked_again(
        self, url: str, headers: Mapping[str, str], kept: _Kept | None, path: Path
    ) -> _Kept:
        tag = {"If-None-Match": kept.etag} if kept and kept.etag else {}
        answer = self._client.get(url, headers={**headers, **tag})
        if answer.status_code == 304 and kept:
            files = {version: kept.files(version) for version in kept.places}
            return _Kept.write(path, kept.url, 200, kept.etag, files)
        files = _by_version(answer) if answer.status_code == 200 else {}
        return _Kept.write(
            path, str(answer.url), answer.status_code, answer.headers.get("ETag"), files
        )


@dataclass(frozen=True)
class _Kept:
    """A page on the disk: a line that says where each version's files are, then the files.

    Pages of old packages have megabytes, and a question is about one version. The files are read
    with the line: later another process may have put another page there.
    """

    asked: float
    url: str
    status: int
    etag: str | None
    places: dict[str, tuple[int, int]]
    payload: bytes = field(repr=False)

    def files(self, version: str) -> str:
        """The files of a version, as objects of JSON with commas between them."""
        offset, length = self.places[version]
        return self.payload[offset : offset + length].decode()

    @classmethod
    def read(cls, path: Path) -> _Kept | None:
        """The page at a path, or ``None`` if it is absent or broken."""
        try:
            line, _, payload = path.read_bytes().partition(b"\n")
            return cls(**json.loads(line), payload=payload)
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    @classmethod
    def write(
        cls, path: Path, url: str, status: int, etag: str | None, files: Mapping[str, str]
    ) -> _Kept:
        """Write a page as it was asked for just now."""
        places, payload = {}, bytearray()
        for version, text in files.items():
            data = text.encode()
            places[version] = (len(payload), len(data))
            payload += data
        head = {"asked": time.time(), "url": url, "status": status, "etag": etag, "places": places}
        write_whole(path, (json.dumps(head) + "\n").encode() + payload)
        return cls(**head, payload=bytes(payload))  # type: ignore[arg-type]


class KeptIndex(Index):
    """The package index as pip is configured to see it, for a scan."""

    def __init__(self, folder: Path, *, refresh: bool = False) -> None:
        self._folder = folder
        self._refresh = refresh

    def prepare(self) -> None:
        """Read pip's configuration and make the client, before threads ask for both at once."""
        assert self.pages is not None

    @property
    def configured(self) -> dict[str, list[str]]:
        """Index URLs and folders of links."""
        return self._configuration

    def files(self, name: str, version: str) -> list[IndexFile]:
        """Every file of a version, for whatever platform, that the index gives a SHA-256 for."""
        finder = self._finder(ignore_compatibility=True)
        with self.pages.only(version):
            found = self._asked(finder.find_matches, f"{name}=={version}", version)
        return [
            IndexFile(name, version, str(one.link.filename), digests[0])
            for one in found
            if (digests := (one.link.hash_option or {}).get("sha256", []))
        ]

    def size(self, file: IndexFile) -> int | None:
        """How many bytes a file has, if its server says so; nothing of it is fetched."""
        answer = self.pages.head(self.locate(file))
        length = answer.headers.get("Content-Length")
        return int(length) if answer.status_code == 200 and length else None

    def locate(self, file: IndexFile) -> str:
        with self.pages.only(file.version):
            return super().locate(file)

    @property
    def pages(self) -> Pages:
        """The client of all questions."""
        pages: Pages = self._client
        return pages

    def _make_client(self) -> Pages:
        return Pages(super()._make_client(), self._folder, refresh=self._refresh)

    def _best(self, finder: PackageFinder, name: str, version: str) -> IndexFile | None:
        with self.pages.only(version):
            return super()._best(finder, name, version)


def _by_version(answer: Any) -> dict[str, str]:
    """The files of a page as JSON, by public version: ``1.0`` is asked for, ``1.0+cpu`` serves."""
    versions: dict[str, list[str]] = {}
    for file in _files(answer):
        if file["filename"].endswith(ARCHIVES):
            kept = {key: file[key] for key in KEPT if file.get(key)}
            versions.setdefault(_version_of(file["filename"]), []).append(
                json.dumps(kept, separators=(",", ":"))
            )
    return {version: ",".join(texts) for version, texts in versions.items()}


def _files(answer: Any) -> Iterable[dict[str, Any]]:
    if answer.headers.get("Content-Type", "").startswith(JSON_TYPE):
        listed: list[dict[str, Any]] = json.loads(answer.content).get("files", [])
        return listed
    from unearth.collector import IndexPage, parse_html_page
    from unearth.link import Link

    page = IndexPage(Link(str(answer.url)), answer.content, answer.encoding, "text/html")
    return [
        {
            "filename": link.filename,
            "url": link.url_without_fragment,
            "hashes": {kind: values[0] for kind, values in (link.hash_option or {}).items()},
            "requires-python": link.requires_python,
            "yanked": link.yank_reason,
        }
        for link in parse_html_page(page)
    ]


def _version_of(filename: str) -> str:
    if filename.endswith(".whl"):
        parts = filename.split("-")
        return _public(parts[1]) if len(parts) > 4 else NO_VERSION
    stem = next((filename.removesuffix(end) for end in ARCHIVES if filename.endswith(end)), "")
    return _public(stem.rpartition("-")[2])


def _public(version: str) -> str:
    """The version that ``==`` compares: without a local part, spelt in one way."""
    try:
        return str(canonicalize_version(Version(version).public))
    except InvalidVersion:
        return NO_VERSION
