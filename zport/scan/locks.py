"""Lock files of other tools: ``uv.lock``, ``poetry.lock``, ``pylock.toml`` (PEP 751)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError
from packaging.utils import canonicalize_name

from zport.definitions import SHOWN, parse_toml
from zport.errors import DefinitionError
from zport.resolve.requirements import Pin
from zport.scan.model import Edge, Entry, Lock
from zport.scan.requirement_files import read_text

Table = Mapping[str, Any]
LOCK_AGAIN = "write the lock again with the tool that made it"
ROOT_KINDS = ("virtual", "editable", "directory")


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file of a user's. Raises :class:`DefinitionError` naming the line."""
    return parse_toml(read_text(path), path)


def read_pylock(path: Path) -> Lock:
    """A standard lock; its markers may ask for extras and groups, and none are chosen."""
    try:
        lock = Pylock.from_dict(read_toml(path))
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        raise DefinitionError(str(error), where=path, next_step=LOCK_AGAIN) from error
    entries, edges = [], []
    for package in lock.packages:
        listed = [one.hashes for one in package.wheels or ()]
        listed += [package.sdist.hashes] if package.sdist else []
        hashes = frozenset(one["sha256"] for one in listed if "sha256" in one)
        outside = package.vcs or package.directory or package.archive
        marker = str(package.marker) if package.marker else None
        pin = Pin(str(package.name), str(package.version or ""), hashes, marker)
        entry = Entry(pin, source=str(getattr(outside, "url", None) or getattr(
            outside, "path", "")) if outside else None)  # fmt: skip
        entries.append(entry)
    keys = _keys(entries)
    for package, entry in zip(lock.packages, entries, strict=True):
        for needed in package.dependencies or ():
            edges += [Edge(entry.key, key) for key in keys.get(str(needed.get("name")), [])]
    return Lock(str(path), tuple(entries), tuple(edges))


def read_uv_lock(path: Path, extras: Sequence[str]) -> Lock:
    """uv's lock: what the project needs, and the extras of it that are named."""
    packages = _packages(read_toml(path), path)
    entries, roots, edges = [], [], []
    for place, package in packages:
        key = _key(package)
        source = package.get("source", {})
        if not isinstance(source, dict):
            raise _bad(path, f"{place}.source", "not a table")
        if any(kind in source for kind in ROOT_KINDS):
            roots += [key, *(f"{key}[{extra}]" for extra in extras)]
            _check_extras(extras, package, path)
        elif "registry" in source:
            marker = _any_of(package.get("resolution-markers", ()), path, place)
            entries.append(Entry(Pin(*_named(package), _uv_hashes(package), marker)))
        else:
            entries.append(Entry(Pin(*_named(package), frozenset()), source=_text(source)))
    if not roots:
        raise _bad(path, "package", "no project in it: none has a virtual or editable source")
    versions = _versions(packages)
    for place, package in packages:
        key = _key(package)
        groups = {key: package.get("dependencies", ())}
        optional = package.get("optional-dependencies", {})
        groups |= {f"{key}[{extra}]": needs for extra, needs in optional.items()}
        for user, needs in groups.items():
            edges += _uv_edges(user, needs, versions, path, place)
    return Lock(str(path), tuple(entries), tuple(edges), tuple(roots))


def _uv_edges(
    user: str, needs: Iterable[Table], versions: Mapping[str, list[str]], path: Path, place: str
) -> list[Edge]:
    edges = []
    for need in needs:
        name = str(need.get("name", ""))
        if name not in versions:
            raise _bad(path, f"{place}.dependencies", f"{name or 'a nameless package'} is absent")
        wanted = [need["version"]] if "version" in need else versions[name]
        marker = _any_of([need["marker"]], path, place) if "marker" in need else None
        for version in wanted:
            key = f"{name}=={version}"
            edges.append(Edge(user, key, marker))
            edges += [Edge(user, f"{key}[{extra}]", marker) for extra in need.get("extra", ())]
    return edges


def _uv_hashes(package: Table) -> frozenset[str]:
    files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
    return _sha256(str(file.get("hash", "")) for file in files)


def read_poetry_lock(path: Path) -> Lock:
    """Poetry's lock: its main group.

    What the project itself asks for stands in the ``pyproject.toml`` beside it, if that is there.
    """
    raw = read_toml(path)
    packages = [
        (place, package)
        for place, package in _packages(raw, path)
        if not package.get("optional") and "main" in package.get("groups", ["main"])
    ]
    left_out = len(raw["package"]) - len(packages)
    entries = []
    for place, package in packages:
        hashes = _sha256(str(file.get("hash", "")) for file in _poetry_files(raw, package))
        markers = package.get("markers")
        chosen = markers.get("main") if isinstance(markers, dict) else markers
        marker = _any_of([chosen], path, place) if chosen else None
        source = package.get("source", {})
        outside = source.get("type") in ("git", "directory", "file", "url")
        entries.append(Entry(Pin(*_named(package), hashes, marker),
                             source=str(source.get("url")) if outside else None))  # fmt: skip
    keys = _keys(entries)
    edges = [
        edge
        for (place, package), entry in zip(packages, entries, strict=True)
        for edge in _poetry_edges(entry.key, package.get("dependencies", {}), keys, path, place)
    ]
    needed = {edge.needed for edge in edges}
    roots = [entry.key for entry in entries if entry.key not in needed]
    roots += [key for name in _poetry_roots(path) for key in keys.get(name, [])]
    notes = (f"{left_out} packages of extras and other groups left out",) if left_out else ()
    return Lock(str(path), tuple(entries), tuple(edges), tuple(dict.fromkeys(roots)), notes)


def _poetry_files(raw: Table, package: Table) -> Sequence[Table]:
    """The files of a package; old locks have them in a table of their own."""
    old = raw.get("metadata", {}).get("files", {}).get(package["name"], ())
    files: Sequence[Table] = package.get("files") or old
    return files


def _poetry_edges(
    user: str, needs: Mapping[str, Any], keys: Mapping[str, list[str]], path: Path, place: str
) -> list[Edge]:
    edges = []
    for name, constraint in needs.items():
        several = constraint if isinstance(constraint, list) else [constraint]
        markers = [one.get("markers") if isinstance(one, dict) else None for one in several]
        marker = None if None in markers else _any_of(markers, path, f"{place}.dependencies.{name}")
        found = keys.get(str(canonicalize_name(name)), [])
        edges += [Edge(user, key, marker) for key in found]
    return edges


def _poetry_roots(path: Path) -> list[str]:
    beside = path.with_name("pyproject.toml")
    if not beside.exists():
        return []
    raw = read_toml(beside)
    named = raw.get("tool", {}).get("poetry", {}).get("dependencies", {})
    listed = raw.get("project", {}).get("dependencies", ())
    first = [text.split(";")[0].split("[")[0].split("(")[0].split()[0] for text in listed if text]
    plain = [text.partition("=")[0].rstrip("<>!~") for text in first]
    return [str(canonicalize_name(name)) for name in (*named, *plain)]


def _packages(raw: Table, path: Path) -> list[tuple[str, Table]]:
    """The packages of a lock, each with its place for errors."""
    listed = raw.get("package")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise _bad(path, "package", "no packages in it")
    for number, package in enumerate(listed, 1):
        for field in ("name", "version"):
            if field == "version" and "version" not in package and "source" in package:
                continue  # a project with a version that its build computes
            if not isinstance(package.get(field), str):
                raise _bad(path, f"package {number}.{field}", "missing or no text")
    return [(f"package {package['name']}", package) for package in listed]


def _named(package: Table) -> tuple[str, str]:
    return str(canonicalize_name(package["name"])), str(package.get("version", ""))


def _key(package: Table) -> str:
    return "{}=={}".format(*_named(package))


def _keys(entries: Iterable[Entry]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for entry in entries:
        keys.setdefault(entry.pin.name, []).append(entry.key)
    return keys


def _versions(packages: Sequence[tuple[str, Table]]) -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for _, package in packages:
        name, version = _named(package)
        versions.setdefault(name, []).append(version)
    return versions


def _any_of(markers: Iterable[Any], path: Path, place: str) -> str | None:
    """One marker that holds where any of them does; ``None`` where there are none."""
    texts = [str(marker) for marker in markers]
    joined = " or ".join(f"({text})" for text in texts) if len(texts) > 1 else "".join(texts)
    try:
        return str(Marker(joined)) if joined else None
    except (InvalidMarker, RecursionError) as error:
        raise _bad(path, place, f"not a marker: {joined[:SHOWN]}") from error


def _check_extras(extras: Sequence[str], package: Table, path: Path) -> None:
    known = list(package.get("optional-dependencies", {}))
    for extra in extras:
        if extra not in known:
            raise _bad(path, "package.optional-dependencies", f"no extra {extra!r}",
                       f"choose from {', '.join(known)}" if known else "it has none")  # fmt: skip


def _sha256(hashes: Iterable[str]) -> frozenset[str]:
    return frozenset(
        text.removeprefix("sha256:") for text in hashes if text.startswith("sha256:")
    )  # fmt: skip


def _text(source: Table) -> str:
    return str(next(iter(source.values()), "unknown"))


def _bad(path: Path, field: str, message: str, step: str = LOCK_AGAIN) -> DefinitionError:
    return DefinitionError(message, where=f"{path}: {field}", next_step=step)
