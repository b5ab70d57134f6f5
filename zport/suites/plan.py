"""Planning a suite: the image that upstream's tests run in."""

from __future__ import annotations

from dataclasses import dataclass

from zport.errors import UsageError
from zport.plan import Planner
from zport.plan_wheel import source_file, supply
from zport.recipes import TEST_LOCK, Recipe, Suite
from zport.step import Step, package_files, tree_files
from zport.targets import Target
from zport.workspace import PROJECT


@dataclass(frozen=True)
class SuitePlan:
    """A recipe's suite on a target, and the step of the image that it runs in."""

    recipe: Recipe
    suite: Suite
    target: Target
    step: Step


def plan_suite(planner: Planner, recipe: Recipe, target: Target) -> SuitePlan:
    """The image of a clean root with the wheel, what its tests import, and their files.

    The wheel is the one that the resolver would give any user of the package on that target: the
    recipe's, or the published one.
    """
    if recipe.suite is None:
        raise UsageError(
            f"{recipe.name} names no suite",
            where=f"recipes/{recipe.name}/recipe.toml",
            next_step="add [suite] with pytest's arguments",
        )
    base, builder = planner.base(target), planner.builder(planner.host)
    pins = [recipe.pin, *recipe.test_requirements]
    wheels = supply(planner, pins, target, recipe, "wheels", TEST_LOCK)
    packages = planner.installed_on_base(target, recipe.test.packages)
    step = planner.step(
        f"suite-{recipe.name}-{target.name}",
        f"tests of {recipe.name} {recipe.version} for {target.oci}",
        "suite",
        target,
        f"suite-{recipe.name}",
        f"{recipe.version}-{target.name}",
        [base, builder, *wheels.steps],
        [
            *wheels.files,
            *package_files(packages),
            *([source_file(recipe)] if recipe.suite.files else []),
            *tree_files(PROJECT / "dockerfiles" / "toolchain", "bin", "unpack-source", 0o755),
        ],
        images={"base": base.image},
        packages=list(recipe.test.packages),
        source=recipe.source.filename,
        files=list(recipe.suite.files),
        stages=wheels.stages,
        wheel_images=wheels.images,
    )
    return SuitePlan(recipe, recipe.suite, target, step)
