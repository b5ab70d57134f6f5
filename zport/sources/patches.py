"""Patches: one change to one upstream source, with a DEP-3 header that says why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from zport.definitions import read_text, require_inside
from zport.errors import PatchError
from zport.targets import TARGETS, Target

FIELD = re.compile(r"^(?P<name>[A-Z][A-Za-z0-9-]*): *(?P<value>.*)$")
REQUIRED = ("Description", "Forwarded")
GATES = ("X-Zport-Targets", "X-Zport-Versions")


@dataclass(frozen=True)
class Patch:
    """A patch file and its header.

    Besides DEP-3's fields two of our own gate it: ``X-Zport-Targets`` (target names or byte
    orders, such as ``big-endian``; absent: all) and ``X-Zport-Versions`` (a version specifier;
    absent: all).
    """

    path: Path
    header: dict[str, str]

    @property
    def reason(self) -> str:
        return self.header["Description"].split("\n", 1)[0]

    def applies(self, target: Target, version: str) -> bool:
        """Whether this patch is for that target and that version of the package."""
        targets = self.header.get("X-Zport-Targets", "").replace(",", " ").split()
        versions = SpecifierSet(self.header.get("X-Zport-Versions", ""))
        here = not targets or target.name in targets or target.byte_order_phrase in targets
        return here and versions.contains(version, prereleases=True)


def read_patches(folder: Path) -> list[Patch]:
    """The patches of a package, in the order of their names. None if the folder is absent."""
    return [read_patch(path) for path in sorted(folder.glob("*.patch"))]


def read_patch(path: Path) -> Patch:
    """A patch file. Raises :class:`PatchError` when its header lacks a field or is misspelt, and
    :class:`zport.errors.DefinitionError` for a file that cannot be read, or a link to elsewhere."""
    require_inside(path.parent, path.name, where=path)
    header: dict[str, str] = {}
    last = ""
    for line in read_text(path, errors="replace").splitlines():
        if line.startswith(("---", "diff ", "Index: ")):
            break
        if match := FIELD.match(line):
            last = match["name"]
            header[last] = match["value"]
        elif line.startswith(" ") and last:
            header[last] += "\n" + line.strip()
    _check(path, header)
    return Patch(path, header)


def _check(path: Path, header: dict[str, str]) -> None:
    for name in REQUIRED:
        if not header.get(name):
            raise PatchError(
                f"the header lacks {name}:",
                where=path,
                next_step="write a DEP-3 header: Description, Forwarded, Origin or Author",
            )
    for name in header:
        if name.startswith("X-Zport-") and name not in GATES:
            raise PatchError(
                f"unknown field {name}:", where=path, next_step=f"choose from {', '.join(GATES)}"
            )
    known = {*TARGETS, *(target.byte_order_phrase for target in TARGETS.values())}
    for target in header.get("X-Zport-Targets", "").replace(",", " ").split():
        if target not in known:
            raise PatchError(
                f"X-Zport-Targets names {target!r}",
                where=path,
                next_step=f"choose from {', '.join(sorted(known))}",
            )
    try:
        SpecifierSet(header.get("X-Zport-Versions", ""))
    except InvalidSpecifier as error:
        raise PatchError(f"X-Zport-Versions: {error}", where=path) from error
