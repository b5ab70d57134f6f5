"""``zport diff``: the first operator at which two sides differ."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from zport.cli.options import BuildFolder, EngineName, Refresh, wide_console
from zport.diff.report import keep_record, print_record, wrong_phrase
from zport.diff.run import SEED, run_diff
from zport.diff.sides import choose_sides
from zport.diff.subject import find_subject
from zport.engines import select_engine
from zport.errors import VerdictError
from zport.job import Job, Request
from zport.targets import DEFAULT, REFERENCE
from zport.workspace import PROJECT, Workspace


def diff(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model of the project, a folder with manifest.yml, or a file that ends in "
            ".onnx, which gets random inputs.",
        ),
    ],
    arch: Annotated[str, typer.Option(metavar="NAME", help="The target to look at.")] = (
        DEFAULT.name
    ),
    agent: Annotated[str, typer.Option(metavar="NAME", help="The agent that runs the model.")] = (
        "onnxruntime"
    ),
    against: Annotated[
        str,
        typer.Option(
            metavar="SIDE",
            help="A target, another agent, or stored: what the repository keeps, and exact "
            "arithmetic operator by operator.",
        ),
    ] = REFERENCE.name,
    input_name: Annotated[
        str | None,
        typer.Option("--input", metavar="NAME", show_default="the first",
                     help="One of the manifest's inputs."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of a bare file's random inputs.")] = SEED,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
    engine: EngineName = "auto",
    build_folder: BuildFolder = PROJECT / "build",
    refresh: Refresh = False,
) -> None:  # fmt: skip
    """Find the first operator whose output differs between two sides, and who is wrong.

    Exit status 11 when the outputs differ.
    """
    sides, subject = choose_sides(arch, agent, against), find_subject(model)
    chosen = select_engine(engine)
    chosen.check()
    workspace = Workspace(build_folder.absolute())
    job = Job(Request(
        sides.targets, sides.agents, chosen, workspace,
        Console(stderr=True, highlight=False) if as_json else wide_console(),
        test=False, refresh=refresh,
    ))  # fmt: skip
    record = run_diff(job, subject, sides, input_name, seed)
    path = keep_record(workspace, record)
    if as_json:
        typer.echo(json.dumps(record, indent=2))
    else:
        print_record(job.request.console, record)
        job.request.console.print(f"record    {path}", soft_wrap=True)
    if record["verdict"] != "pass":
        raise found(record, str(path))


def found(record: dict[str, Any], path: str) -> VerdictError:
    """The error of two sides that differ."""
    operator = record["operator"]
    where = f"{operator['node']} ({operator['op_type']})" if operator else "no single operator"
    wrong = f", wrong: {wrong_phrase(operator, record['sides'])}" if operator else ""
    return VerdictError(
        f"{record['verdict']} first at {where}{wrong}",
        where=record["model"],
        next_step=f"both sides' values are in {path}",
    )
