"""The wheel factory's commands."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from zport.cli.options import (
    Arch,
    BaseOrigin,
    BuildFolder,
    EngineName,
    ForcedMode,
    Jobs,
    PlanOnly,
    Refresh,
    Verbose,
    make_request,
    wide_console,
)
from zport.distribution import TRIXIE
from zport.errors import UsageError
from zport.job import Job, default_jobs
from zport.recipes import load_recipes, recipe_names
from zport.report.graph import graph_as_dot, print_graph
from zport.report.plan import print_head, print_plan
from zport.report.wheels import print_wheels
from zport.resolve.graph import needed, recipe_graph
from zport.targets import DEFAULT
from zport.wheels.built import lay_published, wheel_of
from zport.wheels.index import lacking, write_index
from zport.workspace import PROJECT, make_folder

Packages = Annotated[
    list[str] | None, typer.Argument(metavar="PACKAGE...", help="Packages that have a recipe.")
]


def wheel(
    packages: Packages = None,
    everything: Annotated[bool, typer.Option("--all", help="Every recipe.")] = False,
    arch: Arch = DEFAULT.name,
    engine: EngineName = "auto",
    plan: PlanOnly = False,
    mode: ForcedMode = None,
    base: BaseOrigin = "auto",
    refresh: Refresh = False,
    jobs: Jobs = None,
    build_folder: BuildFolder = PROJECT / "build",
    verbose: Verbose = False,
) -> None:
    """Build wheels from source, test each on its target, and say where they are."""
    if everything == bool(packages):
        raise UsageError("no package given" if packages is None else "packages given with --all",
                         next_step="name packages, or --all")  # fmt: skip
    request = make_request(
        arch, None, engine, build_folder, recipes=recipe_names() if everything else packages,
        test=False, mode=mode, base=base, refresh=refresh, jobs=jobs or default_jobs(),
    )  # fmt: skip
    job = Job(request)
    print_head(job)
    print_plan(job, verbose=verbose or plan)
    if plan:
        job.raise_unplanned()
        return
    try:
        job.build()
    finally:
        print_wheels(job)
    job.raise_unplanned()


def index(
    folder: Annotated[Path, typer.Argument(help="Where the index goes; it is replaced whole.")],
    arch: Arch = DEFAULT.name,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="Add the published wheels that ours and their tests need."),
    ] = False,
    engine: EngineName = "auto",
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Lay the built wheels out as an index that pip and uv take, on disk or behind any web server.

    A complete one serves machines without a network.
    """
    job = Job(make_request(arch, None, engine, build_folder, recipes=recipe_names(), test=False))
    plans, workspace, console = job.wheels, job.request.workspace, job.request.console
    job.adopt()
    wheels = [wheel_of(plan.step, workspace) for plan in plans]
    built = [(plan, wheel) for plan, wheel in zip(plans, wheels, strict=True) if wheel]
    with TemporaryDirectory(dir=make_folder(workspace.root), prefix=".published.") as name:
        needed_by = [plan for plan, _ in built]
        published = lay_published(needed_by, job.fetcher, Path(name)) if complete else []
        indexed = write_index([*(wheel for _, wheel in built), *published], folder)
    for plan, wheel in zip(plans, wheels, strict=True):
        if not wheel:
            console.print(f"left out, not built yet: {plan.recipe.name} for {plan.target.name}")
    for name in job.unplanned:
        console.print(f"left out, cannot be planned: {name}")
    for target in job.request.targets if complete else ():
        for text, users in lacking(indexed, target, TRIXIE).items():
            console.print(f"left open for {target.name}: {text}, which {', '.join(users)} requires",
                          soft_wrap=True)  # fmt: skip
    console.print(f"{len(indexed)} wheels: pip install --index-url "
                  f"{(folder / 'simple').absolute().as_uri()} PACKAGE", soft_wrap=True)  # fmt: skip


def graph(
    packages: Packages = None,
    dot: Annotated[bool, typer.Option("--dot", help="For Graphviz, instead of a table.")] = False,
) -> None:
    """Show which recipe is compiled against or tested with which other one."""
    recipes = recipe_graph(load_recipes())
    if dot:
        typer.echo(graph_as_dot(needed(recipes, packages) if packages else recipes), nl=False)
    else:
        print_graph(wide_console(), recipes, packages or [])


def lock(
    names: Annotated[
        list[str] | None, typer.Argument(help="Agents or recipes; default: all.")
    ] = None,
) -> None:
    """Resolve requirements again and write their locks with hashes."""
    from zport.resolve.lock import write_locks

    for path in write_locks(names or []):
        typer.echo(f"{path.relative_to(PROJECT)} written")


def patches() -> None:
    """List every patch: what it is for, its targets, and where upstream stands."""
    from zport.report.patches import print_patches

    print_patches(wide_console())
