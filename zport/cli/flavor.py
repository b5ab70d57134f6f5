"""``zport flavor``: an agent's image as another platform takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zport.cli.options import Arch, BuildFolder, EngineName, make_request, wide_console
from zport.definitions import choose_by_name
from zport.errors import UsageError
from zport.flavors.subject import Subject
from zport.flavors.write import FLAVORS, evidence_of, write_flavor
from zport.job import Job
from zport.targets import TARGETS
from zport.workspace import PROJECT

RUN_HERE = ",".join(one.name for one in TARGETS.values() if one.run_here)


def flavor(
    name: Annotated[str, typer.Argument(metavar="FLAVOR", help=", ".join(FLAVORS) + ".")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the files.")],
    agent: Annotated[str, typer.Option("--agent", metavar="NAME")] = "onnxruntime",
    arch: Arch = RUN_HERE,
    image: Annotated[
        str | None,
        typer.Option(metavar="REFERENCE", show_default="this machine's", help="Published image."),
    ] = None,
    engine: EngineName = "auto",
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Write an agent's labels, manifests or definitions for another platform."""
    choose_by_name("flavor", name, list(FLAVORS))
    if "," in agent or agent == "all":
        raise UsageError("one agent at a time", where="--agent", next_step="name one")
    subject = describe(Job(make_request(arch, agent, engine, build_folder, test=False)), image)
    folder = write_flavor(name, subject, out)
    wide_console().print(
        f"flavor    {evidence_of(name).title} of {subject.agent.name} {subject.version}: {folder}",
        soft_wrap=True, markup=False,
    )  # fmt: skip


def describe(job: Job, image: str | None) -> Subject:
    """The job's one agent on all its targets. Nothing is built."""
    first = job.agents[0]
    local = {plan.target.name: job.name_of(plan) for plan in job.agents}
    index = image or f"{first.step.repository}:{first.version}"
    return Subject(
        agent=first.agent,
        version=first.version,
        image=index,
        images=dict.fromkeys(local, image) if image else local,
        targets=tuple(plan.target for plan in job.agents),
    )
