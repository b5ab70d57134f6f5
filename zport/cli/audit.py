"""``zport audit``: where the code is byte-order unsafe."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from zport.audit.accepted import read_baseline, write_baseline
from zport.audit.auditor import audit as run_audit
from zport.audit.documents import as_json
from zport.audit.inputs import find_input
from zport.audit.model import DEFAULT_SEVERITY, SEVERITIES, Report, Severity
from zport.audit.sarif import as_sarif
from zport.audit.table import print_report
from zport.cli.options import BuildFolder, wide_console
from zport.errors import AuditError
from zport.workspace import PROJECT, Workspace

Format = Literal["text", "json", "sarif"]
DOCUMENTS = {"json": as_json, "sarif": as_sarif}


def audit(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A folder, a file, an archive, PACKAGE==VERSION."),
    ],
    output: Annotated[
        Format, typer.Option("--format", help="For people, or a document on the standard output.")
    ] = "text",
    severity: Annotated[
        Severity, typer.Option("--severity", help="The least severity that counts.")
    ] = DEFAULT_SEVERITY,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Findings that are known already and do not count."),
    ] = None,
    new_baseline: Annotated[
        Path | None,
        typer.Option("--write-baseline", metavar="FILE", help="Accept what is found now."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="cores", help="Processes at once."),
    ] = None,
    build_folder: BuildFolder = PROJECT / "build",
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Name every file that was skipped.")
    ] = False,
) -> None:
    """Say where C, C++, Python or Cython gives other numbers on a big-endian machine.

    Exit status 14 when something is found. A comment "zport: ignore[rule] reason" accepts one.
    """
    known = read_baseline(baseline) if baseline else frozenset()
    found = find_input(source, Workspace(build_folder.absolute()))
    report = run_audit(found, severity=severity, known=known, processes=processes)
    if output == "text":
        print_report(wide_console(), report, everything=verbose)
    else:
        # Not by the console: a document has no width.
        typer.echo(DOCUMENTS[output](report), nl=False)
    if new_baseline:
        write_baseline(new_baseline, [*report.findings, *report.known])
    elif report.findings:
        raise unsafe(report)


def unsafe(report: Report) -> AuditError:
    """The error of an audit that found something."""
    counts = Counter(one.severity for one in report.findings)
    words = ", ".join(f"{counts[one]} {one}s" for one in SEVERITIES if counts[one])
    return AuditError(
        f"byte order: {words}",
        where=report.title,
        next_step="mend them, or accept them with a reason or a baseline",
    )
