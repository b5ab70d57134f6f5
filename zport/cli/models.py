"""``zport models``: the models that images are tested with."""

from __future__ import annotations

from typing import Annotated

import typer

from zport.cli.options import AgentNames, BuildFolder, EngineName, make_request
from zport.job import Job
from zport.targets import REFERENCE
from zport.workspace import PROJECT

app = typer.Typer(help="The models that images are tested with.", no_args_is_help=True)


@app.callback()
def models() -> None:
    """The models that images are tested with."""


@app.command()
def expect(
    names: Annotated[list[str] | None, typer.Argument(help="Models; default: all.")] = None,
    agent: AgentNames = "onnxruntime",
    engine: EngineName = "auto",
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Run models in the reference's image and keep their outputs as what is expected."""
    request = make_request(REFERENCE.name, agent, engine, build_folder, models=names or [])
    job = Job(request)
    job.build()
    for name in job.store_expectations(job.run_matrix()):
        request.console.print(f"models/{name}: expected outputs written")
