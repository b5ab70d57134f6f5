"""Cells: one model in one agent image on one target by one runner, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from zport.agents import Agent
from zport.binfmt import emulator_version
from zport.errors import UsageError, VerdictError
from zport.models import Model
from zport.plan.planner import AgentPlan
from zport.targets import REFERENCE, Target
from zport.workspace import digest, read_json

EMULATING = "qemu"
"""The runner whose processor this machine emulates."""
EMULATOR = "QEMU"
"""What an emulated machine says is its manufacturer, where it says anything."""

Verdict = Literal["pass", "differs", "crash", "timeout", "unsupported", "blocked"]

AGENT_UNSUPPORTED = 6
AGENT_SAYS_NO = 1
"""Exit statuses of the agent program (``zport_agent.errors``)."""


def refuse_unproven(agents: Sequence[Agent], models: Iterable[Model], *, every: bool) -> None:
    """Raise :class:`UsageError` where none of the models runs in the agents, or, with ``every``, in
    one of them: nothing would prove its images."""
    proven = {model.manifest.framework.name for model in models}
    idle = [agent for agent in agents if agent.framework not in proven]
    if idle and (every or len(idle) == len(agents)):
        raise UsageError(
            f"none of the models runs in {idle[0].name}, so nothing would prove its images",
            where="--agent",
            next_step=f"leave {idle[0].name} out, or name models of {idle[0].framework}: --model",
        )


def nothing_left() -> UsageError:
    """The error of a run without cells, which would prove nothing either."""
    return UsageError(
        "no cell is left to run", where="matrix",
        next_step="see above what was left out; a model that is named is not",
    )  # fmt: skip


def verdict_failure(summary: str, results: str) -> VerdictError:
    """The error of a run in which not every cell passed."""
    return VerdictError(
        summary, where="matrix", next_step=f"the cells' logs and numbers are named in {results}"
    )


@dataclass(frozen=True)
class Cell:
    """A run to make: its key covers the image, the model's files and inputs, and the runner, with
    the version of its emulator.

    ``runner`` is the runner's name (:mod:`zport.matrix.runners`), ``measured`` whether LoadGen
    runs too where the answers are there.
    """

    model: Model
    agent: AgentPlan
    runner: str
    files: Path
    files_key: str
    measured: bool = field(default=True, kw_only=True)

    @property
    def target(self) -> Target:
        return self.agent.target

    @property
    def name(self) -> str:
        return f"{self.model.name}-{self.agent.agent.name}-{self.target.name}"

    @property
    def title(self) -> str:
        """The name with the key: no two cells that differ in anything have the same."""
        return f"{self.name}-{self.key}"

    @property
    def is_remote(self) -> bool:
        """Whether it runs on another machine."""
        return "://" in self.runner

    @property
    def emulator(self) -> str | None:
        """The version of what emulates the processor on this machine; None where nothing does."""
        return emulator_version(self.target) if self.runner == EMULATING else None

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with this one."""
        return self.target == REFERENCE and not self.is_remote

    @property
    def verbs(self) -> tuple[str, ...]:
        """What the agent program is asked for, one after the other, until one fails."""
        return ("predict", "bench") if self.measured and not self.is_reference else ("predict",)

    @property
    def flags(self) -> tuple[str, ...]:
        """What each of them is given besides the model."""
        return ()

    @property
    def label(self) -> str:
        """What the user sees while it runs."""
        return f"{self.model.name} on {self.target.name} ({self.runner})"

    @cached_property
    def key(self) -> str:
        parts = {
            "image": self.agent.step.key,
            "model": self.model.definition(),
            "files": self.files_key,
            "runner": self.runner,
        }
        if not (self.measured or self.is_reference):
            parts["verbs"] = self.verbs
        if self.emulator:
            parts["emulator"] = self.emulator
        return digest(parts)[:16]


def is_emulated(runner: str, result: Mapping[str, Any] | None) -> bool:
    """Whether this machine emulated the processor, or the other one says, in the agent program's
    result, that it is emulated."""
    return runner == EMULATING or (result or {}).get("info", {}).get("machine") == EMULATOR


@dataclass(frozen=True)
class CellRun:
    """What a cell's container left: its folder, and why there are no outputs if there are none.

    ``seconds`` is the wall time of each of the cell's commands, in its container.
    """

    cell: Cell
    folder: Path
    failure: Verdict | None
    reason: str | None
    bench: dict[str, Any] | None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs.npz"

    @cached_property
    def emulated(self) -> bool:
        """Whether no time of the run says anything about a real machine."""
        return is_emulated(self.cell.runner, read_json(self.folder / "result.json"))


@dataclass(frozen=True)
class CellResult:
    """A cell with its verdict.

    ``largest_absolute`` and ``largest_relative`` are the largest errors over all outputs against
    ``compared_with``; ``details`` is the comparison of each output.
    """

    run: CellRun
    verdict: Verdict
    reason: str | None
    compared_with: str | None = None
    largest_absolute: float | None = None
    largest_relative: float | None = None
    details: tuple[dict[str, Any], ...] = ()

    @property
    def cell(self) -> Cell:
        return self.run.cell

    def record(self) -> dict[str, Any]:
        """The cell for the results file."""
        cell, bench = self.cell, self.run.bench
        return {
            "model": cell.model.name,
            "model_version": cell.model.manifest.version,
            "weights": cell.model.manifest.extension().weights,
            "framework": cell.model.manifest.framework.name,
            "agent": cell.agent.agent.name,
            "target": cell.target.name,
            "byte_order": cell.target.byte_order,
            "runner": cell.runner,
            "emulated": self.run.emulated,
            "key": cell.key,
            "image_key": cell.agent.step.key,
            "verdict": self.verdict,
            "reason": self.reason,
            "compared_with": self.compared_with,
            "tolerance": cell.model.manifest.extension().tolerance.model_dump(),
            "largest_absolute": self.largest_absolute,
            "largest_relative": self.largest_relative,
            "outputs": list(self.details),
            "bench": bench,
            "seconds": round(sum(self.run.seconds.values()), 3),
            "folder": str(self.run.folder),
            "log": str(self.run.folder / "log.txt"),
        }
