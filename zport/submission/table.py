"""A submission on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zport.submission.model import Submission
from zport.submission.readme import result_text, validity
from zport.submission.system import EMULATED


def print_submission(console: Console, submission: Submission) -> None:
    """Print each run with LoadGen's word and what the checker would refuse."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("model", "stands for", "scenario", "result", "LoadGen", "checker"):
        table.add_column(column, overflow="fold")
    for one in submission.entries:
        standing = one.standing
        why = "\n".join([*standing.reasons, *standing.refused])
        table.add_row(
            one.run.model, one.benchmark, one.run.scenario, result_text(one, submission),
            Text(validity(one), "green" if standing.valid else "red"),
            Text(why, "red" if standing.refused else "") if why else Text("accepts it", "green"),
        )  # fmt: skip
    console.print(table)
    if submission.system.emulated:
        console.print(f"system    {EMULATED}: no time of it is a real machine's", style="yellow")
    for run, why in submission.left_out:
        console.print(f"left out  {run.title}: {why}", style="yellow", soft_wrap=True, markup=False)
