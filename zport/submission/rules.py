"""The rules of a submission: what the official checker asks for, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from zport.definitions import Definition, choose_by_name, load_definition
from zport.errors import SubmissionError

RULES = Path(__file__).with_name("rules.toml")
DIVISION = "open"


def _expression(value: str) -> str:
    re.compile(value)
    return value


class Benchmark(Definition):
    """What one benchmark asks of its runs; ``dataset`` is the size of an accuracy run.

    ``accuracy`` is an expression that a line of accuracy.txt begins with.
    """

    task: str
    accuracy: Annotated[str, AfterValidator(_expression)]
    performance_samples: Annotated[int, Field(ge=1)]
    dataset: Annotated[int, Field(ge=1)]
    server_latency_ns: int | None = None


class Round(Definition):
    """A round of submissions, with the commit of the checker that its figures are from."""

    name: str
    constants: str
    seeds: dict[str, int]
    benchmarks: dict[str, Benchmark]


class SystemRules(Definition):
    """The fields of a system's description."""

    required: list[str]
    may_be_empty: list[str]
    whole_numbers: list[str]
    choices: dict[str, list[str]]


class MeasurementRules(Definition):
    """The fields of measurements.json, none of which may be empty."""

    required: list[str]


class AccuracyLogRules(Definition):
    """Sizes in bytes: the longest accuracy log, and what is kept of either end of a longer one."""

    limit: int
    kept: int


class Metric(Definition):
    """The key of LoadGen's detail log that holds a scenario's result."""

    key: str
    unit: str


class Rules(Definition):
    """All of ``rules.toml``; ``files`` names what each folder of a scenario must hold."""

    min_duration_ms: int
    accuracy_log: AccuracyLogRules
    system: SystemRules
    measurements: MeasurementRules
    files: dict[str, list[str]]
    metrics: dict[str, Metric]
    fixed: dict[str, str]
    loadgen: dict[str, str]
    rounds: list[Round]

    def round(self, name: str) -> Round:
        """The round of that name. Raises :class:`UsageError` for an unknown one."""
        rounds = {one.name: one for one in self.rounds}
        return rounds[choose_by_name("round", name, list(rounds))]


@cache
def load_rules() -> Rules:
    """The rules. Raises :class:`DefinitionError` for a broken file."""
    return load_definition(RULES, Rules)


def benchmarks_of(
    models: Mapping[str, str | None], given: Mapping[str, str], rules: Rules, asked: Round
) -> dict[str, str]:
    """The benchmark that each model stands for.

    It is the one of its own name, the one that was given for it, or that of the name that it had in
    LoadGen's files, which ``models`` holds. Raises :class:`SubmissionError` for models that stand
    for none: the open division takes any model, but it must do the task of a benchmark.
    """
    found = {model: _benchmark_of(model, name, given, rules, asked)
             for model, name in models.items()}  # fmt: skip
    unknown = [model for model, name in found.items() if name is None]
    if unknown:
        known = ", ".join(f"{name} ({one.task})" for name, one in asked.benchmarks.items())
        raise SubmissionError(
            f"no benchmark of {asked.name}, and standing for none: {', '.join(unknown)}",
            where="--benchmark",
            next_step=f"if it does the task of one, say which: --benchmark {unknown[0]}=NAME; "
            f"otherwise leave its runs out. There are {known}",
        )
    return {model: name for model, name in found.items() if name}


def _benchmark_of(
    model: str, loadgen: str | None, given: Mapping[str, str], rules: Rules, asked: Round
) -> str | None:
    own = rules.fixed.get(model) or (model if model in asked.benchmarks else None)
    named = given.get(model)
    if named is not None and own is not None and named != own:
        raise SubmissionError(
            f"the checker takes {model} for {own}, whatever it is mapped to",
            where=f"--benchmark {model}={named}",
            next_step="leave it out, or give the model another name",
        )
    name = named or own or rules.loadgen.get(loadgen or "")
    if name and name not in asked.benchmarks:
        raise SubmissionError(
            f"{name} is no benchmark of {asked.name} that zport has the logs for",
            where=f"--benchmark {model}={name}",
            next_step=f"known are {', '.join(asked.benchmarks)}; those that count tokens or ask "
            "for pictures or videos need logs that zport bench does not write",
        )
    return name
