"""The wheels of a request: which are there, what each took, where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from zport.steps.build import last_seconds
from zport.wheels.built import wheel_of

if TYPE_CHECKING:
    from zport.job import Job


def print_wheels(job: Job) -> None:
    """Print a line for each wheel; one that was not built says so."""
    workspace = job.request.workspace
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("wheel", "target", "state", "MB", "build"):
        table.add_column(column, overflow="fold", justify="right" if column == "MB" else "left")
    for plan in job.wheels:
        wheel = wheel_of(plan.step, workspace)
        seconds = last_seconds(workspace, plan.step)
        table.add_row(
            wheel.name if wheel else f"{plan.recipe.name} {plan.recipe.version}",
            plan.target.name,
            Text("tested", "green") if wheel else Text("not built", "red"),
            f"{wheel.stat().st_size / 1e6:.1f}" if wheel else "",
            f"{seconds:.0f} s" if seconds and wheel else "",
        )
    job.request.console.print(table)
    job.request.console.print(f"wheels are in {workspace.wheels}", soft_wrap=True)
