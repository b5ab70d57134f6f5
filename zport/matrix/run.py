"""Running cells: batches over their runners, each cell kept under its key as soon as it is done.

A cell is in one process's hands at a time: whoever holds its lock runs it, others wait for its
folder. Nobody waits while holding one, so two runs over the same cells end, whatever their order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path

from filelock import Timeout

from zport.errors import EngineError
from zport.matrix.batch import Batch, batch_of
from zport.matrix.cells import Cell, CellRun
from zport.matrix.outcome import keep_dead, keep_served, read_run, shortages
from zport.matrix.runners import Runner
from zport.progress import Progress
from zport.workspace import Workspace, read_json

SECONDS = 600
"""How long a cell may take where the pace is 1, before it counts as hung."""
COST = 20
"""So many seconds more for each GFLOP of one pass over its inputs, as the manifest states it."""
BLINK = 0.2
"""Seconds between two looks for finished cells."""
Done = Callable[[CellRun], None]


class CellRunner:
    """Runs cells; a cell that was run under its key is not run again.

    ``patience`` multiplies the time that each cell may take.
    """

    def __init__(self, workspace: Workspace, progress: Progress, patience: float = 1) -> None:
        self.workspace = workspace
        self.progress = progress
        self.patience = patience
        self._stopping = threading.Event()

    def run(
        self, cells: Sequence[Cell], runners: Sequence[Runner], done: Done = lambda _: None
    ) -> list[CellRun]:
        """Run the cells; ``done`` is called for each as it comes, from any thread.

        Results come in the order of the cells; after :meth:`stop`, of those that are done. Other
        machines work at the same time as this one. Raises :class:`EngineError` when some cells
        have no container to run in; what the others leave is kept all the same.
        """
        places = [[r for r in runners if not r.remote], *([r] for r in runners if r.remote)]
        with ThreadPoolExecutor(max_workers=len(places)) as pool:
            working = [pool.submit(self._run_place, cells, here, done) for here in places]
            try:
                wait(working)
            except BaseException:
                self.stop()
                raise
        for one in working:
            one.result()
        return [read_run(cell, self.folder(cell)) for cell in cells if self.known(cell)]

    def stop(self) -> None:
        """Have a run that goes on end soon; what is done by then is kept."""
        self._stopping.set()

    def folder(self, cell: Cell) -> Path:
        """Where a cell's outputs, results and log lie."""
        return self.workspace.results / "cells" / cell.title

    def known(self, cell: Cell) -> bool:
        """Whether the cell was run already."""
        return (self.folder(cell) / "run.json").exists()

    def _counts(self, cell: Cell, runner: Runner) -> bool:
        """Whether it was run, and did not fail with less than it would have now."""
        record = read_json(self.folder(cell) / "run.json")
        if record is None:
            return False
        late, failed = shortages(record, cell)
        return not (
            (late and record["limit"] < self.limit(cell, runner))
            or (failed and record["memory"] < runner.memory)
        )

    def _run_place(self, cells: Sequence[Cell], runners: Sequence[Runner], done: Done) -> None:
        """Image after image on one machine, the reference's first: the others wait for it."""
        of_reference = {cell.runner for cell in cells if cell.is_reference}
        for runner in sorted(runners, key=lambda runner: runner.name not in of_reference):
            own = [cell for cell in cells if cell.runner == runner.name]
            own.sort(key=lambda cell: (not cell.is_reference, cell.agent.step.image))
            for _, group in groupby(own, lambda cell: cell.agent.step.image):
                self._run_image(runner, list(group), done)

    def _run_image(self, runner: Runner, cells: list[Cell], done: Done) -> None:
        """Costly models first: they take longest, and nothing should wait for them alone."""
        left = sorted(cells, key=_work, reverse=True)
        while left and not self._stopping.is_set():
            with self._claimed(left, runner) as claimed:
                unknown = [cell for cell in claimed if not self._counts(cell, runner)]
                for cell in claimed:
                    if cell not in unknown:
                        done(read_run(cell, self.folder(cell)))
                identity = "\n".join(sorted(cell.title for cell in cells))
                while unknown and not self._stopping.is_set():
                    unknown = self._serve(runner, unknown, identity, done)
            left = [cell for cell in left if cell not in claimed]

    @contextmanager
    def _claimed(self, cells: Sequence[Cell], runner: Runner) -> Iterator[list[Cell]]:
        """Hold the locks of those cells that nobody else holds; where all are held, of the first,
        as soon as it is free. A cell that is known needs none."""
        with ExitStack() as held:
            claimed = []
            for cell in cells:
                try:
                    if not self._counts(cell, runner):
                        held.enter_context(self.workspace.exclusive(_lock(cell), seconds=0))
                    claimed.append(cell)
                except Timeout:
                    continue
            if not claimed:
                held.enter_context(self.workspace.exclusive(_lock(cells[0])))
                claimed = [cells[0]]
            yield claimed

    def _serve(self, runner: Runner, cells: list[Cell], identity: str, done: Done) -> list[Cell]:
        """Serve the cells in as many containers as the runner may have, until all have ended.

        Returns the cells that no container has begun with: those after one that took its
        container with it. Raises :class:`EngineError` if there are no others.
        """
        limits = {cell.name: self.limit(cell, runner) for cell in cells}
        results = self.workspace.results
        with batch_of(cells, limits, identity, runner.memory, results) as batch:
            serving = _Serving(self, runner, batch, done)
            statuses = serving.to_the_end()
            left = serving.left
            if self._stopping.is_set():
                return left
            for cell in serving.dead:
                keep_dead(cell, batch, self.folder(cell), statuses, serving.log)
                done(read_run(cell, self.folder(cell)))
            if len(left) == len(cells):
                raise EngineError(
                    f"no container of {batch.agent.step.image} began with a cell: {statuses}",
                    where=runner.name, next_step="read the log", log=serving.log,
                )  # fmt: skip
            return left

    def limit(self, cell: Cell, runner: Runner) -> float:
        """Seconds that a cell may take."""
        return round((SECONDS + COST * _gflop(cell)) * runner.pace * self.patience, 1)

    def keep(self, cell: Cell, batch: Batch) -> CellRun:
        """Move a finished cell from its batch to where it stays."""
        keep_served(cell, batch, self.folder(cell))
        return read_run(cell, self.folder(cell))

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()


class _Serving:
    """A batch while containers serve it."""

    def __init__(self, owner: CellRunner, runner: Runner, batch: Batch, done: Done) -> None:
        self.owner, self.runner, self.batch, self.done = owner, runner, batch, done
        self.log = owner.progress.log(f"serve-{batch.agent.step.name}-{batch.identity}")
        self._finished: list[Cell] = []
        self._shown: dict[str, ExitStack] = {}

    def to_the_end(self) -> list[int]:
        """Take finished cells until every container has ended; their exit statuses."""
        count = min(self.runner.jobs, len(self.batch.cells))
        with ThreadPoolExecutor(max_workers=count) as pool:
            servers = [pool.submit(self.runner.serve, self.batch, self.log) for _ in range(count)]
            try:
                self._watch(servers)
            except BaseException:
                self.batch.stop()
                raise
            finally:
                for stack in self._shown.values():
                    stack.close()
        self._collect()
        return [server.result() for server in servers]

    @property
    def left(self) -> list[Cell]:
        """The cells that nobody has begun with."""
        claimed = self.batch.claimed()
        return [cell for cell in self.batch.cells if cell not in claimed]

    @property
    def dead(self) -> list[Cell]:
        """The cells that were begun with and not finished."""
        return [cell for cell in self.batch.claimed() if cell not in self._finished]

    def _watch(self, servers: Sequence[Future[int]]) -> None:
        working = True
        while working:
            working = bool(wait(servers, timeout=BLINK).not_done)
            if self.owner.stopping:
                self.batch.stop()
            self._collect()

    def _collect(self) -> None:
        """Show the cells that have begun and keep those that have finished."""
        for cell in self.batch.claimed():
            if cell.name not in self._shown:
                label = f"{'run':<10}{cell.label}"
                stack = self._shown[cell.name] = ExitStack()
                stack.enter_context(self.owner.progress.work(cell.title, label))
        for cell in self.batch.finished():
            run = self.owner.keep(cell, self.batch)
            self._finished.append(cell)
            self._shown[cell.name].close()
            self.done(run)


def _lock(cell: Cell) -> str:
    return f"cell-{cell.title}"


def _gflop(cell: Cell) -> float:
    return cell.model.manifest.extension().gflop or 0.0


def _work(cell: Cell) -> tuple[float, int]:
    """What orders cells by how long they take: the stated cost, else the size of the files."""
    return _gflop(cell), sum(path.stat().st_size for path in cell.files.iterdir())
