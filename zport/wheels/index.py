"""The package index of built wheels: a folder of static files that pip and uv install from.

It is HTML by PEP 503 and JSON by PEP 691 with the fields of PEP 700, except the upload times,
which nothing here has. Links are relative, so the folder works over ``file://`` and behind any web
server, wherever it is moved. Provenance is linked under our own key: PEP 740 defines one for signed
publish attestations, which ours is not.

Why code of our own: dumb-pypi and simple503 write no JSON, simple-repository-generator no JSON
either and brings an asynchronous HTTP client. What they would save is two short templates.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from packaging.metadata import InvalidMetadata, Metadata
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from zport.distribution import Distribution
from zport.errors import BuildError, UsageError
from zport.provenance import SUFFIX as PROVENANCE_SUFFIX
from zport.resolve.requirements import holds
from zport.targets import Target
from zport.wheels.built import SBOM_SUFFIX
from zport.workspace import make_folder, part_folder, sha256_file, write_json, write_whole

API = "1.1"
ATTACHED = {"_zport-provenance": PROVENANCE_SUFFIX, "_zport-sbom": SBOM_SUFFIX}
"""Files beside a wheel by the key that links them; PEP 691 leaves ``_`` to the index's own."""
CONTENT = ("README.txt", "files", "simple")
TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True)
class IndexedWheel:
    """A wheel as the index lists it. ``name`` is normalized, ``size`` in bytes."""

    path: Path
    name: str
    version: Version
    sha256: str
    size: int
    metadata: bytes
    requires_python: str | None

    @property
    def filename(self) -> str:
        return self.path.name

    @property
    def files(self) -> list[Path]:
        """The wheel and what is attached to it."""
        beside = (self.path.with_name(self.filename + suffix) for suffix in ATTACHED.values())
        return [self.path, *(path for path in beside if path.is_file())]


def write_index(wheels: Iterable[Path], folder: Path) -> list[IndexedWheel]:
    """Make ``folder`` the index of these wheels and nothing else; the same wheels, the same bytes.

    The new folder takes the place of the old one when it is whole. Files are hard links where the
    disk allows it. Raises :class:`BuildError` for a file that is no wheel and for two of one name
    with different content, :class:`UsageError` for a folder that holds something else.
    """
    _require_index_or_nothing(folder)
    read = [read_wheel(path) for path in wheels]
    files = _by_name(read)
    listed = sorted(
        {wheel.filename: wheel for wheel in read}.values(),
        key=lambda wheel: (wheel.name, wheel.version, wheel.filename),
    )
    with part_folder(folder) as part:
        for name, path in files.items():
            _place(path, make_folder(part / "files") / name)
        for wheel in listed:
            write_whole(part / "files" / f"{wheel.filename}.metadata", wheel.metadata)
        _write_pages(listed, files, part)
    return listed


def read_wheel(path: Path) -> IndexedWheel:
    """What the index says of a wheel. Raises :class:`BuildError` when it is none, or broken."""
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
        content = _metadata(path)
        metadata = Metadata.from_email(content, validate=False)
        inner = (canonicalize_name(metadata.name), metadata.version)
        python = str(metadata.requires_python or "") or None
        size, sha256 = path.stat().st_size, sha256_file(path)
    except InvalidWheelFilename as error:
        raise BuildError(f"not a wheel: {error}", where=path) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise BuildError(f"a broken wheel: {error}", where=path) from error
    except InvalidMetadata as error:
        raise BuildError(f"its METADATA is not valid: {error}", where=path) from error
    except OSError as error:
        raise BuildError(f"cannot be read: {error.strerror or error}", where=path) from error
    if inner != (name, version):
        raise BuildError(f"its METADATA is that of {inner[0]} {inner[1]}", where=path)
    return IndexedWheel(path, name, version, sha256, size, content, python)


def lacking(
    wheels: Iterable[IndexedWheel], target: Target, distribution: Distribution
) -> dict[str, list[str]]:
    """The requirements that no listed wheel meets on a target, and the wheels that have them."""
    listed = list(wheels)
    versions: dict[str, list[Version]] = {}
    for wheel in listed:
        versions.setdefault(wheel.name, []).append(wheel.version)
    lacked: dict[str, list[str]] = {}
    for wheel in listed:
        for needed in Metadata.from_email(wheel.metadata, validate=False).requires_dist or []:
            known = versions.get(canonicalize_name(needed.name), [])
            marker = str(needed.marker) if needed.marker else None
            if holds(marker, target, distribution) and not any(
                needed.specifier.contains(version, prereleases=True) for version in known
            ):
                lacked.setdefault(f"{needed.name}{needed.specifier}", []).append(wheel.name)
    return {text: sorted({*names}) for text, names in sorted(lacked.items())}


def _metadata(path: Path) -> bytes:
    """The METADATA of a wheel in which every file's check sum is right."""
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"bad check sum of {broken}")
        found = [
            name
            for name in archive.namelist()
            if name.count("/") == 1 and name.endswith(".dist-info/METADATA")
        ]
        if len(found) != 1:
            raise zipfile.BadZipFile(f"{len(found)} METADATA files, expected one")
        return archive.read(found[0])


def _require_index_or_nothing(folder: Path) -> None:
    """What stands at ``folder`` is removed in the end, so it must be an index of ours."""
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not _is_ours(folder)):
        raise UsageError(
            "it holds something else than an index",
            where=folder,
            next_step="name a folder that is new, empty, or an index that zport wrote",
        )


def _is_ours(folder: Path) -> bool:
    """Whether its README is the one that we write, and nothing lies beside what we write."""
    readme, template = folder / "README.txt", TEMPLATES / "README.txt.j2"
    if any(path.name not in CONTENT for path in folder.iterdir()) or not readme.is_file():
        return False
    with template.open() as ours, readme.open(errors="replace") as theirs:
        return theirs.readline() == ours.readline()


def _by_name(wheels: Sequence[IndexedWheel]) -> dict[str, Path]:
    """The files of the index. The same file may come twice, two of one name may not."""
    found: dict[str, Path] = {}
    for path in (path for wheel in wheels for path in wheel.files):
        other = found.setdefault(path.name, path)
        if other != path and sha256_file(other) != sha256_file(path):
            raise BuildError(
                f"another file of that name has other content: {other}",
                where=path,
                next_step="give one of the two, or build with another version or build tag",
            )
    return found


def _place(path: Path, place: Path) -> None:
    """A hard link of the file, or a copy where there can be none."""
    source = path.resolve()
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)


def _write_pages(wheels: Sequence[IndexedWheel], files: Collection[str], folder: Path) -> None:
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        keep_trailing_newline=True,
    )
    write_whole(folder / "README.txt", pages.get_template("README.txt.j2").render(api=API))
    projects = list(_projects(wheels, files))
    top = {"meta": {"api-version": API}, "projects": [{"name": p["name"]} for p in projects]}
    for template, page, content in (
        ("projects.html.j2", folder / "simple", top),
        *(("project.html.j2", folder / "simple" / p["name"], p) for p in projects),
    ):
        write_json(page / "index.json", content)
        write_whole(page / "index.html", pages.get_template(template).render(content))


def _projects(wheels: Sequence[IndexedWheel], files: Collection[str]) -> Iterator[dict[str, Any]]:
    """The pages of the projects, as PEP 691 has them."""
    for name, group in groupby(wheels, key=lambda wheel: wheel.name):
        own = list(group)
        yield {
            "meta": {"api-version": API},
            "name": name,
            "versions": [str(version) for version in sorted({wheel.version for wheel in own})],
            "files": [_entry(wheel, files) for wheel in own],
        }


def _entry(wheel: IndexedWheel, files: Collection[str]) -> dict[str, Any]:
    attached = {key: wheel.filename + suffix for key, suffix in ATTACHED.items()}
    python = {"requires-python": wheel.requires_python} if wheel.requires_python else {}
    return {
        "filename": wheel.filename,
        "url": _url(wheel.filename),
        "hashes": {"sha256": wheel.sha256},
        "size": wheel.size,
        "core-metadata": {"sha256": hashlib.sha256(wheel.metadata).hexdigest()},
        **python,
        **{key: _url(name) for key, name in attached.items() if name in files},
    }


def _url(filename: str) -> str:
    """A file's place as a project's page sees it; the ``+`` of a local version is quoted."""
    return f"../../files/{quote(filename)}"
