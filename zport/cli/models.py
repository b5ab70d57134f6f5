"""``zport models``: the models that images are tested with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from zport.agents import load_agents
from zport.cli.options import AgentNames, BuildFolder, EngineName, make_request, wide_console
from zport.errors import ImportedError, UsageError
from zport.job import Job
from zport.models import ALL, MODELS, load_models
from zport.models.foreign import manifest_files, read_foreign
from zport.models.importing import Wish, judge, write_model
from zport.models.table import (
    SCHEMA,
    foreign_as_json,
    model_row,
    print_foreign,
    print_models,
    summary,
)
from zport.models.weights import Weights
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index
from zport.targets import REFERENCE
from zport.workspace import PROJECT, Workspace

app = typer.Typer(help="The models that images are tested with.")
AsJson = Annotated[bool, typer.Option("--json", help="Data on the standard output.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models that images are tested with."""
    if context.invoked_subcommand:
        return
    frameworks = sorted({agent.framework for agent in load_agents(ALL)})
    rows = [model_row(model, frameworks) for model in load_models([ALL])]
    if as_json:
        typer.echo(json.dumps({"schema": SCHEMA, "models": rows}, indent=1))
    else:
        print_models(wide_console(), rows)


@app.command("import")
def import_(
    place: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="A manifest, or a folder.")],
    agent: Annotated[
        str, typer.Option("--agent", metavar="LIST", help="Agents that may run them.")
    ] = ALL,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch the weights, which pins them by SHA-256.")
    ] = False,
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--input", metavar="FILE", help="An input to run on; may be repeated."),
    ] = None,
    weights: Annotated[
        Literal["trained", "constant"], typer.Option(help="What the weights are.")
    ] = "trained",
    write: Annotated[
        bool, typer.Option("--write", help="Copy what can be run into models/.")
    ] = False,
    as_json: AsJson = False,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Say what of MLModelScope's or MLHarness's manifests can be run here, and what is missing.

    Exit status 15 when some manifest cannot be run as it is.
    """
    for path in inputs or []:
        if not path.is_file():
            raise UsageError("no such file", where=f"--input {path}", next_step="name a file")
    wish = Wish(tuple(inputs or ()), weights)
    files = Weights(Fetcher(Workspace(build_folder.absolute()), Index()), fetch=fetch)
    agents = load_agents(agent)
    found = [
        files.examined(judge(read_foreign(path), agents, wish)) for path in manifest_files(place)
    ]
    console = wide_console()
    if as_json:
        typer.echo(json.dumps(foreign_as_json(found), indent=1))
    else:
        print_foreign(console, found)
    written = [write_model(one, MODELS, wish) for one in found if write and one.runnable]
    for folder in written:
        typer.echo(f"written: models/{folder.name}; next: zport models expect {folder.name}",
                   err=as_json)  # fmt: skip
    if not all(one.runnable for one in found):
        raise ImportedError(summary(found), where=place, next_step="each has its next step above")


@app.command()
def expect(
    names: Annotated[
        list[str] | None,
        typer.Argument(show_default="the smoke set", help="Models, or all."),
    ] = None,
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
