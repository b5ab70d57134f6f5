"""The verdict table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zport.matrix.cells import CellResult

STYLES = {
    "pass": "green",
    "differs": "red",
    "crash": "red",
    "timeout": "red",
    "unsupported": "yellow",
    "blocked": "yellow",
}


def print_verdicts(console: Console, results: Sequence[CellResult]) -> None:
    """Print the cells: one line each, and a second one with the reason where it did not pass."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("model", "image", "target", "verdict", "largest error", "LoadGen"):
        table.add_column(column, overflow="fold")
    for result in results:
        cell = result.cell
        table.add_row(
            cell.model.name + weights_mark(result),
            cell.agent.agent.name,
            f"{cell.target.name} {cell.runner}",
            Text(result.verdict, STYLES[result.verdict]),
            _error(result),
            bench_phrase(result.run.bench, emulated=result.run.emulated),
        )
    console.print(table)
    for result in results:
        if result.verdict != "pass":
            console.print(f"{result.cell.name}: {result.reason}", style="red", soft_wrap=True)
            console.print(f"  log: {result.run.folder / 'log.txt'}", soft_wrap=True)


def summary_line(results: Sequence[CellResult]) -> str:
    """How many passed, and how many did not in which way."""
    counts = {verdict: sum(r.verdict == verdict for r in results) for verdict in STYLES}
    rest = [
        f"{count} {verdict}" for verdict, count in counts.items() if count and verdict != "pass"
    ]
    return ", ".join([f"{counts['pass']} of {len(results)} cells pass", *rest])


def weights_mark(result: CellResult) -> str:
    """A mark on models whose weights were not trained: they prove arithmetic, not accuracy."""
    weights = result.cell.model.manifest.extension().weights
    return "" if weights == "trained" else f" ({weights})"


def bench_phrase(bench: dict[str, Any] | None, *, emulated: bool) -> str:
    """LoadGen's result in a few words; invalid runs say why, emulated ones that they are."""
    if bench is None:
        return "-"
    if "scenario" not in bench:
        return f"INVALID: {bench['invalid_reasons'][0]}"
    validity = "VALID" if bench["valid"] else "INVALID"
    metric = bench["metric"]
    if metric["value"] is None:
        measured = "no result"
    elif metric["unit"] == "ns":
        percentile = bench["requested"].get("percentile") or 0.9
        measured = f"p{percentile * 100:.0f} {_duration(metric['value'])}"
    else:
        measured = f"{metric['value']:.3g} {metric['unit']}"
    return f"{bench['scenario']} {measured} {validity}" + (" (emulated)" if emulated else "")


def _duration(nanoseconds: float) -> str:
    if nanoseconds < 1e9:
        return f"{nanoseconds / 1e6:.0f} ms"
    return f"{nanoseconds / 1e9:.1f} s"


def _error(result: CellResult) -> str:
    if result.largest_absolute is None:
        return "-"
    return f"{result.largest_absolute:.1e} abs"
