"""Comparing results: what changed between an earlier result of each cell and a later one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from zport.results.records import IDENTITY

Change = Literal["worse", "better", "other", "numbers", "same", "new", "gone"]
Identity = tuple[str, ...]


@dataclass(frozen=True)
class CellChange:
    """A cell before and after: records, of which one may be absent."""

    change: Change
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def identity(record: Mapping[str, Any]) -> Identity:
    """What makes a cell the same cell in another run: model, agent, target, runner."""
    return tuple(record[name] for name in IDENTITY)


def change_of(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Change:
    """What kind of change lies between two results of one cell.

    ``worse`` passed and does so no more, ``better`` the other way round, ``other`` fails in another
    way, ``numbers`` has the same verdict and another largest error.
    """
    if before is None or after is None:
        return "new" if before is None else "gone"
    was, now = before["verdict"], after["verdict"]
    if was != now:
        return "worse" if was == "pass" else "better" if now == "pass" else "other"
    same = repr(before.get("largest_absolute")) == repr(after.get("largest_absolute"))
    return "same" if same else "numbers"


def compare_cells(
    before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]
) -> dict[Identity, CellChange]:
    """Every cell of either side with its change; the later side's order, then what is gone."""
    was = {identity(record): record for record in before}
    now = {identity(record): record for record in after}
    return {
        key: CellChange(change_of(was.get(key), now.get(key)), was.get(key), now.get(key))
        for key in (*now, *(key for key in was if key not in now))
    }
