"""Benchmarks on the terminal. Emulated ones never stand beside real ones: each kind has a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zport.bench.record import PointResult, not_conforming
from zport.report.table import bench_phrase

KINDS = {
    False: "on real machines",
    True: "emulated: nothing of it says how fast a real machine is",
}


def print_results(console: Console, results: Sequence[PointResult]) -> None:
    """Print the points that were measured, and below why others have no result."""
    for emulated, title in KINDS.items():
        measured = [r for r in results if r.bench and r.emulated == emulated]
        if measured:
            console.print(f"\n{title}", style="bold")
            console.print(_table(measured))
    for result in results:
        if result.failure:
            kind, style = ("not possible", "yellow") if result.unsupported else ("failed", "red")
            console.print(f"{kind}: {result.point.label}: {result.failure}", style=style,
                          soft_wrap=True, markup=False)  # fmt: skip
            console.print(f"  log: {result.folder / 'log.txt'}", soft_wrap=True)


def _table(results: Sequence[PointResult]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("model", "image", "target", "threads", "batch", "CPU", "LoadGen", "by rules"):
        table.add_column(column, overflow="fold")
    for result in results:
        point, setup = result.point, result.point.setup
        valid = (result.bench or {})["valid"]
        table.add_row(
            point.model.name,
            point.agent.agent.name,
            f"{point.target.name} {point.runner}",
            str(setup.threads),
            str(setup.batch),
            setup.cpu or "-",
            Text(_measured(result), "" if valid else "red"),
            _rules(result),
        )
    return table


def _measured(result: PointResult) -> str:
    bench = result.bench or {}
    validity = "VALID" if bench["valid"] else "INVALID"
    if result.point.mode == "accuracy":
        task = bench["task_accuracy"]
        told = f"{task['right']} of {task['answers']} right" if task else "without labels"
        return f"{bench['scenario']} accuracy {told} {validity}"
    if result.point.mode == "find-peak":
        value = bench["metric"]["value"]
        told = "no peak found" if value is None else f"peak {value:.3g} {bench['metric']['unit']}"
        return f"{bench['scenario']} {told} {validity}"
    return bench_phrase(bench, emulated=False)


def _rules(result: PointResult) -> str:
    """Whether what was measured is by MLPerf's rules, or how many settings and facts are not."""
    if result.point.mode == "accuracy":
        return "-"
    reasons = not_conforming(result)
    return f"no: {len(reasons)}" if reasons else "yes"


def summary(results: Sequence[PointResult]) -> str:
    """How many runs there are, how many of them are VALID, and what the others are."""
    valid = sum(bool(r.bench and r.bench["valid"]) for r in results)
    invalid = sum(bool(r.bench and not r.bench["valid"]) for r in results)
    refused = sum(r.unsupported for r in results)
    failed = sum(bool(r.failure) for r in results) - refused
    counts = {"INVALID": invalid, "not possible": refused, "failed": failed}
    rest = [f"{count} {what}" for what, count in counts.items() if count]
    return ", ".join([f"{valid} of {len(results)} runs VALID", *rest])


def went_wrong(result: PointResult) -> bool:
    """Whether a run failed or is INVALID, other than one that cannot be made at all.

    Of a search only whether it found a peak: the run at the peak has, by its nature, few answers in
    time to spare, and LoadGen may want more queries to call it VALID.
    """
    if result.bench is None:
        return not result.unsupported
    if result.point.mode == "find-peak":
        return result.bench["metric"]["value"] is None
    return not result.bench["valid"]
