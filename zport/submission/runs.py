"""Collecting runs: the folders that ``zport bench`` keeps, with what they say of themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from zport_agent.loadgen.names import Scenario

from zport.errors import SubmissionError
from zport.submission.logs import DetailLog, read_detail

RECORD = "record.json"
RESULT = "bench.json"
LOGS = "loadgen"
SUMMARY, DETAIL, ANSWERS = (
    f"mlperf_log_{name}" for name in ("summary.txt", "detail.txt", "accuracy.json")
)
Word = Annotated[str, StringConstraints(pattern=r"^[^\s/]+$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Json = dict[str, Any]


class _Kept(BaseModel):
    """Base of what zport bench keeps: nothing is converted, and more keys may be there."""

    model_config = ConfigDict(extra="allow", strict=True)


class Record(_Kept):
    """The part of ``record.json`` that says what ran where; zport.bench.record writes it.

    ``benchmark`` is the model's name in LoadGen's configuration files, ``reasons`` say why the run
    is none by MLPerf's rules.
    """

    model: Name
    agent: Word
    target: Word
    runner: Word
    emulated: bool
    scenario: Scenario
    image_key: str | None = None
    benchmark: str | None = None
    cpu_level: str | None = None
    threads: int | None = None
    batch: int | None = None
    zport: str | None = None
    commit: str | None = None
    reasons: list[str] = []


class Result(_Kept):
    """The part of ``bench.json`` that a submission needs; the agent program writes it."""

    scenario: Scenario
    mode: str
    valid: bool
    invalid_reasons: list[str] = []
    model: Json = {}
    info: Json = {}
    library: Json = {}
    byte_order: Literal["little", "big"] | None = None
    answers: list[Json] = []
    task_accuracy: Json | None = None


@dataclass(frozen=True)
class Half:
    """The performance run or the accuracy run of a scenario."""

    folder: Path
    result: Result
    log: DetailLog

    def file(self, name: str) -> Path:
        """One of LoadGen's files."""
        return self.folder / LOGS / name


@dataclass(frozen=True)
class Run:
    """A model in a scenario on a system; without an accuracy run it is half a submission."""

    folder: Path
    record: Record
    performance: Half
    accuracy: Half | None

    @property
    def model(self) -> str:
        return self.record.model

    @property
    def scenario(self) -> str:
        return self.record.scenario

    @property
    def title(self) -> str:
        return f"{self.model} {self.scenario}"

    @property
    def system(self) -> tuple[str, ...]:
        """What tells that two runs are of one system."""
        record = self.record
        return record.agent, record.target, record.runner, record.cpu_level or ""

    @property
    def circumstances(self) -> str:
        """What tells it from other runs of the same model and scenario on the system."""
        return f"{self.record.threads} threads, batch {self.record.batch}, in {self.folder}"


def collect_runs(places: Sequence[Path]) -> list[Run]:
    """The runs in and below some folders, sorted by model and scenario.

    Raises :class:`SubmissionError` where there is none, and for a folder that is not whole.
    """
    records = {path.resolve(): path for place in places for path in _records(place)}
    runs = [_read_run(path.parent) for path in records.values()]
    return sorted(runs, key=lambda run: (run.model, run.scenario, str(run.folder)))


def _records(place: Path) -> list[Path]:
    found = sorted(place.rglob(RECORD)) if place.is_dir() else []
    if not found:
        raise SubmissionError(
            f"no {RECORD} in or below it",
            where=place,
            next_step="name a folder that zport bench has written",
        )
    return found


def _read_run(folder: Path) -> Run:
    record = _read(folder / RECORD, Record)
    performance = _read_half(folder / "performance", "performance", record)
    whole = (folder / "accuracy" / RESULT).exists()
    accuracy = _read_half(folder / "accuracy", "accuracy", record) if whole else None
    return Run(folder, record, performance, accuracy)


def _read_half(folder: Path, mode: str, record: Record) -> Half:
    path = folder / RESULT
    result = _read(path, Result)
    for name, found, wanted in (
        ("mode", result.mode, mode), ("scenario", result.scenario, record.scenario),
    ):  # fmt: skip
        if found != wanted:
            raise SubmissionError(
                f"is {found}, expected {wanted}",
                where=f"{path}: {name}",
                next_step="this folder holds another run's files; run the benchmark again",
            )
    half = Half(folder, result, read_detail(folder / LOGS / DETAIL))
    for name in (SUMMARY, ANSWERS) if mode == "accuracy" else (SUMMARY,):
        if not half.file(name).is_file():
            raise SubmissionError(
                "LoadGen's file is not there",
                where=half.file(name),
                next_step="run the benchmark again",
            )
    return half


K = TypeVar("K", bound=_Kept)


def _read(path: Path, kind: type[K]) -> K:
    return parse_as(kind, read_object(path), path)


def read_object(path: Path) -> Json:
    """The JSON object in a file. Raises :class:`SubmissionError` naming the line that is wrong."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SubmissionError(
            f"cannot be read: {error.strerror}", where=path, next_step="name a file that is there"
        ) from error
    except UnicodeDecodeError as error:
        raise SubmissionError("no text", where=path, next_step="it has to be JSON") from error
    except ValueError as error:
        raise SubmissionError(
            f"not JSON: {error}", where=path, next_step="mend the line that is named"
        ) from error
    if not isinstance(value, dict):
        raise SubmissionError(
            f"expected an object, found {type(value).__name__}",
            where=path,
            next_step="it has to begin with {",
        )
    return value


def parse_as(kind: type[K], value: Json, where: Path) -> K:
    """The value as one of that kind. Raises :class:`SubmissionError` for the first field that does
    not fit."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(whole)"
        found = "" if first["type"] == "missing" else f", found {str(first['input'])[:60]!r}"
        raise SubmissionError(
            f"{first['msg'][0].lower()}{first['msg'][1:]}{found}",
            where=f"{where}: {field}",
            next_step="run the benchmark again; what zport bench writes has this field",
        ) from error
