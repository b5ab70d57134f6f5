"""``zport report``: what all runs have found, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zport.cli.options import BuildFolder, wide_console
from zport.errors import UsageError
from zport.report.page import write_page
from zport.results import Store, store_path
from zport.results.collect import collect
from zport.results.files import run_files
from zport.workspace import PROJECT, Workspace


def report(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default="BUILD/report/index.html",
                     help="The page to write."),
    ] = None,
    run: Annotated[
        str, typer.Option(metavar="RUN|latest", help="A run, or the newest result of each cell.")
    ] = "latest",
    against: Annotated[
        str | None,
        typer.Option(metavar="RUN", show_default="each cell's own result before",
                     help="The run to compare with."),
    ] = None,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:  # fmt: skip
    """Write one page with the matrix, packages, images and benchmarks of all runs.

    The file needs no server and no network: it can be opened, mailed, or kept as it is.
    """
    workspace, console = Workspace(build_folder.absolute()), wide_console()
    if not store_path(workspace).exists() and not run_files(workspace.results):
        raise UsageError(
            "no run has left results there",
            where=workspace.results,
            next_step="run ./build.py, or name another folder: --build-folder DIR",
        )
    with Store.open(store_path(workspace)) as store:
        for problem in collect(store, workspace):
            console.print(f"warning   left out: {problem}", style="yellow", soft_wrap=True,
                          markup=False)  # fmt: skip
    path = write_page(workspace, run=run, against=against, out=out)
    size = path.stat().st_size / 1e6
    console.print(f"report    {path}  {size:.1f} MB", soft_wrap=True, markup=False)
