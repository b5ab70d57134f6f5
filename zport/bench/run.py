"""Running a sweep: as the matrix runs its cells, but one at a time, and kept where it belongs."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from zport.bench.record import PointResult, keep_bench, read_result, write_record
from zport.bench.sweep import Point, Sweep
from zport.errors import UsageError
from zport.job import Job
from zport.matrix.cells import Cell, CellRun
from zport.matrix.run import CellRunner
from zport.matrix.runners import Runner
from zport.report.results import image_record, run_circumstances
from zport.results import Store, open_results
from zport.targets import Target
from zport.workspace import Workspace

SLACK = 3
"""A run may take so many times as long as it is told to last at least."""


class BenchJob(Job):
    """A job without the reference: numbers are measured here, not compared."""

    @cached_property
    def targets(self) -> list[Target]:
        return list(self.request.targets)


class PointRunner(CellRunner):
    """Runs points; one that ran under its key is not run again."""

    def folder(self, cell: Cell) -> Path:
        assert isinstance(cell, Point)
        return folder_of(self.workspace, cell) / cell.mode

    def limit(self, cell: Cell, runner: Runner) -> float:
        assert isinstance(cell, Point)
        return super().limit(cell, runner) + SLACK * cell.least_seconds * self.patience


def folder_of(workspace: Workspace, point: Point) -> Path:
    """Where a point is kept."""
    return workspace.root / "bench" / point.place


def plan_points(job: Job, sweep: Sweep) -> list[Point]:
    """The points of a sweep for what the job asks for.

    Raises :class:`UsageError` when there are none, or a CPU level is asked for where nothing
    emulates a processor.
    """
    points = sweep.points(job.cells())
    if not points:
        raise UsageError(
            "no point is left to run", where="bench",
            next_step="a query of SingleStream has no batch, and a model needs an agent of its "
            "framework: zport models",
        )  # fmt: skip
    emulated = {runner.name for runner in job.runners if runner.emulated}
    real = [point for point in points if point.setup.cpu and point.runner not in emulated]
    if real:
        raise UsageError(
            f"{real[0].runner} runs on the processor that is there, which has no other level",
            where=f"--cpu {real[0].setup.cpu}",
            next_step="name the levels for an emulated target, and run the others without --cpu",
        )
    return points


class Bench:
    """One ``zport bench``: its points are run, and each is kept as soon as all its runs are."""

    def __init__(self, job: Job, points: Sequence[Point], *, again: bool = False) -> None:
        self.job = job
        self.points = points
        self.results: dict[str, PointResult] = {}
        self.run: int | None = None
        self._again = again
        self._guard = threading.Lock()
        self._runner = PointRunner(job.request.workspace, job.progress, job.request.patience)

    def work(self) -> list[PointResult]:
        """Run all points, or find that they ran; their results in the order of the points.

        Every new one is in the results store and has its ``record.json`` when this returns or is
        interrupted.
        """
        workspace = self.job.request.workspace
        # Another bench of this folder waits: two would measure each other.
        with workspace.exclusive("bench"), open_results(workspace) as store:
            for point in self.points if self._again else ():
                shutil.rmtree(folder_of(workspace, point), ignore_errors=True)
            try:
                with self.job.progress.live():
                    self._runner.run(
                        self.points, self.job.runners, lambda run: self._keep(run, store)
                    )
            finally:
                if self.run is not None:
                    store.end_run(self.run)
        return [self.results[p.title] for p in self.points if p.title in self.results]

    def _keep(self, run: CellRun, store: Store) -> None:
        point = run.cell
        assert isinstance(point, Point)
        with self._guard:
            self.results[point.title] = read_result(point, run)
            together = self._together(point)
            if together is None:
                return
            record = write_record(self.job, folder_of(self.job.request.workspace, point), together)
            if record and not store.has_bench(record):
                if self.run is None:
                    self.run = self._begin(store)
                keep_bench(store, self.run, record)

    def _together(self, point: Point) -> list[PointResult] | None:
        """The results that make one record with this point's; None while some are not there."""
        peak = point.mode == "find-peak"
        parts = [
            other for other in self.points
            if other.key == point.key and (other.mode == "find-peak") == peak
        ]  # fmt: skip
        found = [self.results[part.title] for part in parts if part.title in self.results]
        return found if len(found) == len(parts) else None

    def _begin(self, store: Store) -> int:
        job = self.job
        about = run_circumstances(job.host, job.request.engine.name, job.agents)
        run = store.begin_run({**about, "verb": "bench"})
        agents = {point.agent.step.image: point.agent for point in self.points}
        for image, agent in agents.items():
            store.add_image(run, image_record(agent, job.request.engine.facts(image)))
        return run
