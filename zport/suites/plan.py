"""Planning a suite: the image that upstream's tests run in."""

from __future__ import annotations

from dataclasses import dataclass

from zport.debian.packages import Closure
from zport.definitions import require_inside
from zport.errors import DefinitionError, UsageError
from zport.plan.planner import Planner
from zport.plan.wheel import Supply, recipe_files, source_tree, supply
from zport.recipes import TEST_LOCK, Recipe, Suite
from zport.sources.pypi import IndexFile
from zport.steps.step import ContextFile, Step, package_files, tree_files
from zport.targets import Target
from zport.workspace import PROJECT


@dataclass(frozen=True)
class SuitePlan:
    """A recipe's suite on a target, and the step of the image that it runs in.

    ``subject`` is the package, or ``<package>-debian`` for the distribution's. ``wheel`` is what is
    tested: the name of a published file, the image of a built one, or the distribution's package
    with its version.
    """

    subject: str
    recipe: Recipe
    suite: Suite
    target: Target
    step: Step
    wheel: str

    @property
    def title(self) -> str:
        """What is tested, with the version where it is not the one that is taken by default."""
        return _title(self.subject, self.recipe)


def suite_of(recipe: Recipe, *, distribution: bool = False) -> Suite:
    """The recipe's suite. Raises :class:`UsageError` when it names none, or not what is tested."""
    if recipe.suite is None:
        raise UsageError(
            f"{recipe.name} names no suite",
            where=recipe.file,
            next_step="add [suite] with pytest's arguments",
        )
    if distribution and not recipe.suite.distribution:
        raise UsageError(
            f"{recipe.name} names no package of Debian's that its suite could test",
            where=f"{recipe.file}: suite.distribution",
            next_step="name one there, or test the wheel: leave out --distribution",
        )
    return recipe.suite


def plan_suite(
    planner: Planner, recipe: Recipe, target: Target, *, distribution: bool = False
) -> SuitePlan:
    """The image of a clean root with the wheel, what its tests import, and their files.

    The wheel is the one that the resolver would give any user of the package on that target: the
    recipe's, or the published one; or, for ``distribution``, Debian's own package is in its place.
    The tests are those of the source that a wheel of the recipe is built from: with the overlay,
    and patched.

    Raises :class:`UsageError` when the recipe names no suite or no package of Debian's, and
    :class:`zport.errors.BlockedError` when a requirement of the tests has no provider.
    """
    suite = suite_of(recipe, distribution=distribution)
    subject = f"{recipe.name}-debian" if distribution else recipe.name
    base, builder = planner.base(target), planner.builder(planner.host)
    pins = [] if distribution else [recipe.pin, *recipe.test_requirements]
    wheels = supply(planner, pins, target, recipe, "wheels", TEST_LOCK)
    names = [*recipe.test.packages, *suite.packages]
    names += suite.distribution if distribution else ()
    packages = planner.installed_on_base(target, names, suite.leave_out)
    step = planner.step(
        f"suite-{_title(subject, recipe)}-{target.name}",
        f"tests of {recipe.name} {recipe.version} for {target.oci}",
        "suite",
        target,
        f"suite-{subject}",
        f"{recipe.version}-{target.name}",
        [base, builder, *wheels.steps],
        [
            *wheels.files,
            *package_files(packages),
            *(_source_files(recipe, target) if suite.files else []),
            *own_files(recipe, suite),
        ],
        images={"base": base.image},
        packages=names,
        source=source_tree(recipe, target),
        leave_out=suite.leave_out,
        own=suite.own,
        files=list(suite.files),
        stages=wheels.stages,
        wheel_images=wheels.images,
    )
    if distribution:
        tested = _tested_package(suite.distribution[0], packages)
    else:
        tested = _tested_wheel(recipe, wheels)
    return SuitePlan(subject, recipe, suite, target, step, tested)


def _title(subject: str, recipe: Recipe) -> str:
    return subject + recipe.title.removeprefix(recipe.name)


def _source_files(recipe: Recipe, target: Target) -> list[ContextFile]:
    """The source with what the recipe changes in it, and the scripts that unpack and patch."""
    scripts = PROJECT / "dockerfiles" / "toolchain"
    return [
        *recipe_files(recipe, target),
        *tree_files(scripts, "bin", "unpack-source", 0o755),
        *tree_files(scripts, "bin", "apply-patches", 0o755),
    ]


def own_files(recipe: Recipe, suite: Suite) -> list[ContextFile]:
    """The recipe's own tests. Raises :class:`DefinitionError` where there are none."""
    if suite.own is None:
        return []
    require_inside(recipe.folder, suite.own, where=recipe.file)
    found = tree_files(recipe.folder / suite.own, "own", "*")
    if not found:
        raise DefinitionError(
            f"no tests in {suite.own}",
            where=f"{recipe.file}: suite.own",
            next_step="name a folder beside the recipe that has some",
        )
    return found


def _tested_package(name: str, closure: Closure) -> str:
    version = next(one.version for one in closure.packages if one.name == name)
    return f"{name} {version}"


def _tested_wheel(recipe: Recipe, wheels: Supply) -> str:
    """The package's own wheel among those that the suite needs."""
    files = [file.source for file in wheels.files if isinstance(file.source, IndexFile)]
    published = [file.filename for file in files if file.name == recipe.name]
    built = [
        step.image
        for step in wheels.steps
        if step.repository.rpartition("/")[2] == f"wheel-{recipe.name}"
    ]
    return [*published, *built][0]
