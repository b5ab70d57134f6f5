"""An audit on the terminal."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from rich.console import Console

from zport.audit.model import SEVERITIES, Report
from zport.audit.rules import load_rules

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
SHOWN = 8
"""Skipped files that are named; the rest is counted."""


def print_report(console: Console, report: Report, *, everything: bool = False) -> None:
    """Print the findings, worst first; each rule is explained once, below."""
    for one in report.findings:
        place = f"{one.path}:{one.line}:{one.column}"
        console.print(f"{place} ", end="", markup=False, soft_wrap=True)
        console.print(one.severity, style=STYLES[one.severity], end=" ")
        console.print(f"[{one.rule}]", markup=False)
        console.print(f"    {one.snippet}", style="dim", markup=False, soft_wrap=True)
    _explain(console, report)
    _skipped(console, report, everything=everything)
    for note in report.notes:
        console.print(f"note      {note}", style="yellow", soft_wrap=True, markup=False)
    console.print(f"audit     {summary(report)}", soft_wrap=True, markup=False)


def summary(report: Report) -> str:
    """What was audited and what was found, in one line."""
    counts = Counter(one.severity for one in report.findings)
    found = ", ".join(f"{counts[one]} {one}s" for one in SEVERITIES if counts[one])
    parts = [
        f"{report.title}: {found or 'no findings'}",
        f"{report.files} files, {report.lines} lines, {report.seconds:.1f} s",
        *([f"{report.hidden} of lower severity not shown"] if report.hidden else []),
        *([f"{len(report.known)} in the baseline"] if report.known else []),
        *([f"{len(report.suppressed)} suppressed"] if report.suppressed else []),
    ]
    return " · ".join(parts)


def _explain(console: Console, report: Report) -> None:
    rules = load_rules()
    for name in sorted({one.rule for one in report.findings}):
        rule = rules[name]
        console.print(f"\n{name}: {rule.title}", style="bold", markup=False, soft_wrap=True)
        console.print(f"  {' '.join(rule.wrong.split())}", markup=False)
        console.print(f"  mend: {' '.join(rule.mend.split())}", markup=False)
    if report.findings:
        console.print()


def _skipped(console: Console, report: Report, *, everything: bool) -> None:
    by_reason = sorted(report.skipped, key=lambda one: (one.reason, one.path))
    for reason, group in groupby(by_reason, key=lambda one: one.reason):
        paths = [one.path for one in group]
        shown = paths if everything else paths[:SHOWN]
        more = f" and {len(paths) - len(shown)} more" if len(paths) > len(shown) else ""
        console.print(f"skipped   {reason}: {', '.join(shown)}{more}", soft_wrap=True, markup=False)
