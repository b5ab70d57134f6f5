"""The points of a sweep: a cell of the matrix with a scenario, threads, a batch and a CPU level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from zport_agent.errors import AgentError
from zport_agent.loadgen.conf import as_data, parse_conf
from zport_agent.loadgen.names import SCENARIOS, Basis, Mode
from zport_agent.manifest import Bench, explain

from zport.definitions import choose_by_name
from zport.errors import UsageError
from zport.matrix.cells import Cell
from zport.workspace import digest

SINGLE, PEAK = "SingleStream", "Server"
"""The scenario whose queries are one sample, and the only one that LoadGen finds the peak of."""
MLPERF_SECONDS = 600
"""How long MLPerf's rules have a run last at least."""
SEARCHED = 20
"""So many runs a search for the peak takes at most, unless the first guess was far off."""


@dataclass(frozen=True)
class ConfFile:
    """One of MLPerf's configuration files: its name and text."""

    name: str
    text: str


@dataclass(frozen=True)
class Setup:
    """How a benchmark is run: everything about it that is not the model or the machine.

    ``settings`` are fields of a manifest's ``bench`` block; ``cpu`` is the processor that the
    emulator is to be, or None for the one that is there.
    """

    scenario: str
    threads: int = 1
    batch: int = 1
    cpu: str | None = None
    basis: Basis = "emulation"
    mlperf_conf: ConfFile | None = None
    user_conf: ConfFile | None = None
    benchmark: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def flags(self) -> list[str]:
        """The agent program's flags."""
        flags = ["--scenario", self.scenario, "--threads", str(self.threads), "--batch",
                 str(self.batch), "--settings", self.basis]  # fmt: skip
        for name, conf in (("mlperf", self.mlperf_conf), ("user", self.user_conf)):
            flags += [f"--{name}-conf", as_data(conf.text)] if conf else []
        flags += ["--benchmark", self.benchmark] if self.benchmark else []
        flags += ["--cpu", self.cpu] if self.cpu else []
        for name, value in sorted(self.settings.items()):
            flags += [f"--{name.replace('_', '-')}", str(value)]
        return flags

    @property
    def phrase(self) -> str:
        """What tells it from others, for people."""
        parts = [self.scenario, f"{self.threads} threads" if self.threads > 1 else "",
                 f"batch {self.batch}" if self.batch > 1 else "", self.cpu or ""]  # fmt: skip
        return ", ".join(part for part in parts if part)


MODE_FLAGS: dict[Mode, tuple[str, ...]] = {
    "performance": (), "accuracy": ("--accuracy",), "find-peak": ("--find-peak",),
}  # fmt: skip


@dataclass(frozen=True)
class Point(Cell):
    """One LoadGen run to make. A point's runs in several modes have its key in common."""

    setup: Setup
    mode: Mode

    @property
    def name(self) -> str:
        return f"{super().name}-{self.setup.scenario}-{self.key}-{self.mode}"

    @property
    def title(self) -> str:
        return self.name

    @property
    def verbs(self) -> tuple[str, ...]:
        return ("bench",)

    @property
    def flags(self) -> tuple[str, ...]:
        return (*self.setup.flags(), *MODE_FLAGS[self.mode])

    @property
    def label(self) -> str:
        more = "" if self.mode == "performance" else f", {self.mode}"
        return f"{self.model.name} on {self.target.name} ({self.runner}): {self.setup.phrase}{more}"

    @cached_property
    def key(self) -> str:
        return digest([
            self.agent.step.key, self.model.definition(), self.files_key, self.runner,
            asdict(self.setup), *([self.emulator] if self.emulator else []),
        ])[:16]  # fmt: skip

    @property
    def place(self) -> Path:
        """Where the point is kept, below the folder of all benchmarks."""
        return Path(self.model.name, self.agent.agent.name, self.target.name,
                    self.setup.scenario, self.key)  # fmt: skip

    @property
    def least_seconds(self) -> float:
        """How long the run is told to last, in seconds, before any slack."""
        asked = self.setup.settings.get("min_duration_ms")
        seconds = MLPERF_SECONDS if self.setup.basis == "mlperf" else 0
        seconds = asked / 1000 if asked is not None else seconds
        return float(seconds * (SEARCHED if self.mode == "find-peak" else 1))


@dataclass(frozen=True)
class Sweep:
    """What to go through: each scenario with each number of threads, each batch and each level."""

    scenarios: Sequence[str]
    threads: Sequence[int] = (1,)
    batches: Sequence[int] = (1,)
    cpus: Sequence[str | None] = (None,)
    basis: Basis = "emulation"
    mlperf_conf: ConfFile | None = None
    user_conf: ConfFile | None = None
    benchmark: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    accuracy: bool = False
    find_peak: bool = False

    def setups(self) -> Iterator[Setup]:
        """Each way to run a benchmark once. A query of SingleStream has no batch."""
        for scenario, threads, batch, cpu in product(
            self.scenarios, self.threads, self.batches, self.cpus
        ):
            if batch == 1 or scenario != SINGLE:
                yield Setup(
                    scenario, threads, batch, cpu, self.basis, self.mlperf_conf, self.user_conf,
                    self.benchmark, self.settings,
                )  # fmt: skip

    def modes(self, scenario: str) -> list[Mode]:
        """The runs that each point has."""
        modes: list[Mode] = ["performance"]
        modes += ["accuracy"] if self.accuracy else []
        modes += ["find-peak"] if self.find_peak and scenario == PEAK else []
        return modes

    def points(self, cells: Sequence[Cell]) -> list[Point]:
        """Every run to make with those models, images and runners."""
        return [
            Point(cell.model, cell.agent, cell.runner, cell.files, cell.files_key, setup, mode)
            for cell in cells
            for setup in self.setups()
            for mode in self.modes(setup.scenario)
        ]


def parse_scenarios(text: str) -> list[str]:
    """Scenarios for a comma-separated list, or for ``all``. Raises :class:`UsageError`."""
    if text == "all":
        return list(SCENARIOS)
    return [choose_by_name("scenario", one.strip(), [*SCENARIOS, "all"]) for one in text.split(",")]


def parse_counts(text: str, flag: str) -> list[int]:
    """Whole numbers from 1, comma-separated, each once. Raises :class:`UsageError`."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise UsageError(f"{text!r} is no list of whole numbers from 1", where=flag,
                         next_step=f"write for example {flag} 1,2,4")  # fmt: skip
    return list(dict.fromkeys(int(word) for word in words))


def parse_settings(given: Sequence[str]) -> dict[str, Any]:
    """LoadGen's settings from ``name=value`` words. Raises :class:`UsageError`."""
    known = [name for name in Bench.model_fields if name != "scenario"]
    found: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} is not NAME=VALUE", where="--set",
                             next_step="write for example --set min_query_count=64")  # fmt: skip
        name = choose_by_name("setting", name.strip().replace("-", "_"), known)
        try:
            found[name] = int(value) if value.strip().isdecimal() else float(value)
        except ValueError:
            raise UsageError(f"{value!r} is no number", where=f"--set {name}",
                             next_step="write NAME=NUMBER") from None  # fmt: skip
    try:
        Bench.model_validate(found)
    except ValidationError as error:
        raise UsageError(explain("a setting", error), where="--set",
                         next_step="see models/README.md: bench") from None  # fmt: skip
    return found


def read_conf_file(path: Path | None, flag: str) -> ConfFile | None:
    """One of MLPerf's configuration files, checked. Raises :class:`UsageError`."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        parse_conf(text, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=f"{flag} {path}",
                         next_step="name a configuration file") from error  # fmt: skip
    except AgentError as error:
        raise UsageError(str(error), where=flag, next_step="mend that line") from error
    return ConfFile(path.name, text)
