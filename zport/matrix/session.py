"""One run of the matrix: cells run and are judged as they come, each answer a file that can be
waited for, from this process or any other.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from zport.errors import ZportError
from zport.job import Job
from zport.matrix.cells import Cell, CellResult, CellRun
from zport.matrix.run import CellRunner
from zport.matrix.verdicts import decide
from zport.progress import Progress
from zport.report.page import write_page
from zport.report.results import run_circumstances, write_results
from zport.results import Store, open_results
from zport.workspace import make_folder, read_json, write_json

PLAN, ENDED = "plan.json", "ended.json"
BLINK = 0.1
"""Seconds between two looks for an answer."""


@dataclass(frozen=True)
class PlannedCell:
    """A cell as pytest shows it: ``title`` names its answer, the others are what marks say."""

    title: str
    manifest: str
    model: str
    agent: str
    target: str
    runner: str
    framework: str
    task: str
    reference: bool

    @property
    def name(self) -> str:
        return f"{self.agent}-{self.target}-{self.runner}"


class MatrixSession:
    """The side that runs and judges. ``folder`` is all that the other side needs to know."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.folder = make_folder(
            job.request.workspace.results / "sessions" / job.progress.folder.name
        )
        self.cells = {cell.title: cell for cell in job.cells()}
        self.results: list[CellResult] = []
        quiet = Progress(Console(quiet=True), job.request.workspace, job.progress.folder.name)
        self._runner = CellRunner(job.request.workspace, quiet, job.request.patience)
        self._judging: queue.SimpleQueue[CellRun | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.written: Path | None = None
        self._run: int | None = None
        self._error: str | None = None
        write_json(self.folder / PLAN, [asdict(_planned(cell)) for cell in self.cells.values()])

    def start(self, titles: Iterable[str]) -> None:
        """Run these cells, and the reference's that they are compared with, in the background."""
        wanted = [self.cells[title] for title in titles]
        subjects = {_subject(cell) for cell in wanted}
        references = [
            cell
            for cell in self.cells.values()
            if cell.is_reference and _subject(cell) in subjects and cell not in wanted
        ]
        for work, cells in ((self._work, [*references, *wanted]), (self._judge, wanted)):
            thread = threading.Thread(target=self._guarded, args=(work, cells), daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        """End the run, early if it is not done, and write its results file, if there are any."""
        self._runner.stop()
        for thread in self._threads:
            thread.join()
        if not self.results:
            return
        job = self.job
        facts = {a.step.image: job.request.engine.facts(a.step.image) for a in job.agents}
        self.written = write_results(
            job.request.workspace, job.host, job.request.engine.name, job.agents, facts,
            self.results, self._run,
        )  # fmt: skip
        write_page(job.request.workspace)

    @property
    def started(self) -> bool:
        return bool(self._threads)

    def _guarded(self, work: Any, cells: Sequence[Cell]) -> None:
        """A thread's error ends the waiting of those who would wait for ever."""
        try:
            work(cells)
        except ZportError as error:
            self._error = self._error or str(error)
        except Exception:
            self._error = self._error or traceback.format_exc()
        finally:
            if work == self._work:
                self._judging.put(None)
            else:
                self._runner.stop()
                write_json(self.folder / ENDED, {"error": self._error})

    def _work(self, cells: Sequence[Cell]) -> None:
        self.job.build()
        self.job.fetch_models()
        self._runner.run(cells, self.job.runners, self._judging.put)

    def _judge(self, wanted: Sequence[Cell]) -> None:
        """Judge what is there, all at once, while more comes: a comparison costs a container."""
        titles = {cell.title for cell in wanted}
        waiting: list[CellRun] = []
        references: dict[tuple[str, str], CellRun] = {}
        with open_results(self.job.request.workspace) as store:
            more = True
            while more:
                came, more = _take(self._judging)
                references |= {_subject(run.cell): run for run in came if run.cell.is_reference}
                waiting += [run for run in came if run.cell.title in titles]
                ready = [
                    run for run in waiting
                    if not more or _subject(run.cell) in references or not self._has_reference(run)
                ]  # fmt: skip
                waiting = [run for run in waiting if run not in ready]
                if ready:
                    self._decide(ready, references, store)
            if self._run is not None:
                store.end_run(self._run)

    def _has_reference(self, run: CellRun) -> bool:
        subject = _subject(run.cell)
        return any(c.is_reference and _subject(c) == subject for c in self.cells.values())

    def _decide(
        self,
        ready: Sequence[CellRun],
        references: dict[tuple[str, str], CellRun],
        store: Store,
    ) -> None:
        """Judge these runs; each answer is kept in the store and written for who waits for it."""
        job, titles = self.job, {run.cell.title for run in ready}
        needed = {_subject(run.cell): run for run in ready if not run.cell.is_reference}
        beside = [
            run for subject, run in references.items()
            if subject in needed and run.cell.title not in titles
        ]  # fmt: skip
        results = decide([*ready, *beside], job.judge, job.request.engine, job.request.workspace)
        if self._run is None:
            self._run = store.begin_run(
                run_circumstances(job.host, job.request.engine.name, job.agents)
            )
        for result in results[: len(ready)]:
            self.results.append(result)
            store.add_cell(self._run, result.record())
            write_json(self.folder / f"{result.cell.title}.json", result.record())


def planned_cells(folder: Path) -> list[PlannedCell]:
    """The cells that a session's folder offers."""
    return [PlannedCell(**one) for one in read_json(folder / PLAN)]


def await_answer(folder: Path, title: str) -> dict[str, Any]:
    """The record of a cell, when it is judged.

    Raises :class:`ZportError` when the session ended without it.
    """
    while True:
        ended = read_json(folder / ENDED)
        record: dict[str, Any] | None = read_json(folder / f"{title}.json")
        if record:
            return record
        if ended:
            raise ZportError(ended["error"] or "not run: the session was ended before")
        time.sleep(BLINK)


def _take(runs: queue.SimpleQueue[CellRun | None]) -> tuple[list[CellRun], bool]:
    """Wait for a run, and take all that are there by then; whether more may come."""
    came = [runs.get()]
    while not runs.empty():
        came.append(runs.get())
    return [run for run in came if run], None not in came


def _subject(cell: Cell) -> tuple[str, str]:
    return cell.model.name, cell.agent.agent.name


def _planned(cell: Cell) -> PlannedCell:
    manifest = cell.model.manifest
    return PlannedCell(
        title=cell.title,
        manifest=str(manifest.path),
        model=cell.model.name,
        agent=cell.agent.agent.name,
        target=cell.target.name,
        runner=cell.runner,
        framework=manifest.framework.name,
        task=cell.model.task or "general",
        reference=cell.is_reference,
    )
