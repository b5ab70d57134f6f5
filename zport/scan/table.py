"""A scan on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zport.scan.diff import Comparison, state_text
from zport.scan.model import STATUS_WORDS, WORST_FIRST, Finding, Report

STYLES = {
    "dangerous": "bold red", "blocked": "red", "source": "yellow", "recipe": "cyan",
    "worse": "red", "added": "yellow", "better": "green",
}  # fmt: skip
QUIET = ("published", "pure")
"""What needs no step is counted; it is listed where everything is asked for."""


def print_report(console: Console, report: Report, *, everything: bool = False) -> None:
    """Print what needs a step, worst first, and how much of the closure is covered."""
    shown = [one for one in report.findings if everything or one.status not in QUIET]
    if shown:
        console.print(_table(shown, several=len(report.targets) > 1))
    for note in report.notes:
        console.print(f"note      {note}", style="yellow", soft_wrap=True, markup=False)
    for coverage in report.coverage():
        console.print(f"coverage  {coverage.text}", soft_wrap=True)
        console.print(f"          {counted(report, coverage.target)}", soft_wrap=True)


def counted(report: Report, target: str) -> str:
    """How many packages of a target have which provider, worst first."""
    counts = Counter(one.status for one in report.findings if one.target == target)
    parts = [f"{counts[status]} {STATUS_WORDS[status]}" for status in WORST_FIRST if counts[status]]
    return ", ".join(parts) or "no packages"


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print what differs between two scans."""
    console.print(f"diff      {comparison.heading}", soft_wrap=True, markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("package", "change", "before", "after", "next"):
        table.add_column(column, overflow="fold")
    for one in comparison.differences:
        step = one.after.step if one.after else ""
        table.add_row(
            Text(one.name),
            Text(one.change, STYLES.get(one.change, "")),
            state_text(one.before),
            state_text(one.after),
            Text(step),
        )
    if table.row_count:
        console.print(table)
    else:
        console.print("          nothing differs")
    for report in (comparison.before, comparison.after):
        for coverage in report.coverage():
            console.print(f"coverage  {report.title} {coverage.text}", soft_wrap=True, markup=False)


def _table(findings: Sequence[Finding], *, several: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    columns = ["package", *(["target"] if several else []), "provider", "why and what next"]
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "target")
    for one in findings:
        target = [one.target] if several else []
        status = Text(STATUS_WORDS[one.status], STYLES.get(one.status, ""))
        table.add_row(Text(one.text), *target, status, _reason(one))
    return table


def _reason(finding: Finding) -> Text:
    lines = [": ".join(part for part in (finding.origin, finding.detail) if part)]
    if finding.step:
        lines.append(f"next: {finding.step}")
    if finding.pulled_by:
        lines.append(f"for {' ← '.join(finding.pulled_by)}")
    return Text("\n".join(line for line in lines if line))
