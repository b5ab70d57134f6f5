"""What the page shows, gathered from the results store, the build folder and the project."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zport import __version__
from zport.diff.report import kept_operators
from zport.errors import ResultsError
from zport.report.page.logs import LogTails
from zport.report.page.packages import build_seconds, packages
from zport.results import Store, store_path
from zport.results.circumstances import now
from zport.results.collect import collect
from zport.results.compare import Identity, compare_cells, identity
from zport.results.records import SUBJECT, Json, with_subject, without
from zport.workspace import Workspace

SCHEMA = 1
HISTORY = 12
"""So many earlier results of a cell are shown at most."""
SHARED = (
    "tolerance", "settings", "requested", "departures", "reasons", "info", "own", "requirements",
    "emulators",
)  # fmt: skip
"""Values that many records have alike: each is in the page once."""
BEFORE = ("run", "written", "verdict", "reason", "largest_absolute")


def gather(workspace: Workspace, run: str, against: str | None) -> Json:
    """Everything on the page.

    ``run`` is a run, or ``latest``: the newest result of each cell, whichever run made it.
    ``against`` is the run that it is compared with; by default each cell is compared with its own
    result before. Raises :class:`ResultsError` for a run that is not there.
    """
    with Store.open(store_path(workspace)) as store:
        problems = [error_phrase(error) for error in collect(store, workspace)]
        chosen = None if run == "latest" else store.find_run(run)
        other = None if against is None else store.find_run(against)
        runs = store.runs()
        verdicts = store.verdicts(chosen)
        cells = store.latest() if chosen is None else store.cells(chosen)
        changes = compare_cells(_before(store, verdicts, cells, other), cells)
        sweeps = store.benches(chosen, of_cells=False)
        images = list(_images(store, workspace, runs, chosen))
    counts = Counter(record["run"] for record in verdicts)
    pool = Pool()
    benches = [bench_of_cell(cell) for cell in cells if cell["bench"]]
    known_packages, package_problems = packages(workspace)
    return {
        "schema": SCHEMA,
        "zport": __version__,
        "written": now(),
        "run": chosen,
        "against": other,
        "runs": [{**one, "cells": counts[one["id"]]} for one in runs],
        "problems": problems + package_problems,
        "cells": pool.table(_with_past(cells, changes, verdicts, workspace)),
        "gone": pool.table(
            without(change.before, ("bench",))
            for change in changes.values()
            if change.before and change.after is None
        ),
        "benches": pool.table([*benches, *sweeps]),
        "images": pool.table(images),
        "steps": build_seconds(workspace),
        "packages": known_packages,
        "shared": {"keys": SHARED, "values": pool.values},
    }


def error_phrase(error: ResultsError) -> str:
    """An error in one line."""
    return f"{error.where}: {error.message}"


def bench_of_cell(cell: Mapping[str, Any]) -> Json:
    """A cell's benchmark with what it ran on, as the store has benchmarks of their own."""
    about = {"run": cell["run"], "written": cell["written"], "of_cell": True}
    return {**with_subject(cell["bench"], {name: cell[name] for name in SUBJECT}), **about}


def _before(
    store: Store, verdicts: Sequence[Json], cells: Sequence[Json], other: int | None
) -> Iterable[Json]:
    """What each cell is compared with: the other run's, or its own result before."""
    if other is not None:
        return store.cells(other)
    current = {identity(cell): cell["run"] for cell in cells}
    before: dict[Identity, Json] = {}
    for one in verdicts:
        key = identity(one)
        if one["run"] < current.get(key, 0):
            before.setdefault(key, one)
    return before.values()


def _with_past(
    cells: Iterable[Json], changes: Mapping[Identity, Any], verdicts: Iterable[Json],
    workspace: Workspace,
) -> Iterable[Json]:  # fmt: skip
    """The cells as the page has them: with what was before, and where one failed, the log's end
    and the operator at which it goes wrong, if ``zport diff`` has looked for it."""
    tails = LogTails(workspace.root)
    operators = kept_operators(workspace)
    past: defaultdict[Identity, list[Any]] = defaultdict(list)
    for one in verdicts:
        results = past[identity(one)]
        if len(results) < HISTORY:
            results.append([one["run"], one["verdict"], one["largest_absolute"]])
    for cell in cells:
        change = changes[identity(cell)]
        before, passed = change.before, cell["verdict"] == "pass"
        subject = cell["model"], cell["image_key"]
        yield {
            **without(cell, ("bench", "folder")),
            "change": change.change,
            "before": {name: before[name] for name in BEFORE} if before else None,
            "history": past[identity(cell)],
            "differing": None if passed else cell["differing"] or operators.get(subject),
            "log_tail": None if passed else tails.read(cell["log"]),
        }


def _images(
    store: Store, workspace: Workspace, runs: Sequence[Json], chosen: int | None
) -> Iterable[Json]:
    """The images of the run, or the newest of each agent and target; with their build's time."""
    newest: dict[tuple[str, str], Json] = {}
    for run in [one["id"] for one in runs] if chosen is None else [chosen]:
        for image in store.images(run):
            newest.setdefault((image["agent"], image["target"]), image)
    seconds = {(one["step"], one["key"]): one["seconds"] for one in build_seconds(workspace)}
    for image in newest.values():
        step = f"agent-{image['agent']}-{image['target']}"
        yield {"build_seconds": seconds.get((step, image["key"])), **image}


class Pool:
    """Records as tables: columns once, rows without names, and values that are alike once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[str, int] = {}

    def table(self, records: Iterable[Mapping[str, Any]]) -> Json:
        """The records as ``columns`` and ``rows``; a shared value is its place in ``values``."""
        every = list(records)
        columns = list(dict.fromkeys(name for record in every for name in record))
        rows = [[self._placed(name, record.get(name)) for name in columns] for record in every]
        return {"columns": columns, "rows": rows}

    def _placed(self, name: str, value: Any) -> Any:
        if name not in SHARED or value is None:
            return value
        key = repr(value)
        if key not in self._known:
            self._known[key] = len(self.values)
            self.values.append(value)
        return self._known[key]
