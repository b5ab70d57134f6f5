#!/usr/bin/env python3
"""What one container for all cells of an image saves, against two containers a cell.

Runs the cells of some models on a target one after the other, once with a container for each
command of each cell, once with one container for all of them, in turns, and prints wall and
processor seconds of both and their ratio. A cell's bare run is its commands alone, inside their
container, the framework imported; what is above it is given for each cell. The images must be
there: run ``zport matrix`` before. Needs root.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from zport.cli.options import make_request  # noqa: E402
from zport.engines import Engine, Mount  # noqa: E402
from zport.job import Job  # noqa: E402
from zport.matrix.cells import Cell, CellRun  # noqa: E402
from zport.matrix.run import CellRunner  # noqa: E402
from zport.progress import Progress  # noqa: E402
from zport.targets import DEFAULT  # noqa: E402
from zport.workspace import Workspace, read_json  # noqa: E402

HOUR = 3600


def main() -> None:
    """Measure and print."""
    options = parse()
    job = Job(make_request(
        options.arch, options.agent, "buildah", options.build_folder, jobs=1,
        models=options.model.split(","),
    ))  # fmt: skip
    job.build()
    job.fetch_models()
    cells = [cell for cell in job.cells() if not cell.is_reference]
    print(f"{len(cells)} cells: {', '.join(cell.name for cell in cells)}")
    apart: list[tuple[float, float]] = []
    together: list[tuple[float, float]] = []
    engine = job.request.engine
    for turn in range(options.turns):
        apart.append(measured(lambda: one_by_one(cells, engine)))
        runs: list[CellRun] = []
        together.append(measured(lambda out=runs: out.extend(in_one(cells, job))))
        bare = sum(sum(run.seconds.values()) for run in runs)
        print(f"turn {turn + 1}: a container a command {say(apart[-1])}; one for all "
              f"{say(together[-1])}, of which the commands themselves {bare:.1f} s")  # fmt: skip
        above = [(wall - bare) / len(cells) for wall in (apart[-1][0], together[-1][0])]
        print(f"  above the bare run: {above[0]:.1f} s a cell, {above[1]:.1f} s a cell")
    for kind in (0, 1):
        ratio = sum(one[kind] for one in together) / sum(one[kind] for one in apart)
        print(f"ratio of {('wall', 'processor')[kind]} seconds, one for all: {ratio:.2f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default=DEFAULT.name)
    parser.add_argument("--agent", default="onnxruntime-debian")
    parser.add_argument("--model", default="silero-vad,silero-vad-sequence,ppocr-direction,magika")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--build-folder", type=Path, default=ROOT / "build")
    return parser.parse_args()


def one_by_one(cells: Sequence[Cell], engine: Engine) -> None:
    """Each command in a container of its own."""
    for cell in cells:
        for verb in cell.verbs:
            with TemporaryDirectory() as name:
                out = Path(name)
                out.chmod(0o777)
                mounts = [
                    Mount(cell.model.folder, "/model"),
                    Mount(cell.files, "/files"),
                    Mount(out, "/out", writable=True),
                ]
                command = [verb, "--model", "/model", "--files", "/files", "--out", "/out"]
                log = out / "log.txt"
                status = engine.run(cell.agent.step.image, cell.target, command, mounts, log, HOUR)
                assert status in (0, 1), log.read_text()


def in_one(cells: Sequence[Cell], job: Job) -> list[CellRun]:
    """All cells as the matrix runs them, into a folder where none is known."""
    with TemporaryDirectory(dir=job.request.workspace.root) as name:
        workspace = Workspace(Path(name))
        progress = Progress(Console(quiet=True), workspace, "bench")
        runs = CellRunner(workspace, progress).run(cells, job.runners)
        assert all(read_json(run.folder / "run.json")["predict"] == 0 for run in runs)
        return runs


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Wall seconds, and those of processors in all processes that were started."""
    wall, used = time.monotonic(), _processor()
    work()
    return time.monotonic() - wall, _processor() - used


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def say(seconds: tuple[float, float]) -> str:
    return f"{seconds[0]:.1f} s ({seconds[1]:.1f} s of processors)"


if __name__ == "__main__":
    main()
