"""Pinned requirements: files in pip's hash-checking format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from zport.definitions import read_text
from zport.distribution import Distribution
from zport.errors import DefinitionError
from zport.targets import Target

HASH_OPTION = "--hash=sha256:"
HASH = re.compile(r"[0-9a-f]{64}")
REMARK = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True)
class Pin:
    """One version of one package, and the hashes of the files that may stand for it."""

    name: str
    version: str
    hashes: frozenset[str]
    marker: str | None = None

    @property
    def text(self) -> str:
        return f"{self.name}=={self.version}"


@cache
def holds(marker: str | None, target: Target, distribution: Distribution) -> bool:
    """Whether an environment marker is true on a target, for the distribution's Python."""
    if marker is None:
        return True
    environment = {
        "platform_machine": target.machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "python_version": distribution.python_version,
        "python_full_version": f"{distribution.python_version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    return Marker(marker).evaluate(environment)


def read_pins(path: Path) -> list[Pin]:
    """The pins of a lock file.

    Raises :class:`DefinitionError` for a file that cannot be read, and naming the line that is no
    pin.
    """
    try:
        text = read_text(path)
    except DefinitionError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            error.message = "the lock is missing"
        error.next_step = f"zport lock {_locked(path)}"
        raise
    lines = (_without_remark(line).strip() for line in text.replace("\\\n", " ").splitlines())
    return [_pin(line, path) for line in lines if line]


def require_pinned(requirements: Iterable[str], pins: Iterable[Pin], lock: Path) -> None:
    """Raise :class:`DefinitionError` for a requirement that the pins of a lock do not satisfy."""
    versions = {pin.name: pin.version for pin in pins}
    for text in requirements:
        requirement = Requirement(text)
        name = str(canonicalize_name(requirement.name))
        if name not in versions or not requirement.specifier.contains(versions[name], True):
            raise DefinitionError(
                f"the lock does not satisfy {text!r}",
                where=lock,
                next_step=f"zport lock {_locked(lock)}",
            )


def _without_remark(line: str) -> str:
    return REMARK.sub("", line) if "#" in line else line


def _locked(path: Path) -> str:
    """What ``zport lock`` calls the owner of a lock: an agent's file, or a recipe's folder."""
    return path.parent.name if path.stem.endswith("requirements") else path.stem


def _pin(line: str, path: Path) -> Pin:
    # Locks are long and read often: no regular expression goes over a whole line of hashes.
    head, *options = line.split(HASH_OPTION)
    hashes = frozenset(option.strip() for option in options)
    try:
        requirement = Requirement(head.strip())
    except InvalidRequirement as error:
        name = line.split(maxsplit=1)[0]
        raise DefinitionError(f"not a requirement: {name}", where=path) from error
    exact = [
        specifier.version
        for specifier in requirement.specifier
        if specifier.operator == "==" and not specifier.version.endswith(".*")
    ]
    if len(exact) != 1 or not hashes or not all(map(HASH.fullmatch, hashes)):
        raise DefinitionError(
            f"{requirement.name} is not pinned by == and --hash=sha256:…",
            where=path,
            next_step=f"write the lock again: zport lock {_locked(path)}",
        )
    marker = str(requirement.marker) if requirement.marker else None
    return Pin(str(canonicalize_name(requirement.name)), exact[0], hashes, marker)
