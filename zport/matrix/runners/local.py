"""This machine's engine, natively or by the emulator that the kernel calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zport.engines import Engine
from zport.matrix.batch import Batch
from zport.targets import Target


@dataclass(frozen=True)
class Local:
    """Containers of this machine's engine; see :class:`zport.matrix.runners.Runner`."""

    name: str
    engine: Engine
    jobs: int
    pace: float
    memory: int
    suits: Callable[[Target], bool]
    remote = False

    @property
    def emulated(self) -> bool:
        return self.pace != 1

    def runs(self, target: Target) -> bool:
        return self.suits(target)

    def serve(self, batch: Batch, log: Path) -> int:
        step = batch.agent.step
        return self.engine.run(
            step.image, batch.agent.target, batch.command, batch.mounts, log, batch.seconds,
            memory=batch.memory,
        )  # fmt: skip
