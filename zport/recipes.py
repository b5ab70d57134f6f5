"""Recipes: how one package version becomes a wheel for a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from packaging.utils import canonicalize_name
from pydantic import Field, StringConstraints

from zport.agents import RequirementText
from zport.definitions import Definition, choose_by_name, load_definition
from zport.patches import Patch, read_patches
from zport.pypi import IndexFile
from zport.requirements import Pin, read_pins
from zport.targets import Target
from zport.workspace import PROJECT

RECIPES = PROJECT / "recipes"
PATCHES = PROJECT / "patches"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Mode = Literal["cross", "emulated", "native"]


class PyPISource(Definition):
    """The package's source distribution on the package index, pinned."""

    kind: Literal["pypi"]
    filename: str = Field(pattern=r"\.(tar\.gz|zip)$")
    sha256: Sha256


class Build(Definition):
    """What the build needs besides the toolchain."""

    mode: Mode = "cross"
    requires: tuple[RequirementText, ...] = ()
    packages: tuple[str, ...] = ()
    target_packages: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default={})


class Test(Definition):
    """What proves the wheel on its target: a module to import, a script to run."""

    imports: tuple[str, ...] = Field(min_length=1)
    script: str | None = None
    packages: tuple[str, ...] = ("python3",)


class Recipe(Definition):
    """A recipe as ``recipes/<package>/recipe.toml`` defines it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    version: str
    summary: str
    source: PyPISource
    build: Build = Build()
    test: Test

    @property
    def folder(self) -> Path:
        return RECIPES / self.name

    @property
    def source_file(self) -> IndexFile:
        """The source's coordinates."""
        return IndexFile(self.name, self.version, self.source.filename, self.source.sha256)

    @property
    def build_requirements(self) -> list[Pin]:
        """Python packages that the build imports, pinned."""
        return read_pins(self.folder / "build-requirements.lock")

    def patches(self, target: Target) -> list[Patch]:
        """The patches that apply to this version on the target, in order."""
        every = read_patches(PATCHES / self.name)
        return [patch for patch in every if patch.applies(target, self.version)]


def recipe_names() -> list[str]:
    """The packages that the project has a recipe for."""
    return sorted(path.parent.name for path in RECIPES.glob("*/recipe.toml"))


def load_recipe(name: str) -> Recipe:
    """The recipe of a package."""
    chosen = choose_by_name("recipe", str(canonicalize_name(name)), recipe_names())
    return load_definition(RECIPES / chosen / "recipe.toml", Recipe)
