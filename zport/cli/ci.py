"""``zport ci``: the plan as a workflow of a CI system; ``zport step``: what its tasks run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from zport.cli.options import (
    AgentNames,
    Arch,
    BuildFolder,
    EngineName,
    Jobs,
    ModelNames,
    make_request,
    split_names,
    wide_console,
)
from zport.errors import UsageError
from zport.job import Job, default_jobs
from zport.plan.scope import write_scope
from zport.targets import BOTH
from zport.workflows.cache import StepCache, check_place
from zport.workflows.rendering import (
    Place,
    check_form,
    find_system,
    parse_labels,
    render_workflow,
)
from zport.workflows.steps import build_steps, planned_steps
from zport.workflows.tasks import Wanted, plan_tasks
from zport.workspace import PROJECT, write_whole

IMAGE = "debian:trixie-slim"


def ci(
    system: Annotated[str, typer.Argument(help="github, gitlab, argo or kubeflow.")],
    arch: Arch = BOTH,
    agent: AgentNames = "onnxruntime",
    model: ModelNames = None,
    bench: Annotated[
        bool, typer.Option("--bench/--no-bench", help="LoadGen too, or the answers only.")
    ] = True,
    registry: Annotated[
        str | None,
        typer.Option(metavar="REGISTRY/NAMESPACE", show_default="the system's own",
                     help="Where built steps are shared and images are published."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET=LABELS",
                     help="Machines that run a target natively, by their labels; may be repeated."),
    ] = None,
    alone: Annotated[
        list[str] | None,
        typer.Option(metavar="RECIPE", help="A wheel with a task of its own; may be repeated.",
                     show_default="the frameworks' own"),
    ] = None,
    repository: Annotated[
        str | None,
        typer.Option(metavar="URL", help="What argo and kubeflow clone."),
    ] = None,
    revision: Annotated[str, typer.Option(help="The branch or tag of it.")] = "main",
    image: Annotated[
        str, typer.Option(help="The Debian that tasks run in.")
    ] = IMAGE,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default="standard output", help="Where it is written."),
    ] = None,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:  # fmt: skip
    """Write the workflow that builds, proves and publishes these agents on these targets.

    The tasks are those of the plan: one a wheel that compiles long, one an image, one a matrix.
    """
    chosen = find_system(system)
    where = registry or chosen.registry
    if where is None:
        raise UsageError(f"{system} has no registry of its own", where="--registry",
                         next_step="name one: --registry REGISTRY/NAMESPACE")  # fmt: skip
    if chosen.pairs and repository is None:
        raise UsageError(f"{system} needs to know what to clone", where="--repository",
                         next_step="name it: --repository https://...")  # fmt: skip
    given = {"--image": image, "--repository": repository, "--revision": revision}
    for option, text in given.items():
        if text is not None:
            check_form(text, option)
    job = Job(make_request(
        arch, agent, "buildah", build_folder, models=split_names(model)
    ))  # fmt: skip
    place = Place(
        chosen, check_place(registry, "--registry") if registry else where, repository, revision,
        image, parse_labels(label or [], chosen, job.targets),
    )  # fmt: skip
    wanted = Wanted(agent, model, bench, alone or [], tuple(place.labels))
    options = [
        *(["--model", model] if model else []), *([] if bench else ["--no-bench"]),
        *(["--registry", registry] if registry else []),
        *(word for text in label or [] for word in ("--label", text)),
        *(word for text in alone or [] for word in ("--alone", text)),
        *(["--repository", repository, "--revision", revision] if repository else []),
        *(["--image", image] if image != IMAGE else []),
    ]  # fmt: skip
    command = shlex.join(["zport", "ci", system, "--arch", arch, "--agent", agent, *options])
    text = render_workflow(plan_tasks(job, wanted), place, command)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_whole(out, text)
        typer.echo(f"written   {out}; {system} looks for it as {chosen.file}")


def step(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[STEP...]", help="None: list all steps.")
    ] = None,
    arch: Arch = BOTH,
    agent: AgentNames = "onnxruntime",
    model: ModelNames = None,
    engine: EngineName = "auto",
    cache: Annotated[
        str | None,
        typer.Option(metavar="REGISTRY/NAMESPACE", help="Restore steps from there, push new ones."),
    ] = None,
    pin: Annotated[
        bool,
        typer.Option("--pin", help="Keep in build/locks for which machine and targets this plan "
                                   "is: who has these locks plans the same."),
    ] = False,
    jobs: Jobs = None,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:  # fmt: skip
    """Build some steps of a plan, and what they need: a machine's share of it."""
    job = Job(make_request(arch, agent, engine, build_folder, jobs=jobs or default_jobs(),
                           models=split_names(model)))  # fmt: skip
    store = StepCache(cache, job.request.engine, job.request.console) if cache else None
    if pin:
        write_scope(job.request.workspace, job.scope)
    if names:
        build_steps(job, names, store)
    else:
        console = wide_console()
        for one in planned_steps(job).values():
            console.print(f"{one.name:<36}{one.summary}", soft_wrap=True)
