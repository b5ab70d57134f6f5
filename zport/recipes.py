"""Recipes: how one package version becomes a wheel for a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from zport.agents import RequirementText
from zport.debian.leave_out import LeaveOut
from zport.debian.leave_out import PackageName as DebianName
from zport.definitions import Definition, Line, Named, choose_by_name, load_named
from zport.resolve.requirements import Pin, read_pins, require_pinned
from zport.sources.kinds import Source, is_pinned
from zport.sources.patches import Patch, read_patches
from zport.targets import Target
from zport.workspace import PROJECT

RECIPES = PROJECT / "recipes"
PATCHES = PROJECT / "patches"
OVERLAY = "overlay"

Mode = Literal["cross", "emulated", "native"]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
PackageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9A-Za-z.+!]*$")]
FolderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][\w.+-]*(/[\w+-][\w.+-]*)*$")]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][\w.+-]*$")]
FILE = "recipe.toml"
BUILD_LOCK = "build-requirements.lock"
TEST_LOCK = "test-requirements.lock"


class Build(Definition):
    """What the build needs besides the toolchain.

    ``requires`` are Python packages that run during the build, so they are taken for the machine
    that compiles. ``links`` names those of them that are compiled against: recipes whose headers
    and static libraries for the target take the place of the build machine's. ``packages`` are
    Debian packages for the build machine, ``target_packages`` for the target. ``settings`` go to
    the build backend (PEP 517), ``environment`` to every command.
    """

    mode: Mode = "cross"
    requires: tuple[RequirementText, ...] = ()
    links: tuple[str, ...] = ()
    packages: tuple[DebianName, ...] = ()
    target_packages: tuple[DebianName, ...] = ()
    environment: dict[VariableName, Line] = Field(default={})
    settings: dict[str, str | tuple[str, ...]] = Field(default={})
    folder: FolderName | Literal["."] = "."

    @field_validator("links")
    @classmethod
    def _are_required(cls, links: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        required = {canonicalize_name(Requirement(r).name) for r in info.data.get("requires", ())}
        if unknown := [link for link in links if link not in required]:
            raise ValueError(f"{unknown[0]} is not among build.requires")
        return links


class Vendored(Definition):
    """Another project's source that is built as a part of this one, as with a git submodule.

    ``folder`` is where in the recipe's source it is unpacked: a folder that is not there, or empty.
    """

    name: PackageName
    version: str
    folder: FolderName
    source: Source


Pinned = Source | tuple[Vendored, ...]


class Test(Definition):
    """What proves the wheel on its target, in a root with nothing but what it asks for.

    ``imports`` are modules; where none is named, all top-level ones of the wheel. ``requires`` are
    Python packages that the tests need besides the wheel's own requirements (which have to be named
    too where the source is not the package index's), ``packages`` Debian's.
    """

    imports: tuple[ModuleName, ...] = ()
    script: FileName | None = None
    requires: tuple[RequirementText, ...] = ()
    packages: tuple[DebianName, ...] = ("python3",)


class Suite(Definition):
    """Upstream's own tests, or the numeric part of them.

    ``pytest`` are the arguments. ``files`` are paths of the source that the tests need, ``own`` is
    a folder of the recipe with tests of its own; both lie in the folder where pytest starts,
    without the rest of the source. ``packages`` are Debian's, besides those of the recipe's test.
    ``distribution`` are Debian's packages that have what the wheel has: the suite can test them in
    its place. ``leave_out`` is what is not installed of all these.
    """

    pytest: tuple[str, ...] = Field(min_length=1)
    files: tuple[Line, ...] = ()
    own: FolderName | None = None
    packages: tuple[DebianName, ...] = ()
    distribution: tuple[DebianName, ...] = ()
    leave_out: LeaveOut = LeaveOut()
    seconds: int = Field(default=3600, gt=0)


class Recipe(Named):
    """A recipe as ``recipes/<package>/recipe.toml`` defines it.

    Other versions of the package have a folder each beside it: ``recipes/<package>/<version>``.

    ``replaces_published`` says that the recipe's wheel is used even where the package index has
    one for the target, such as when the published one is wrong. ``not_run`` is the reason why this
    version has never been built and tested; without it, it has.

    ``shares`` names the recipe of the same source whose patches this one has too, and whose overlay
    lies below its own.
    """

    name: PackageName
    version: Version
    summary: Line
    replaces_published: bool = False
    not_run: str | None = None
    shares: PackageName | None = None
    source: Source
    vendored: tuple[Vendored, ...] = ()
    build: Build = Build()
    test: Test = Test()
    suite: Suite | None = None

    @field_validator("source", "vendored")
    @classmethod
    def _has_a_pin(cls, value: Pinned, info: ValidationInfo) -> Pinned:
        sources = [one.source for one in value] if isinstance(value, tuple) else [value]
        if not (info.data.get("not_run") or all(map(is_pinned, sources))):
            raise ValueError("a sha256 of zeros is no pin: only a recipe with not_run may have it")
        return value

    @field_validator("shares")
    @classmethod
    def _is_another_recipe(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and (value == info.data.get("name") or not (RECIPES / value / FILE).exists()):
            raise ValueError(f"there is no other recipe {value}")
        return value

    @property
    def folder(self) -> Path:
        own = RECIPES / self.name / self.version
        return own if (own / FILE).exists() else RECIPES / self.name

    @property
    def file(self) -> Path:
        """The recipe's file, as seen from the project's folder."""
        return self.folder.relative_to(RECIPES.parent) / FILE

    @property
    def wanted(self) -> str:
        """What :func:`load_recipe` takes for this one."""
        return self.name if self.title == self.name else self.pin.text

    @property
    def title(self) -> str:
        """The package, with the version where it is not the one that is taken by default."""
        return self.name if self.folder.name == self.name else f"{self.name}-{self.version}"

    @property
    def build_requirements(self) -> list[Pin]:
        """Python packages that the build imports, pinned."""
        return _pins(self.folder / BUILD_LOCK, self.build.requires)

    @property
    def test_requirements(self) -> list[Pin]:
        """What the wheel and its tests import at run time, pinned; without the wheel itself."""
        pins = _pins(self.folder / TEST_LOCK, self.test.requires)
        return [pin for pin in pins if pin.name != self.name]

    @property
    def pin(self) -> Pin:
        """The package itself, with the hashes of its published files if it is a published one."""
        itself = Pin(self.name, self.version, frozenset())
        pins = _pins(self.folder / TEST_LOCK, self.test.requires)
        return next((pin for pin in pins if pin.text == itself.text), itself)

    @property
    def overlays(self) -> list[Path]:
        """Folders of files that are added to the source; a later one's go before an earlier's."""
        shared = [RECIPES / self.shares / OVERLAY] if self.shares else []
        return [folder for folder in (*shared, self.folder / OVERLAY) if folder.is_dir()]

    def patches(self, target: Target) -> list[Patch]:
        """The patches that apply to this version on the target, in order."""
        every = read_patches(PATCHES / (self.shares or self.name))
        return [patch for patch in every if patch.applies(target, self.version)]


def _pins(lock: Path, requires: tuple[str, ...]) -> list[Pin]:
    if not (requires or lock.exists()):
        return []
    pins = read_pins(lock)
    require_pinned(requires, pins, lock)
    return pins


def recipe_names() -> list[str]:
    """The packages that the project has a recipe for."""
    return sorted(path.parent.name for path in RECIPES.glob(f"*/{FILE}"))


def other_versions(name: str) -> list[str]:
    """The versions of a package that have a recipe besides the one that is taken by default."""
    return sorted(path.parent.name for path in (RECIPES / name).glob(f"*/{FILE}"))


def load_recipe(wanted: str) -> Recipe:
    """The recipe of ``PACKAGE``, or of its version with ``PACKAGE==VERSION``.

    Raises :class:`UsageError` for a package or a version without a recipe.
    """
    name, _, version = wanted.partition("==")
    chosen = str(canonicalize_name(name))
    if not (RECIPES / chosen / FILE).exists():
        choose_by_name("recipe", chosen, recipe_names())
    recipe = load_named(RECIPES / chosen / FILE, Recipe, chosen)
    if version in ("", recipe.version):
        return recipe
    choose_by_name(f"version of {chosen}", version, [recipe.version, *other_versions(chosen)])
    return load_named(RECIPES / chosen / version / FILE, Recipe, chosen)


def load_recipes() -> list[Recipe]:
    """The recipes that are taken by default, each read once, sorted by name."""
    return [load_recipe(name) for name in recipe_names()]
