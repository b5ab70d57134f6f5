"""What an agent leaves out of the distribution's packages, soundly for apt, dpkg and who asks them.

A package that is left out is not installed and dpkg's status says so; the packages that ask for it
keep saying that. Files are left out as Debian's slim images do it, by dpkg's own ``path-exclude``,
which stays in the image, so that a later upgrade leaves them out too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field, StringConstraints

from zport.debian.packages import Archive, Closure, DebianPackage
from zport.definitions import Definition, Line
from zport.errors import DefinitionError
from zport.targets import Target

Reason = Annotated[Line, Field(min_length=1)]
PackageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
PathPattern = Annotated[str, StringConstraints(pattern=r"^/[^\s#]+$")]
CommandName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]

_DEPENDS = re.compile(r"(?m)^((?:Pre-)?Depends): (.*)\n?")


class LeaveOut(Definition):
    """What is left out, each with the reason.

    ``packages`` and what only they ask for are not installed. ``files`` are dpkg's patterns of
    paths, in which ``*`` matches slashes too; those that match are left out of wheels as well.
    ``commands`` are those of maintainer scripts that are not run, because what provides them is
    not there or they are about devices.
    """

    packages: dict[PackageName, Reason] = Field(default={})
    files: dict[PathPattern, Reason] = Field(default={})
    commands: dict[CommandName, Reason] = Field(default={})

    def dpkg_options(self, others: Mapping[str, str]) -> str:
        """``others`` and the files as a part of dpkg's configuration, each after its reason."""
        files = {**others, **self.files}
        lines = [f"# {reason}\npath-exclude={path}\n" for path, reason in files.items()]
        return "".join(["# What the image leaves out of packages.\n", *lines])


def closure_without(
    archive: Archive, target: Target, names: Sequence[str], status: str, leave_out: LeaveOut
) -> Closure:
    """The packages that ``names`` need on top of ``status``, but for those that are left out.

    Entries for the remaining packages do not ask for what is left out, so that apt installs them.
    Raises :class:`DefinitionError` when a package is left out that was asked for by name, and as
    :meth:`Archive.closure` does.
    """
    for name in names:
        if name in leave_out.packages:
            raise DefinitionError(f"leave_out.packages.{name} is among the packages asked for")
    full = archive.closure([target.debian], names, status)
    absent = [package for package in full.packages if package.name in leave_out.packages]
    if not absent:
        return full
    # To the resolver they are there already and ask for nothing.
    present = replace(full, packages=tuple(_alone(package) for package in absent))
    rest = archive.closure([target.debian], names, f"{status}\n{present.installed()}")
    gone = [package.name for package in absent]
    return replace(rest, packages=tuple(_relieved(package, gone) for package in rest.packages))


def _alone(package: DebianPackage) -> DebianPackage:
    """The package's entry without dependencies."""
    return replace(package, stanza=_DEPENDS.sub("", package.stanza.rstrip() + "\n").strip())


def _relieved(package: DebianPackage, gone: Collection[str]) -> DebianPackage:
    """The package's entry without the dependencies on what is gone."""

    def kept(field: re.Match[str]) -> str:
        clauses = [one.strip() for one in field[2].split(",")]
        left = [one for one in clauses if not any(_name(a) in gone for a in one.split("|"))]
        return f"{field[1]}: {', '.join(left)}\n" if left else ""

    return replace(package, stanza=_DEPENDS.sub(kept, package.stanza.rstrip() + "\n").strip())


def _name(dependency: str) -> str:
    """The package that one alternative of a dependency names: ``a:any (>= 1) [arch]`` is ``a``."""
    return re.split(r"[\s:(\[]", dependency.strip(), maxsplit=1)[0]
