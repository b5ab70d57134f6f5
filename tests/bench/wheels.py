"""How much faster a wheel is compiled across than by emulation, and what crossing costs.

``python -m tests.bench.wheels --arch s390x``, as root, from the project's folder. The same pinned
sources are compiled one after another for the target by the cross compiler, for the target by its
own compiler under emulation, and for the host itself. Only the stage that compiles counts: from
the toolchain's image to the committed wheel, nothing from the layer cache, with an empty compiler
cache. The toolchains are made before, for users have them already; the emulated one takes minutes.

The processor's seconds say the same as the clock's where nothing else runs, and more where
something does.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.bench.uncached import build_uncached
from zport import binfmt
from zport.engines.buildah import Buildah
from zport.engines.process import ask
from zport.job import Job, Request
from zport.plan.planner import Planner
from zport.plan.wheel import plan_wheel
from zport.recipes import Mode, Recipe, load_recipe
from zport.steps.build import Builder, missing_steps
from zport.steps.context import write_context
from zport.steps.step import Step
from zport.targets import Target, find_target
from zport.workspace import Workspace

RECIPES = ("mlcommons-loadgen", "pillow", "shapely", "onnx")
"""C++ and C by setuptools, by Meson, by CMake."""
MODES: tuple[Mode, ...] = ("cross", "emulated", "native")
COMPILER_CACHE = "    --mount=type=cache,target=/ccache \\\n"
"""Without this line of the Dockerfile the compiler's cache is a new folder of the container."""
IMAGE = "localhost/zport-bench/wheel:1"


@dataclass(frozen=True)
class Measured:
    """One compilation: seconds of the clock, and of all processors together."""

    recipe: str
    version: str
    mode: str
    target: str
    seconds: float
    processor: float


class Bench:
    """Compiles recipes for a target in one mode after the other."""

    def __init__(self, target: Target, workspace: Workspace, console: Console) -> None:
        self.target = target
        self.engine = Buildah()
        request = Request(
            [target], [], self.engine, workspace, console, test=False, base="bootstrap"
        )
        self.job = Job(request)
        if target == self.job.host:
            raise typer.BadParameter(f"{target.name} is the host: nothing to cross to")
        binfmt.register_emulators([target])

    def prepare(self, recipe: Recipe, mode: Mode) -> Step:
        """The wheel's step, with all that it stands on built and fetched."""
        plain = self.job.planner
        planner = Planner(
            plain.host, plain.distribution, plain.archive, plain.resolver, plain.origin,
            None if mode == "native" else mode,
        )  # fmt: skip
        step = plan_wheel(planner, recipe, plain.host if mode == "native" else self.target)
        request = self.job.request
        missing = missing_steps(planner.steps, step.needs, self.engine.images())
        Builder(
            request.workspace, self.engine, self.job.fetcher, self.job.progress, request.jobs
        ).build(missing)
        return step

    def compile(self, recipe: Recipe, mode: Mode, step: Step) -> Measured:
        """Run the stage that compiles, and take its time."""
        request = self.job.request
        log = self.job.progress.log(f"bench-{step.name}")
        context = write_context(step, request.workspace, self.job.fetcher, log)
        if COMPILER_CACHE not in step.dockerfile:
            raise RuntimeError("the template has no compiler cache: this bench must be mended")
        with TemporaryDirectory(dir=request.workspace.root, prefix=".bench.") as name:
            folder = Path(name) / "context"
            subprocess.run(["cp", "-al", str(context), str(folder)], check=True)
            (folder / "Dockerfile").unlink()
            (folder / "Dockerfile").write_text(step.dockerfile.replace(COMPILER_CACHE, ""))
            started, used = time.monotonic(), _processor()
            with _removed(IMAGE):
                build_uncached(step, folder, IMAGE, log, "--target", "build")
                seconds, processor = time.monotonic() - started, _processor() - used
        return Measured(
            recipe.name, recipe.version, mode, step.target.name,
            round(seconds, 1), round(processor, 1),
        )  # fmt: skip


@contextmanager
def _removed(image: str) -> Iterator[None]:
    try:
        yield
    finally:
        if image in Buildah().images():
            ask(["buildah", "rmi", image])


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ratios(measured: list[Measured]) -> dict[str, dict[str, float]]:
    """By recipe: how many times longer emulating takes than crossing, and crossing than native."""
    found: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(one.recipe for one in measured):
        by_mode = {one.mode: one for one in measured if one.recipe == name}
        found[name] = {}
        for slow, fast in (("emulated", "cross"), ("cross", "native")):
            for kind in ("seconds", "processor"):
                value = getattr(by_mode[slow], kind) / getattr(by_mode[fast], kind)
                found[name][f"{slow}/{fast} {kind}"] = round(value, 1)
    return found


def main(
    recipe: Annotated[list[str] | None, typer.Option(help="recipes to compile")] = None,
    arch: Annotated[str, typer.Option(help="target to compile for")] = "s390x",
    build_folder: Annotated[Path, typer.Option(help="zport's build folder")] = Path("build"),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Compile each recipe in each mode and print the times and their ratios."""
    console = Console(stderr=as_json)
    bench = Bench(find_target(arch), Workspace(build_folder.resolve()), console)
    recipes = [load_recipe(name) for name in recipe or RECIPES]
    # All toolchains first, so that nothing but a compiler runs while one is timed.
    steps = [(one, mode, bench.prepare(one, mode)) for one in recipes for mode in MODES]
    measured = []
    for step in steps:
        measured.append(bench.compile(*step))
        # It takes an hour in all: what is known is told at once.
        one = measured[-1]
        console.print(f"{one.recipe} {one.mode}: {one.seconds} s, processor {one.processor} s")
    result = {
        "target": bench.target.name,
        "host": bench.job.host.name,
        "processors": len(os.sched_getaffinity(0)),
        "measured": [asdict(one) for one in measured],
        "ratios": ratios(measured),
    }
    if as_json:
        print(json.dumps(result, indent=2))
        return
    table = Table("recipe", "mode", "target", "seconds", "processor s", title="Compiling a wheel")
    for one in measured:
        table.add_row(
            f"{one.recipe} {one.version}", one.mode, one.target,
            f"{one.seconds:.1f}", f"{one.processor:.1f}",
        )  # fmt: skip
    console.print(table)
    for name, found in ratios(measured).items():
        told = ", ".join(f"{what} {value}" for what, value in found.items())
        console.print(f"{name}: {told}")


if __name__ == "__main__":
    typer.run(main)
