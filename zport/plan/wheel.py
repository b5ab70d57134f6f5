"""Planning a wheel: how a recipe's source is compiled and tested for a target.

Build requirements are wheels for the machine that compiles; what is compiled against and what the
test imports are wheels for the target. Any of them may be a recipe's, which is planned first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zport.definitions import require_inside
from zport.errors import BlockedError, DefinitionError
from zport.recipes import BUILD_LOCK, OVERLAY, TEST_LOCK, Mode, Recipe, Vendored
from zport.resolve.graph import cycle_error
from zport.resolve.requirements import Pin
from zport.sources.kinds import coordinates, is_pinned
from zport.sources.pypi import IndexFile
from zport.steps.step import ContextFile, Step, package_files, tree_files
from zport.targets import Target
from zport.wheels.sbom import sbom_file
from zport.workspace import PROJECT

if TYPE_CHECKING:
    from zport.plan.planner import Planner

TEST_WHEELS = "test-wheels"
VENDORED = "recipe/vendored"
"""Folder of a build's context with the sources of other projects."""


@dataclass(frozen=True)
class WheelPlan:
    """A recipe on a target, how it is built there, and the step that builds and tests its wheel."""

    recipe: Recipe
    target: Target
    mode: Mode
    step: Step


@dataclass(frozen=True)
class Supply:
    """Wheels that something needs: the steps that build some, the published files of the others.

    ``built`` names the former by package and version; their hashes are not known yet.
    """

    steps: tuple[Step, ...]
    files: tuple[ContextFile, ...]
    built: tuple[IndexFile, ...] = ()

    @property
    def stages(self) -> list[str]:
        return [step.name for step in self.steps]

    @property
    def requirements(self) -> list[IndexFile]:
        """Name and version of each, and the hash of what is published."""
        published = [file.source for file in self.files if isinstance(file.source, IndexFile)]
        return [*published, *self.built]

    @property
    def images(self) -> list[dict[str, str]]:
        """The stages as a template takes them."""
        return [
            {"stage": step.name, "reference": step.image, "platform": step.target.oci}
            for step in self.steps
        ]


def plan_wheel(planner: Planner, recipe: Recipe, target: Target, *, needed: bool = False) -> Step:
    """The step of a recipe's wheel for a target, built and tested.

    A mode that the user forces holds for what was asked for, not for what is ``needed`` by that.
    Raises :class:`BlockedError` when a requirement has no provider or the mode cannot be served.
    """
    mode = build_mode(planner.host, recipe, target, None if needed else planner.mode)
    suffix = "" if mode in ("native", recipe.build.mode) else f"-{mode}"
    name = f"wheel-{recipe.title}-{target.name}{suffix}"
    if name in planner.wheels:
        return planner.wheels[name].step
    with _once(planner, name, recipe):
        step = _plan(planner, recipe, target, mode, suffix)
    planner.wheels[name] = WheelPlan(recipe, target, mode, step)
    return step


@contextmanager
def _once(planner: Planner, name: str, recipe: Recipe) -> Iterator[None]:
    """Recipes that need each other would be planned for ever."""
    stack = planner.being_planned
    if name in stack:
        ring = [*list(stack.values())[list(stack).index(name) :], recipe.name]
        raise cycle_error(ring, "take one of them out of build.requires or test.requires")
    stack[name] = recipe.name
    try:
        yield
    finally:
        del stack[name]


def _plan(planner: Planner, recipe: Recipe, target: Target, mode: Mode, suffix: str) -> Step:
    machine = target if mode == "emulated" else planner.host
    base, toolchain = planner.base(target), planner.toolchain(machine, target)
    patches = recipe.patches(target)
    build = supply(planner, recipe.build_requirements, machine, recipe, "requirements", BUILD_LOCK)
    linked = [] if machine == target else [
        pin for pin in recipe.build_requirements if pin.name in recipe.build.links
    ]  # fmt: skip
    links = supply(planner, linked, target, recipe, "links", BUILD_LOCK)
    test = supply(planner, recipe.test_requirements, target, recipe, TEST_WHEELS, TEST_LOCK)
    names = build_packages(recipe, target)
    packages = planner.on_toolchain(machine, target, names) if names else None
    tools = [*planner.compilers(machine, target), *(packages.packages if packages else ())]
    test_packages = planner.installed_on_base(target, recipe.test.packages)
    context = [
        *recipe_files(recipe, target),
        *build.files, *links.files, *test.files,
        *(package_files(packages, "build-packages") if packages else []),
        *package_files(test_packages, "test-packages"),
        sbom_file(recipe, patches, target, machine, tools, build.requirements, base.epoch),
        *tree_files(PROJECT / "dockerfiles" / "wheel", "bin", "*", 0o755),
        *test_script(recipe),
    ]  # fmt: skip
    wheels = Supply(tuple(dict.fromkeys((*build.steps, *links.steps, *test.steps))), ())
    return planner.step(
        f"wheel-{recipe.title}-{target.name}{suffix}",
        f"{recipe.name} {recipe.version} for {target.oci}, {mode}",
        "wheel",
        target,
        f"wheel-{recipe.name}",
        f"{recipe.version}-{target.name}{suffix}",
        [base, toolchain, planner.builder(planner.host), *wheels.steps],
        context,
        images={"base": base.image, "toolchain": toolchain.image},
        package=recipe.name,
        machine=machine,
        mode=mode,
        environment=dict(recipe.build.environment),
        source=source_tree(recipe, target),
        folder=recipe.build.folder,
        build_packages=names,
        test_packages=list(recipe.test.packages),
        test_imports=list(recipe.test.imports),
        test_script=recipe.test.script,
        build_stages=build.stages,
        link_stages=links.stages,
        test_stages=test.stages,
        wheel_images=wheels.images,
    )


def build_mode(host: Target, recipe: Recipe, target: Target, forced: Mode | None) -> Mode:
    """How the recipe is built for the target on this host."""
    if target == host:
        return "native"
    mode = forced or recipe.build.mode
    if mode == "native":
        raise BlockedError(
            f"{recipe.name} builds only on {target.name} itself",
            where=f"{recipe.file}: build.mode",
            next_step=f"run on {target.name}, or force --mode emulated",
        )
    return mode


def build_packages(recipe: Recipe, target: Target) -> list[str]:
    """Debian packages of the build as apt takes them, the target's with its architecture."""
    for_target = [f"{name}:{target.debian}" for name in recipe.build.target_packages]
    return [*recipe.build.packages, *for_target]


def recipe_files(recipe: Recipe, target: Target) -> list[ContextFile]:
    """What the recipe itself brings into the build: sources, patches, overlay, settings."""
    settings = json.dumps(recipe.build.settings, indent=2, sort_keys=True) + "\n"
    return [
        source_file(recipe, recipe, "recipe"),
        *(source_file(recipe, project, VENDORED) for project in recipe.vendored),
        *(ContextFile.local(f"recipe/patches/{p.path.name}", p.path)
          for p in recipe.patches(target)),
        *_overlay_files(recipe),
        ContextFile.text("recipe/settings.json", settings),
    ]  # fmt: skip


def _overlay_files(recipe: Recipe) -> list[ContextFile]:
    """The overlay's files; of two of one path the recipe's own one stays."""
    place = f"recipe/{OVERLAY}"
    for folder in recipe.overlays:
        require_inside(folder.parent, folder.name, where=recipe.file)
    files = (file for folder in recipe.overlays for file in tree_files(folder, place, "*"))
    return list({file.path: file for file in files}.values())


def test_script(recipe: Recipe) -> list[ContextFile]:
    """The recipe's own test, if it names one. Raises :class:`DefinitionError` when it is absent."""
    if recipe.test.script is None:
        return []
    path = recipe.folder / recipe.test.script
    if not path.is_file():
        raise DefinitionError(
            f"no such file: {path.name}",
            where=f"{recipe.file}: test.script",
            next_step="write it beside the recipe",
        )
    require_inside(recipe.folder, recipe.test.script, where=recipe.file)
    return [ContextFile.local(f"test/{path.name}", path)]


def source_tree(recipe: Recipe, target: Target) -> dict[str, object]:
    """How the files of :func:`recipe_files` become one tree, as the templates take it."""
    vendored = [
        {"archive": f"{VENDORED}/{project.source.filename}", "folder": project.folder}
        for project in recipe.vendored
    ]
    return {
        "archive": f"recipe/{recipe.source.filename}",
        "vendored": vendored,
        "overlay": bool(recipe.overlays),
        "patched": bool(recipe.patches(target)),
    }


def source_file(recipe: Recipe, project: Recipe | Vendored, folder: str) -> ContextFile:
    """The source of a recipe, or one that it vendors, in a folder of a build context.

    Raises :class:`BlockedError` for one that nobody has fetched yet.
    """
    if not is_pinned(project.source):
        raise BlockedError(
            f"the source of {project.name} {project.version} is not pinned yet",
            where=f"{recipe.file}: source.sha256",
            next_step="fetch it, look at it, and write its commit and SHA-256 to the recipe",
        )
    source = coordinates(project.name, project.version, project.source)
    return ContextFile(f"{folder}/{project.source.filename}", project.source.sha256, source)


def supply(
    planner: Planner, pins: Iterable[Pin], target: Target, recipe: Recipe, folder: str, lock: str
) -> Supply:
    """The wheels of the pins for a target; the published ones go into a folder of the context."""
    steps: list[Step] = []
    built: list[IndexFile] = []
    # The folder is there even if it holds nothing.
    files = [ContextFile.text(f"{folder}/.keep", "")]
    for pin in pins:
        if not planner.resolver.applies(pin, target):
            continue
        provided = planner.resolver.provide(pin, target)
        if provided.kind == "recipe":
            needed = planner.resolver.recipe_of(pin.name, pin.version)
            steps.append(plan_wheel(planner, needed, target, needed=True))
            built.append(IndexFile(pin.name, pin.version, "", ""))
        elif provided.file is not None:
            path = Path(folder) / provided.file.filename
            files.append(ContextFile(str(path), provided.file.sha256, provided.file))
        else:
            raise BlockedError(
                provided.reason or pin.text,
                where=recipe.file.with_name(lock),
                next_step=f"pin a version that has a wheel, or: zport recipe new {pin.name}",
            )
    return Supply(tuple(steps), tuple(files), tuple(built))
