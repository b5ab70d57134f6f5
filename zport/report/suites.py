"""Suites in words: how many tests ran on each target, and which outcomes differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zport.suites.outcomes import Difference
from zport.suites.run import SuiteRun

SHOWN = 20


def print_suite(
    console: Console, runs: Sequence[SuiteRun], differences: Sequence[Difference]
) -> None:
    """Print one package's suite: a line for each target, then what differs."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("suite", "target", "passed", "failed", "skipped", "time"):
        table.add_column(column, justify="left" if column in ("suite", "target") else "right")
    for run in runs:
        counts = run.outcomes.counts
        failed = counts["failed"] + counts["error"]
        table.add_row(
            f"{run.plan.recipe.name} {run.plan.recipe.version}", run.plan.target.name,
            str(counts["passed"]), Text(str(failed), "red" if failed else ""),
            str(counts["skipped"]), f"{run.seconds:.0f} s",
        )  # fmt: skip
    console.print(table)
    unknown = [one for one in differences if one.known is None]
    for one in unknown[:SHOWN]:
        console.print(f"  {one.test}: {one.outcome}, {one.reference} on the reference", style="red",
                      soft_wrap=True, markup=False)  # fmt: skip
        console.print(f"    {one.message}", soft_wrap=True, markup=False)
    if len(unknown) > SHOWN:
        console.print(f"  and {len(unknown) - SHOWN} more")
    known = len(differences) - len(unknown)
    console.print(f"  {len(differences)} outcomes differ, {known} with a known cause")


def suite_record(runs: Sequence[SuiteRun], differences: Sequence[Difference]) -> dict[str, Any]:
    """One package's suite for a file."""
    return {
        "package": runs[0].plan.recipe.name,
        "version": runs[0].plan.recipe.version,
        "pytest": list(runs[0].plan.suite.pytest),
        "targets": {
            run.plan.target.name: {**run.outcomes.counts, "seconds": run.seconds} for run in runs
        },
        "differences": [
            {
                "test": one.test,
                "outcome": one.outcome,
                "reference": one.reference,
                "message": one.message,
                "kind": one.known.kind if one.known else None,
                "cause": one.known.cause if one.known else None,
            }
            for one in differences
        ],
    }
