"""The command line."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zport import __version__
from zport.agents import load_agents
from zport.engines import select_engine
from zport.errors import ZportError
from zport.job import Job, Request, default_jobs, verdict_failure
from zport.origin import Policy
from zport.recipes import Mode
from zport.report.plan import print_head, print_plan
from zport.targets import DEFAULT, REFERENCE, parse_targets
from zport.workspace import PROJECT, Workspace

PIPE_WIDTH = 120

app = typer.Typer(
    name="zport",
    help="Container images for IBM Z that are proven to give the right numbers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="The models that images are tested with.", no_args_is_help=True)
app.add_typer(models_app, name="models")

Arch = Annotated[str, typer.Option(metavar="LIST", help="Targets, comma-separated.")]
AgentNames = Annotated[
    str, typer.Option("--agent", metavar="LIST", help="Agents, comma-separated, or all.")
]
EngineName = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="auto, buildah or docker.")
]
BuildFolder = Annotated[
    Path, typer.Option(metavar="DIR", show_default="build", help="Can be deleted at any time.")
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", show_default="cores", help="Builds and cells at once."),
]


@app.command()
def build(
    arch: Arch = DEFAULT.name,
    agent: AgentNames = "onnxruntime",
    engine: EngineName = "auto",
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be done and why; do nothing.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test/--no-test", help="Run the models and compare their numbers.")
    ] = True,
    model: Annotated[
        str | None, typer.Option(metavar="LIST", help="Models to run, comma-separated.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="REGISTRY/NAMESPACE", help="Push the images there.")
    ] = None,
    mode: Annotated[Mode | None, typer.Option(help="Force a build mode.")] = None,
    base: Annotated[
        Policy, typer.Option(help="First root: from a registry, or from Debian's packages.")
    ] = "auto",
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask Debian's archive and the registry again.")
    ] = False,
    jobs: Jobs = None,
    build_folder: BuildFolder = PROJECT / "build",
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show each step and requirement.")
    ] = False,
) -> None:
    """Build agent images, run every model in them and compare every number.

    Exit status: 0 all is built and all cells pass; 11 some cell does not; any other failure has
    its own status and says what to do next.
    """
    started = time.monotonic()
    request = _request(
        arch, agent, engine, build_folder,
        test=test, mode=mode, base=base, refresh=refresh, jobs=jobs or default_jobs(),
        models=model.split(",") if model else [],
    )  # fmt: skip
    job = Job(request)
    finished = None if plan else job.finished()
    if finished and not push:
        took = time.monotonic() - started
        names = ", ".join(f"{a.agent.name} agent {a.target.name}" for a in job.agents)
        request.console.print(f"nothing to do: {names} up to date ({took:.1f} s)", soft_wrap=True)
        request.console.print(f"{finished['summary']} · results {finished['results']}",
                              soft_wrap=True)  # fmt: skip
        if not finished["passed"]:
            raise verdict_failure(finished["summary"], finished["results"])
        return
    print_head(job)
    print_plan(job, verbose=verbose or plan)
    if plan:
        return
    job.build()
    for one in job.agents:
        size = request.engine.facts(one.step.image).size_phrase
        request.console.print(f"image     {job.name_of(one)}  {size}")
    if test:
        job.report(job.run_matrix())
    if push:
        job.push(push)


@models_app.command()
def expect(
    names: Annotated[list[str] | None, typer.Argument(help="Models; default: all.")] = None,
    agent: AgentNames = "onnxruntime",
    engine: EngineName = "auto",
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Run models in the reference's image and keep their outputs as what is expected."""
    request = _request(REFERENCE.name, agent, engine, build_folder, models=names or [])
    job = Job(request)
    job.build()
    for name in job.store_expectations(job.run_matrix()):
        request.console.print(f"models/{name}: expected outputs written")


@app.command()
def lock(
    names: Annotated[
        list[str] | None, typer.Argument(help="Agents or recipes; default: all.")
    ] = None,
) -> None:
    """Resolve requirements again and write their locks with hashes."""
    from zport.lock import write_locks

    for path in write_locks(names or []):
        typer.echo(f"{path.relative_to(PROJECT)} written")


@app.command()
def patches() -> None:
    """List every patch: what it is for, its targets, and where upstream stands."""
    from zport.report.patches import print_patches

    print_patches(wide_console())


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"zport {__version__}")


def _request(arch: str, agent: str, engine: str, build_folder: Path, **options: Any) -> Request:
    """The request that the flags make. Raises before anything is done if one is wrong."""
    targets, agents = parse_targets(arch), load_agents(agent)
    chosen = select_engine(engine)
    chosen.check()
    return Request(
        targets=targets,
        agents=agents,
        engine=chosen,
        workspace=Workspace(build_folder.absolute()),
        console=wide_console(),
        **options,
    )


def wide_console() -> Console:
    """The terminal as wide as it is; a file or pipe wide enough for the tables."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def main() -> None:
    """Run the command line: errors become one message and their own exit status."""
    try:
        app(standalone_mode=True)
    except ZportError as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", style="red", soft_wrap=True,
                                                    markup=False)  # fmt: skip
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
