"""The page: everything that runs have found, as one HTML file that needs no server and no network.

``data`` gathers what it shows, ``packages`` and ``logs`` parts of that, ``render`` makes the file
from the template and the plain modules in ``assets/``, which run in the browser as they are.
"""

from __future__ import annotations

from pathlib import Path

from zport.report.page.data import gather
from zport.report.page.render import render
from zport.workspace import Workspace, write_whole

__all__ = ["page_path", "write_page"]


def page_path(workspace: Workspace) -> Path:
    """Where a build folder's page lies."""
    return workspace.root / "report" / "index.html"


def write_page(
    workspace: Workspace,
    *,
    run: str = "latest",
    against: str | None = None,
    out: Path | None = None,
) -> Path:
    """Write the page of a build folder and return its path; ``gather`` tells what is on it.

    Raises :class:`zport.errors.ResultsError` for a run that is not there or a store that cannot be
    read.
    """
    return write_whole(out or page_path(workspace), render(gather(workspace, run, against)))
