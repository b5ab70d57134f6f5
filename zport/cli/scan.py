"""``zport scan``: what blocks an install."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

import typer
from rich.console import Console

from zport.cli.options import Arch, BuildFolder, wide_console
from zport.errors import ScanError, UsageError
from zport.scan.diff import Comparison, compare
from zport.scan.documents import as_html, as_json, as_markdown
from zport.scan.inputs import is_file, read_inputs
from zport.scan.model import Report
from zport.scan.scanner import Scanner, choose_base
from zport.scan.table import print_comparison, print_report
from zport.targets import DEFAULT, Target, find_target, parse_targets
from zport.workspace import PROJECT, Workspace

Format = Literal["table", "json", "markdown", "html"]
DOCUMENTS = {"json": as_json, "markdown": as_markdown, "html": as_html}
SHOWN = 5


def scan(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="requirements.txt, pyproject.toml, uv.lock, poetry.lock, pylock.toml, "
            "environment.yml, Dockerfile, or names of packages.",
        ),
    ] = None,
    arch: Arch = DEFAULT.name,
    python: Annotated[
        str | None,
        typer.Option(metavar="VERSION", show_default="the base's", help="Python, such as 3.13."),
    ] = None,
    base: Annotated[
        str,
        typer.Option(metavar="NAME", help="Distribution whose packages count too, or none."),
    ] = "trixie",
    output: Annotated[
        Format, typer.Option("--format", help="The table, or a document on the standard output.")
    ] = "table",
    diff: Annotated[
        str | None,
        typer.Option(metavar="INPUT|TARGET", help="Compare with another input or target."),
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Extra of pyproject.toml or uv.lock; may be repeated."),
    ] = None,
    no_deps: Annotated[
        bool, typer.Option("--no-deps", help="A pinned list is complete: resolve nothing.")
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask the package index and Debian's archive again.")
    ] = False,
    build_folder: BuildFolder = PROJECT / "build",
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="List what needs no step too.")
    ] = False,
) -> None:
    """Say what of a set of requirements does not install on a target, and what to do about it.

    Exit status 12 when something is blocked, or installs and is known to give wrong numbers.
    """
    targets = parse_targets(arch)
    distribution, packaged = choose_base(base, python)
    scanner = Scanner(Workspace(build_folder.absolute()), distribution,
                      packaged=packaged, refresh=refresh)  # fmt: skip
    requirements = scanner.lock(read_inputs(inputs or [], extra or [], complete=no_deps))
    report = scanner.scan(requirements, targets)
    comparison = None
    if diff is not None:
        other = _other_target(diff, targets)
        before = (
            scanner.scan(requirements, [other])
            if other
            else scanner.scan(read_inputs([diff], complete=no_deps), targets)
        )
        comparison = compare(before, report)
    _print(wide_console(), report, comparison, output, verbose=verbose)
    if report.hindering:
        raise hindered(report)


def hindered(report: Report) -> ScanError:
    """The error of a scan that found something blocked or dangerous."""
    counts = Counter(one.status for one in report.hindering)
    words = [f"{count} {status}" for status, count in sorted(counts.items(), reverse=True)]
    names = list(dict.fromkeys(one.text for one in report.hindering))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ScanError(
        f"{', '.join(words)}: {', '.join(names[:SHOWN])}{more}",
        where=report.title,
        next_step="each has its next step in the report",
    )


def _other_target(diff: str, targets: list[Target]) -> Target | None:
    """The target that the scan is to be compared with, if it is one and not an input."""
    if is_file(diff):
        return None
    try:
        other = find_target(diff)
    except UsageError:
        return None
    if len(targets) > 1 or other in targets:
        raise UsageError(f"{diff} can be compared with one other target", where="--diff",
                         next_step="name one other target after --arch")  # fmt: skip
    return other


def _print(
    console: Console, report: Report, comparison: Comparison | None, output: Format, *,
    verbose: bool,
) -> None:  # fmt: skip
    if output != "table":
        # Not by the console: a document has no width.
        typer.echo(DOCUMENTS[output](report, comparison), nl=False)
        return
    if comparison:
        print_comparison(console, comparison)
    else:
        print_report(console, report, everything=verbose)
