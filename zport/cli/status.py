"""``zport status``: does it run there, package by package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from zport.cli.options import BuildFolder, wide_console
from zport.status.gather import gather
from zport.status.page import as_html, as_markdown
from zport.status.records import load_records, record
from zport.targets import DEFAULT
from zport.workspace import PROJECT, Workspace, write_whole

PAGE = PROJECT / "porting" / "STATUS.md"
Format = Literal["markdown", "html"]
DOCUMENTS = {"markdown": as_markdown, "html": as_html}


def status(
    output: Annotated[
        Format | None,
        typer.Option("--format", help="Print the page instead of writing porting/STATUS.md."),
    ] = None,
    taken: Annotated[
        bool, typer.Option("--record", help="Take up first what the build folder has run.")
    ] = False,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Write the page of every package that was looked at: what runs, with dates and evidence."""
    records = (
        record(Workspace(build_folder.absolute()), DEFAULT) if taken else load_records()
    )  # fmt: skip
    packages = gather(records)
    if output:
        typer.echo(DOCUMENTS[output](packages, records), nl=False)
        return
    path: Path = write_whole(PAGE, as_markdown(packages, records))
    wide_console().print(
        f"status    {len(packages)} packages, {len(records.cells)} cells: {path}",
        soft_wrap=True, markup=False,
    )  # fmt: skip
