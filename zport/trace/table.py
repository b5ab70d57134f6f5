"""A trace on the terminal: time per level, counts, and the hottest operators."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from zport.trace.spans import Trace
from zport.trace.summary import (
    Counted,
    counted,
    level_totals,
    operator_totals,
    profiling_cost,
    reasons,
)

HOTTEST = 12
EMULATED = "emulated: these times say nothing about a real machine"
MILLISECOND = 1e6
"""In ns."""


def title(trace: Trace, side: str) -> str:
    """What ran where, in a line."""
    own = trace.resource
    runs = trace.root.attributes
    return (
        f"{own['zport.model.name']} in {side} · {own['zport.framework.name']} "
        f"{own['zport.framework.version']} · {own['zport.byte_order']}-endian · "
        f"iterations {runs['zport.iterations']}, warm-up {runs['zport.warmup']}"
    )


def print_trace(console: Console, trace: Trace, side: str) -> None:
    """Print one trace. Without colour it reads the same."""
    console.print(title(trace, side), style="bold", soft_wrap=True, markup=False)
    if trace.emulated:
        console.print(EMULATED, style="yellow", soft_wrap=True)
    _print_levels(console, trace)
    cost = profiling_cost(trace)
    if cost is not None:
        console.print(f"with operators profiled, a predict call takes {cost:.2f} times as "
                      "long", soft_wrap=True)  # fmt: skip
    _print_counted(console, counted(trace))
    for level, what, why in reasons(trace):
        console.print(f"not run   {level}: {what}: {why}", soft_wrap=True, markup=False)
    _print_operators(console, trace)


def _print_levels(console: Console, trace: Trace) -> None:
    table = _table(("level", "what"), ("count", "total ms", "median ms"))
    for one in level_totals(trace):
        from_run = "" if one.run == one.level else f" (in the run at {one.run})"
        table.add_row(
            one.level + from_run, one.name, str(one.count), f"{one.total / MILLISECOND:.3f}",
            f"{one.median / MILLISECOND:.3f}",
        )  # fmt: skip
    console.print(table)


def _print_counted(console: Console, found: Sequence[Counted]) -> None:
    if not found:
        return
    table = _table(("level", "counter"), ("of one predict call",))
    for one in found:
        mean = f"{one.mean / MILLISECOND:.3f} ms" if one.is_time else f"{one.mean:,.1f}"
        table.add_row(one.level, one.name, mean)
    console.print(table)


def _print_operators(console: Console, trace: Trace) -> None:
    totals = operator_totals(trace)
    if not totals:
        return
    table = _table(("operator",), ("count", "total ms", "median ms", "share"))
    for one in totals[:HOTTEST]:
        table.add_row(
            one.name, str(one.count), f"{one.total / MILLISECOND:.3f}",
            f"{one.median / MILLISECOND:.3f}", f"{one.share:.1%}",
        )  # fmt: skip
    console.print(table)
    rest = totals[HOTTEST:]
    if rest:
        share = sum(one.share for one in rest)
        console.print(f"{len(rest)} more types of operators: {share:.1%}", soft_wrap=True)


def _table(words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table
