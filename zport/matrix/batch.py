"""A batch: cells of one image, handed to containers in a folder, finished ones taken from it.

The folder is all that zport and the agent program's ``serve`` share (``agent/zport_agent/serve.py``
has the other side): ``cells.json`` says what to run, ``out/claims/NAME`` that a container has begun
with a cell, ``out/NAME`` is a finished cell, ``stop`` ends the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from zport.engines import Mount
from zport.matrix.cells import Cell
from zport.plan.planner import AgentPlan
from zport.workspace import digest, make_folder, write_json

SERVED = "served.json"
STARTING = 300
"""Seconds that a container may take beyond those of its cells."""


@dataclass(frozen=True)
class Batch:
    """Cells to run, with the seconds that each may take, and the folder where it happens.

    ``identity`` is the same for the same request: by it a runner finds work that goes on elsewhere
    although the zport that began it has died. ``memory`` is each process's limit in bytes.
    """

    folder: Path
    cells: Sequence[Cell]
    limits: dict[str, float]
    identity: str
    memory: int

    @property
    def agent(self) -> AgentPlan:
        return self.cells[0].agent

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def seconds(self) -> float:
        """When a container that serves all of it counts as hung."""
        return sum(self.limits.values()) + STARTING

    @cached_property
    def given(self) -> list[Mount]:
        """What a container reads: of each cell, the model's folder and its files."""
        return [
            mount
            for number, cell in enumerate(self.cells)
            for mount in (
                Mount(cell.model.folder, f"/cells/{number}/model"),
                Mount(cell.files, f"/cells/{number}/files"),
            )
        ]

    @property
    def mounts(self) -> list[Mount]:
        """All that a container on this machine needs."""
        return [
            *self.given,
            Mount(self.folder, "/batch"),
            Mount(self.out, "/out", writable=True),
        ]

    command = ("serve", "--batch", "/batch", "--out", "/out")

    def finished(self) -> list[Cell]:
        """The cells whose folders are there, whole."""
        return [cell for cell in self.cells if (self.out / cell.name).exists()]

    def claimed(self) -> list[Cell]:
        """The cells that some container has begun with, finished or not."""
        return [cell for cell in self.cells if (self.out / "claims" / cell.name).exists()]

    def stop(self) -> None:
        """Have every container of the batch end at once."""
        (self.folder / "stop").touch()

    @property
    def stopped(self) -> bool:
        return (self.folder / "stop").exists()


@contextmanager
def batch_of(
    cells: Sequence[Cell], limits: dict[str, float], identity: str, memory: int, results: Path
) -> Iterator[Batch]:
    """A folder with these cells, gone after the block."""
    with TemporaryDirectory(dir=make_folder(results), prefix=".batch.") as name:
        folder = Path(name)
        folder.chmod(0o755)
        batch = Batch(folder, cells, limits, digest([identity])[:16], memory)
        batch.out.mkdir()
        batch.out.chmod(0o777)  # the image's user is not the host's
        write_json(folder / "cells.json", _plan(batch))
        yield batch


def _plan(batch: Batch) -> dict[str, object]:
    return {
        "framework": batch.agent.agent.framework,
        "memory": batch.memory,
        "cells": [
            {
                "name": cell.name,
                "seconds": batch.limits[cell.name],
                "commands": [
                    [
                        verb, "--model", f"/cells/{number}/model",
                        "--files", f"/cells/{number}/files", *cell.flags,
                    ]
                    for verb in cell.verbs
                ],
            }
            for number, cell in enumerate(batch.cells)
        ],
    }  # fmt: skip
