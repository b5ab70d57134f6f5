"""Known dangerous versions: what installs on a target and then gives wrong numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import Field, field_validator

from zport.definitions import Definition, Line, load_definition
from zport.recipes import VariableName
from zport.targets import Target
from zport.workspace import PROJECT

DEFECTS = PROJECT / "porting" / "defects.toml"
Kind = Literal["numbers", "crash", "build"]


class Defect(Definition):
    """One defect of some versions of a package on machines of one byte order.

    ``numbers`` are wrong, it ends in a ``crash``, or it does not ``build`` from its source.
    ``fix`` is the next step. ``environment`` are variables with which it builds all the same.
    ``mended_by_recipe`` says that our recipe's patches mend it. ``evidence`` is where it was seen,
    ``upstream`` the report.
    """

    package: str
    versions: str
    kind: Kind
    wrong: Line = Field(min_length=1)
    fix: Line = Field(min_length=1)
    evidence: Line = Field(min_length=1)
    byte_order: Literal["big", "little"] = "big"
    upstream: tuple[str, ...] = ()
    environment: dict[VariableName, Line] = Field(default={})
    mended_by_recipe: bool = False

    @field_validator("package")
    @classmethod
    def _is_normal(cls, name: str) -> str:
        if name != canonicalize_name(name):
            raise ValueError(f"should be written {canonicalize_name(name)}")
        return name

    @field_validator("versions")
    @classmethod
    def _are_versions(cls, text: str) -> str:
        try:
            SpecifierSet("" if text == "*" else text)
        except InvalidSpecifier as error:
            raise ValueError('should be versions such as ">=1.0,<2.0", or "*"') from error
        return text

    @field_validator("upstream")
    @classmethod
    def _are_links(cls, links: tuple[str, ...]) -> tuple[str, ...]:
        for link in links:
            if not link.startswith("https://"):
                raise ValueError(f"should be links to reports, not {link!r}")
        return links

    def concerns(self, name: str, version: str, target: Target) -> bool:
        """Whether a version of a package has the defect on a target."""
        if name != self.package or target.byte_order != self.byte_order:
            return False
        try:
            specifier = SpecifierSet("" if self.versions == "*" else self.versions)
            return specifier.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False


class Defects(Definition):
    """``porting/defects.toml``."""

    defect: tuple[Defect, ...] = Field(default=())


@cache
def load_defects(path: Path = DEFECTS) -> tuple[Defect, ...]:
    """The known defects. Raises :class:`DefinitionError` naming what does not fit."""
    return load_definition(path, Defects).defect


def defects_of(name: str, version: str, target: Target) -> list[Defect]:
    """The known defects that a version has on a target, wrong numbers first."""
    order: tuple[Kind, ...] = ("numbers", "crash", "build")
    found = [one for one in load_defects() if one.concerns(name, version, target)]
    return sorted(found, key=lambda defect: order.index(defect.kind))
