"""A foreign manifest's files: what is known of them, and how they get their SHA-256.

MLModelScope pins by MD5 or not at all. Here a file that was fetched once is known by its SHA-256
ever after: what a URL gave is noted beside the closures, so that later work needs no network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from zport_agent.byteorder import refusal
from zport_agent.manifest import Manifest, ModelFiles

from zport.definitions import require_inside
from zport.errors import ChecksumError, ZportError
from zport.models.foreign import Finding, Foreign
from zport.sources.fetch import Fetcher, Member, admit, download, extract_member
from zport.sources.pypi import IndexFile
from zport.workspace import digest, make_folder, read_json, sha256_file, write_json

_FIELDS = ("graph", "weights", "features")
_URLS = ("http", "https", "file")


@dataclass(frozen=True)
class Place:
    """One file of a manifest: which field names it, its path there, and its checksum if any.

    ``url`` is where it is by itself, or None for a member of an archive.
    """

    field: str
    path: str
    checksum: str | None
    url: str | None

    @property
    def sha256(self) -> str | None:
        """The SHA-256 that pins it."""
        found = (self.checksum or "").removeprefix("sha256:")
        return found if len(found) == 64 else None


class Weights:
    """Finds the files of foreign manifests in the cache, and fetches them where that is wanted."""

    def __init__(self, fetcher: Fetcher, *, fetch: bool) -> None:
        self.fetcher = fetcher
        self.fetch = fetch

    def examined(self, foreign: Foreign) -> Foreign:
        """The manifest with every file that can be had pinned, and findings about the others."""
        manifest = foreign.manifest
        if manifest is None or manifest.preparation == "build":
            return foreign
        foreign = foreign.found(*_orders(manifest))
        try:
            pins = self._pins(manifest)
        except ZportError as error:
            return foreign.found(Finding("weights", str(error.message), error.next_step or ""))
        unknown = [place for place in places(manifest) if place.field not in pins]
        for place in unknown:
            how = "by MD5 only" if place.checksum else "by nothing"
            foreign = foreign.found(
                Finding("weights", f"{place.path} is pinned {how}", "fetch it with --fetch")
            )
        if _lacks_archive(manifest, pins):
            foreign = foreign.found(
                Finding("weights", "the archive is pinned by nothing", "fetch it with --fetch")
            )
        return _pinned(foreign, manifest, pins)

    def _pins(self, manifest: Manifest) -> dict[str, str]:
        """The SHA-256 of each file that is pinned, known from before, or fetched now, by field;
        under ``archive`` that of the archive that they are in."""
        pins: dict[str, str] = {}
        archive = self._archive(manifest, pins)
        for place in places(manifest):
            sha256 = place.sha256
            if archive:
                sha256 = self._member(archive, place)
            elif place.url and (sha256 is None or self.fetch):
                _require_own(manifest, place.url, place.checksum)
                sha256 = self._file(place.url, place.checksum)
            elif self.fetch and sha256 and manifest.model.source:
                self._from_index(manifest, place, sha256)
            if sha256:
                pins[place.field] = sha256
        return pins

    def _archive(self, manifest: Manifest, pins: dict[str, str]) -> Path | None:
        """The archive at a URL that the files are in, if there is one and it can be had."""
        source = manifest.model.source
        if not manifest.model.is_archive or source is None or source.kind == "pypi":
            return None
        _require_own(manifest, source.url, source.sha256)
        sha256 = self._file(source.url, source.sha256)
        if sha256 is None or not self.fetcher.cached(sha256).exists():
            return None
        pins["archive"] = sha256
        return self.fetcher.cached(sha256)

    def _from_index(self, manifest: Manifest, place: Place, sha256: str) -> None:
        source = manifest.model.source
        if source and source.package and source.version and source.sha256:
            archive = IndexFile(source.package, source.version, "", source.sha256)
            self.fetcher.file(Member(archive, place.path, sha256))

    def _file(self, url: str, checksum: str | None) -> str | None:
        """The SHA-256 of what is at a URL: from the cache, or fetched; None where it is not had.

        Raises :class:`ChecksumError` when it is not what the manifest pins.
        """
        workspace = self.fetcher.workspace
        note = workspace.locks / "urls" / f"{digest(url)}.json"
        with workspace.exclusive(f"url-{note.stem[:16]}"):
            known = read_json(note) or {}
            if known and self.fetcher.cached(known["sha256"]).exists():
                _require(url, checksum, known)
                return str(known["sha256"])
            if not self.fetch:
                return None
            part = make_folder(workspace.cache) / f"{note.stem}.part"
            download(url, part, where=url, pinned=bool(checksum))
            found = {"url": url, "sha256": sha256_file(part), "md5": _md5(part)}
            _require(url, checksum, found, part)
            admit(part, self.fetcher.cached(found["sha256"]), found["sha256"], where=url)
            write_json(note, found)
        return found["sha256"]

    def _member(self, archive: Path, place: Place) -> str:
        """The SHA-256 of a file in an archive, which is put into the cache."""
        part = make_folder(self.fetcher.workspace.cache) / f"{digest(str(place))}.part"
        extract_member(archive, place.path, part)
        found = {"sha256": sha256_file(part), "md5": _md5(part)}
        _require(place.path, place.checksum, found, part)
        admit(part, self.fetcher.cached(found["sha256"]), found["sha256"], where=place.path)
        return found["sha256"]


def places(manifest: Manifest) -> Iterator[Place]:
    """Every file that a manifest names."""
    model, base = manifest.model, manifest.model.base_url
    for field in _FIELDS:
        path = getattr(model, f"{field}_path")
        if not path:
            continue
        checksum = getattr(model, f"{field}_checksum") or None
        url: str | None = None
        if urlsplit(path).scheme in _URLS:
            url = path
        elif base and urlsplit(base).scheme in _URLS and not model.is_archive:
            url = f"{base.rstrip('/')}/{path}"
        yield Place(field, path, checksum, url)


def _lacks_archive(manifest: Manifest, pins: dict[str, str]) -> bool:
    """Whether the files are in an archive of which nobody knows the SHA-256. Their own do not help:
    nothing is taken out of an archive that is not the pinned one."""
    source = manifest.model.source
    unpinned = source is not None and source.sha256 is None
    return bool(manifest.model.is_archive) and unpinned and "archive" not in pins


def _orders(manifest: Manifest) -> Iterator[Finding]:
    declared = manifest.zport.byte_order if manifest.zport else None
    for place in places(manifest):
        reason = refusal(place.path, declared if place.field == "graph" else None)
        if reason and place.field != "features":
            text, _, step = reason.partition("; ")
            yield Finding("byte order", text, step)


def _require_own(manifest: Manifest, url: str, checksum: str | None) -> None:
    """Raise :class:`DefinitionError` for a file of this machine that the manifest has no business
    with: whoever pins a file has it, and one beside the manifest came with it."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not checksum:
        folder = manifest.path.parent
        require_inside(folder, url2pathname(parts.path), where=manifest.path)


def _require(what: str, checksum: str | None, found: dict[str, str], part: Path | None = None
             ) -> None:  # fmt: skip
    wanted = (checksum or "").removeprefix("sha256:")
    if wanted and wanted not in (found["sha256"], found["md5"]):
        if part:
            part.unlink()
        kind = "sha256" if len(wanted) == 64 else "md5"
        raise ChecksumError(
            f"{kind} is {found[kind]}, the manifest has {wanted}",
            where=what,
            next_step="the file was changed since: find the one that the manifest means",
        )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _pinned(foreign: Foreign, manifest: Manifest, pins: dict[str, str]) -> Foreign:
    """The same with these pins in manifest and document."""
    checksums = {f"{field}_checksum": f"sha256:{pins[field]}" for field in _FIELDS if field in pins}
    base = (manifest.model.base_url or "").partition("#")[0]
    archive = {"base_url": f"{base}#sha256={pins['archive']}"} if "archive" in pins else {}
    model = dict(foreign.document["model"]) | checksums | archive
    document = {**foreign.document, "model": model}
    new = manifest.model_copy(update={"model": ModelFiles.model_validate(model)})
    new._path = foreign.path
    return Foreign(foreign.path, foreign.generation, foreign.name, document, new, foreign.findings)
