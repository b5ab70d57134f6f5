"""How long it takes to collect, store and report 10,000 cells; the aim is 10 seconds.

``python -m tests.bench.report``, from the project's folder; it needs neither root nor a network.
The cells are made up in a temporary folder, always the same ones. Collecting reads the run file,
checks each record and writes all to the store; reporting reads the store and writes the page. The
second line is what it is held against: the same cells written as plain JSON.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.made_up_results import write_run
from zport.report.page import page_path, write_page
from zport.results import open_results, store_path
from zport.workspace import Workspace

AIM = 10.0
"""Seconds."""


@dataclass(frozen=True)
class Stage:
    """Seconds by the clock, and of the processor: all of it is one thread's work."""

    name: str
    clock: float
    processor: float


def timed(name: str, work: Callable[[], object]) -> Stage:
    """How long that takes."""
    clock, processor = time.monotonic(), time.process_time()
    work()
    return Stage(name, time.monotonic() - clock, time.process_time() - processor)


def measure(count: int, runs: int, folder: Path) -> tuple[list[Stage], dict[str, float]]:
    """Each stage, the baseline first, and the sizes of what came out in MB."""
    workspace = Workspace(folder)
    paths = [write_run(workspace, number, count) for number in range(1, runs + 1)]
    cells = [json.loads(path.read_text()) for path in paths]
    plain = folder / "plain.json"
    stages = [
        timed("plain JSON", lambda: plain.write_text(json.dumps(cells))),
        timed("collect and store", lambda: open_results(workspace).close()),
        timed("report", lambda: write_page(workspace)),
    ]
    made = {
        "run files": sum(path.stat().st_size for path in paths) / 1e6,
        "store": store_path(workspace).stat().st_size / 1e6,
        "page": page_path(workspace).stat().st_size / 1e6,
    }
    return stages, made


def main(
    count: Annotated[int, typer.Option(min=1, help="Cells of each run.")] = 10_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs that have them.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Measure once; fails if collecting, storing and reporting take longer than the aim.

    The processor's seconds are held against the aim: on an idle core the clock's are the same.
    """
    with TemporaryDirectory() as name:
        stages, made = measure(count, runs, Path(name))
    plain, *work = stages
    every = Stage("all", sum(one.clock for one in work), sum(one.processor for one in work))
    if as_json:
        typer.echo(json.dumps({"stages": [asdict(one) for one in (*stages, every)], "MB": made}))
    else:
        title = f"{runs} x {count} cells, seconds (load {os.getloadavg()[0]:.1f})"
        table = Table("stage", "clock", "processor", title=title)
        for one in (*stages, every):
            table.add_row(one.name, f"{one.clock:.2f}", f"{one.processor:.2f}")
        Console().print(table)
        sizes = ", ".join(f"{what} {size:.1f} MB" for what, size in made.items())
        ratio = every.processor / max(plain.processor, 0.01)
        typer.echo(f"{sizes}; {ratio:.1f} times the work of plain JSON; aim {AIM:.0f} s")
    if every.processor > AIM:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
