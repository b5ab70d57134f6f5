"""``zport submission``: a tree for MLPerf Inference from LoadGen's logs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from zport.cli.options import wide_console
from zport.errors import SubmissionError, UsageError
from zport.submission.assemble import Wish, assemble, choose_runs
from zport.submission.model import Submission
from zport.submission.rules import load_rules
from zport.submission.runs import collect_runs
from zport.submission.system import draft
from zport.submission.table import print_submission
from zport.submission.tree import write_tree
from zport.workspace import PROJECT

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def submission(
    submitter: Annotated[
        str, typer.Option(metavar="NAME", help="The organization; a folder's name.")
    ],
    system: Annotated[
        Path,
        typer.Option(metavar="FILE.json", help="The system's description; its name is the file's."),
    ],
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUNS...", show_default="build/bench",
                       help="Folders that zport bench has written, or that hold such."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The tree's folder, which must not be there.")
    ] = None,
    division: Annotated[Literal["open"], typer.Option(help="Only the open one is written.")] = (
        "open"
    ),
    round_name: Annotated[
        str, typer.Option("--round", metavar="NAME", help="The round whose rules count.")
    ] = "v6.1",
    benchmark: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=NAME",
                     help="The benchmark whose task a model does; may be repeated."),
    ] = None,
    measurements: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="What is to be said of models' weights, by model."),
    ] = None,
    emulated: Annotated[
        bool, typer.Option("--emulated", help="Put runs of an emulated processor in, marked.")
    ] = False,
    conforming: Annotated[
        bool, typer.Option("--conforming", help="Leave out what is INVALID or would be refused.")
    ] = False,
    draft_system: Annotated[
        bool,
        typer.Option("--draft", help="Only write FILE.json, with what the runs tell, to fill in."),
    ] = False,
) -> None:  # fmt: skip
    """Write a submission tree for MLPerf Inference (open division), and say what is not valid.

    Exit status 16 when a run in it is INVALID or would be refused, or a faulty one was left out.
    """
    rules = load_rules()
    wish = Wish(
        _named(submitter, "--submitter"), _file(system), rules.round(round_name),
        _pairs(benchmark or []), measurements, emulated, conforming,
    )  # fmt: skip
    found = collect_runs(runs or [PROJECT / "build" / "bench"])
    console = wide_console()
    if draft_system:
        empty = draft(system, submitter, choose_runs(found, wish)[0], rules.system)
        console.print(f"draft     {system}: fill in {', '.join(empty)}", soft_wrap=True)
        return
    if out is None:
        raise UsageError("no folder for the tree", where="--out", next_step="name one: --out DIR")
    _write(assemble(found, wish, rules), out, console)


def _write(made: Submission, out: Path, console: Console) -> None:
    faults = write_tree(made, out)
    print_submission(console, made)
    console.print(f"tree      {out}", soft_wrap=True)
    bad = [one for one in made.entries if not one.standing.clean]
    words = [
        *([f"{len(bad)} of {len(made.entries)} runs in the tree are INVALID or would be refused"]
          if bad else []),
        *([f"{made.broken} left out, because the checker ends at them"] if made.broken else []),
        *faults,
    ]  # fmt: skip
    if words:
        raise SubmissionError("; ".join(words), where=out,
                              next_step="the tree's README lists what is wrong with each; "
                              "--conforming leaves them out")  # fmt: skip


def _named(name: str, flag: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a folder", where=flag,
                         next_step="use letters, digits, dot, dash and underscore")  # fmt: skip
    return name


def _file(path: Path) -> Path:
    if path.suffix != ".json":
        raise UsageError(f"{path} is no .json file", where="--system",
                         next_step="its name without .json is the system's")  # fmt: skip
    _named(path.stem, "--system")
    return path


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = {}
    for one in given:
        model, equals, name = one.partition("=")
        if not (model and equals and name):
            raise UsageError(f"expected MODEL=NAME, found {one!r}", where="--benchmark",
                             next_step="such as --benchmark mobilenet-v1=resnet")  # fmt: skip
        pairs[model] = name
    return pairs
