"""Running cells: the agent program in its container, its outputs kept under the cell's key."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zport.engines import TIMED_OUT, Engine, Mount
from zport.matrix.cells import AGENT_SAYS_NO, AGENT_UNSUPPORTED, Cell, CellRun, Runner, Verdict
from zport.progress import Progress
from zport.targets import Target
from zport.workspace import Workspace, part_folder, read_json, write_json

SECONDS: dict[Runner, int] = {"native": 600, "qemu": 3600}
"""How long a container may take before it counts as hung."""
SPOKEN = "zport-agent: "


def runner_of(target: Target, host: Target) -> Runner:
    """How this host runs a target's images."""
    return "native" if target == host else "qemu"


class CellRunner:
    """Runs cells with an engine; a cell that was run under its key is not run again."""

    def __init__(self, workspace: Workspace, engine: Engine, progress: Progress, jobs: int) -> None:
        self.workspace = workspace
        self.engine = engine
        self.progress = progress
        self.jobs = jobs

    def run(self, cells: Sequence[Cell]) -> list[CellRun]:
        """Run the cells, several at once; results come in the order of the cells.

        Large models start first: they take longest, and nothing should wait for them alone.
        """
        with ThreadPoolExecutor(max_workers=self.jobs) as pool:
            order = sorted(cells, key=_size_of_files, reverse=True)
            runs = {cell.name: pool.submit(self._run_cell, cell) for cell in order}
            return [runs[cell.name].result() for cell in cells]

    def folder(self, cell: Cell) -> Path:
        """Where a cell's outputs, results and log lie."""
        return self.workspace.results / "cells" / f"{cell.name}-{cell.key}"

    def known(self, cell: Cell) -> bool:
        """Whether the cell was run already."""
        return (self.folder(cell) / "run.json").exists()

    def _run_cell(self, cell: Cell) -> CellRun:
        folder = self.folder(cell)
        with self.workspace.exclusive(f"cell-{folder.name}"):
            if not self.known(cell):
                label = f"{'run':<10}{cell.model.name} on {cell.target.name} ({cell.runner})"
                with self.progress.work(cell.name, label), part_folder(folder) as part:
                    self._run_container(cell, part)
        return read_run(cell, folder)

    def _run_container(self, cell: Cell, folder: Path) -> None:
        """Predict, and bench what could predict. Writes ``run.json`` last."""
        log = folder / "log.txt"
        log.touch()
        predict = self._agent(cell, folder, log, "predict")
        record: dict[str, object] = {"predict": predict, "bench": None}
        if predict == 0 and not cell.is_reference:
            record["bench"] = self._agent(cell, folder, log, "bench")
        record["reason"] = reason_in(log) if predict else None
        write_json(folder / "run.json", record)

    def _agent(self, cell: Cell, folder: Path, log: Path, verb: str) -> int:
        out = folder / "out"
        out.mkdir()
        out.chmod(0o777)  # the image's user is not the host's
        mounts = [
            Mount(cell.model.folder, "/model"),
            Mount(cell.files, "/files"),
            Mount(out, "/out", writable=True),
        ]
        status = self.engine.run(
            cell.agent.step.image,
            cell.target,
            [verb, "--model", "/model", "--files", "/files", "--out", "/out"],
            mounts,
            log,
            SECONDS[cell.runner],
        )
        for path in out.iterdir():
            shutil.move(path, folder / path.name)
        out.rmdir()
        return status


def _size_of_files(cell: Cell) -> int:
    return sum(path.stat().st_size for path in cell.files.iterdir())


def read_run(cell: Cell, folder: Path) -> CellRun:
    """What the container of a cell left in its folder."""
    record = read_json(folder / "run.json")
    status = record["predict"]
    failure: Verdict | None = None
    reason = None
    if status != 0:
        failure = "unsupported" if status == AGENT_UNSUPPORTED else "crash"
        reason = _reason(status, record["reason"], SECONDS[cell.runner])
    bench = read_json(folder / "bench.json")
    if record["bench"] not in (None, 0, AGENT_SAYS_NO):
        bench = {"valid": False, "invalid_reasons": [f"the agent ended with {record['bench']}"]}
    return CellRun(cell, folder, failure, reason, bench)


def reason_in(log: Path) -> str | None:
    """The last thing that the agent program said in its own name."""
    lines = log.read_text(errors="replace").splitlines()
    spoken = [line.removeprefix(SPOKEN) for line in lines if line.startswith(SPOKEN)]
    return spoken[-1] if spoken else None


def _reason(status: int, spoken: str | None, seconds: int) -> str:
    if status == TIMED_OUT:
        return f"no answer within {seconds} s"
    return spoken or f"the container ended with status {status}"
