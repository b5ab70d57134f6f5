"""Suites in words: how many tests ran on each target, and which outcomes differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zport.suites.outcomes import Difference, KnownDifference
from zport.suites.run import SuiteRun

SHOWN = 20


def print_suite(
    console: Console,
    runs: Sequence[SuiteRun],
    differences: Sequence[Difference],
    unmatched: Sequence[KnownDifference],
) -> None:
    """Print one package's suite: a line for each target, what differs, what no longer does."""
    _print_counts(console, runs)
    unknown = [one for one in differences if one.known is None]
    for one in unknown[:SHOWN]:
        where = f"{one.outcome} on {one.target}, {one.reference} on the reference"
        console.print(f"  {one.test}: {where}", style="red", soft_wrap=True, markup=False)
        console.print(f"    {one.message}", soft_wrap=True, markup=False)
    if len(unknown) > SHOWN:
        console.print(f"  and {len(unknown) - SHOWN} more")
    for entry in unmatched:
        console.print(f"  warning: known, but nothing like it differs: {entry.tests}",
                      style="yellow", soft_wrap=True, markup=False)  # fmt: skip
    known = len(differences) - len(unknown)
    console.print(f"  {len(differences)} outcomes differ, {known} with a known cause")


def _print_counts(console: Console, runs: Sequence[SuiteRun]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("suite", "target", "passed", "failed", "skipped", "time"):
        table.add_column(column, justify="left" if column in ("suite", "target") else "right")
    for run in runs:
        counts = run.outcomes.counts
        failed = counts["failed"] + counts["error"]
        table.add_row(
            f"{run.plan.subject} {run.plan.recipe.version}", run.plan.target.name,
            str(counts["passed"]), Text(str(failed), "red" if failed else ""),
            str(counts["skipped"]), f"{run.seconds:.0f} s",
        )  # fmt: skip
    console.print(table)


def suite_record(
    runs: Sequence[SuiteRun],
    differences: Sequence[Difference],
    unmatched: Sequence[KnownDifference],
) -> dict[str, Any]:
    """One package's suite for a file: which wheel ran in which image, and what came out."""
    return {
        "package": runs[0].plan.subject,
        "version": runs[0].plan.recipe.version,
        "pytest": list(runs[0].plan.suite.pytest),
        "targets": {
            run.plan.target.name: {
                **run.outcomes.counts,
                "seconds": run.seconds,
                "image": run.plan.step.image,
                "wheel": run.plan.wheel,
            }
            for run in runs
        },
        "unmatched": [one.tests for one in unmatched],
        "differences": [
            {
                "target": one.target,
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
