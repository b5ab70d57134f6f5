"""Runners: where a container runs. Each is one row of the table, found by the name users write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from zport.engines import Engine
from zport.errors import UsageError
from zport.matrix.batch import Batch
from zport.matrix.cells import EMULATING
from zport.matrix.runners.local import Local
from zport.matrix.runners.ssh import Ssh
from zport.targets import Target
from zport.workspace import Workspace

NATIVE, QEMU, SSH = "native", EMULATING, "ssh://"


class Runner(Protocol):
    """Runs batches on some machine."""

    @property
    def name(self) -> str:
        """What users write."""

    @property
    def jobs(self) -> int:
        """How many containers it may have at once."""

    @property
    def pace(self) -> float:
        """How many times as long as natively on this machine a cell may take."""

    @property
    def memory(self) -> int:
        """The limit of each process in bytes."""

    @property
    def remote(self) -> bool:
        """Whether it is another machine."""

    @property
    def emulated(self) -> bool:
        """Whether this machine's kernel emulates it."""

    def runs(self, target: Target) -> bool:
        """Whether images of the target run there. Raises :class:`EngineError` if none can."""

    def serve(self, batch: Batch, log: Path) -> int:
        """Serve the batch in one container until that ends; returns its exit status.

        Finished cells appear in ``batch.out`` meanwhile; ``batch.stop()`` ends it early. Raises
        :class:`EngineError` when there is no container to be had.
        """


class Place(NamedTuple):
    """What runners are made from: this machine, and how many containers it may have at once."""

    engine: Engine
    workspace: Workspace
    host: Target
    jobs: int

    @property
    def memory(self) -> int:
        """Bytes for each of its containers: three quarters of the machine's, shared by all."""
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return total * 3 // 4 // self.jobs


def _native(_: str, here: Place) -> Runner:
    return Local(NATIVE, here.engine, here.jobs, 1, here.memory, lambda t: t == here.host)


def _qemu(_: str, here: Place) -> Runner:
    return Local(QEMU, here.engine, here.jobs, 6, here.memory, lambda t: t != here.host)


def _ssh(name: str, here: Place) -> Runner:
    return Ssh(name, here.engine, here.workspace)


RUNNERS: dict[str, Callable[[str, Place], Runner]] = {NATIVE: _native, QEMU: _qemu, SSH: _ssh}
"""By name, or by how the name begins where an address follows."""


def find_runner(name: str, here: Place) -> Runner:
    """The runner of that name. Raises :class:`UsageError` for one that is not known."""
    for kind, make in RUNNERS.items():
        if name == kind or (kind.endswith("://") and name.startswith(kind)):
            return make(name, here)
    raise UsageError(
        f"unknown runner {name!r}",
        where="--runner",
        next_step="choose from native, qemu, ssh://[USER@]HOST[:PORT]",
    )


def runner_of(target: Target, host: Target) -> str:
    """How this host runs a target's images."""
    return NATIVE if target == host else QEMU
