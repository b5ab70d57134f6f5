"""What a record must have: of a cell, an image, a benchmark, and a whole run file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from zport.errors import ResultsError

Word = Annotated[str, StringConstraints(min_length=1)]
VerdictWord = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$")]
Json = dict[str, Any]
IDENTITY = ("model", "agent", "target", "runner")
"""What makes a cell the same cell in another run."""
SUBJECT = (*IDENTITY, "emulated")
OWN = "own"


class Record(BaseModel):
    """Base of all records: nothing is converted, and more keys may be there."""

    model_config = ConfigDict(extra="allow", strict=True)


class BenchResult(Record):
    """LoadGen's result as the agent program writes it. An invalid run may lack all but reasons."""

    scenario: str | None = None
    mode: str | None = None
    valid: bool | None = None
    invalid_reasons: list[str] = []
    metric: Json | None = None
    threads: int | None = None
    batch: int | None = None
    cpu_level: str | None = None
    query_count: int | None = None
    latency_ns: Json | None = None
    requested: Json | None = None
    settings: Json | None = None
    info: Json | None = None


class BenchRecord(BenchResult):
    """A benchmark of its own as :mod:`zport.bench.record` writes it: what ran where and how, and
    LoadGen's result."""

    model: Word
    agent: Word
    target: Word
    runner: Word
    emulated: bool
    key: Word | None = None
    conforming: bool | None = None
    reasons: list[str] = []
    parts: dict[str, str] | None = None


class CellRecord(Record):
    """A cell as :meth:`zport.matrix.cells.CellResult.record` gives it."""

    model: Word
    agent: Word
    target: Word
    runner: Word
    emulated: bool
    verdict: VerdictWord
    model_version: str | None = None
    weights: str | None = None
    framework: str | None = None
    byte_order: str | None = None
    key: str | None = None
    image_key: str | None = None
    reason: str | None = None
    compared_with: str | None = None
    tolerance: Json | None = None
    largest_absolute: float | None = None
    largest_relative: float | None = None
    outputs: list[Json] = []
    differing: Json | None = None
    seconds: float | None = None
    folder: str | None = None
    log: str | None = None
    bench: BenchResult | None = None


class ImageRecord(Record):
    """An image of the run."""

    agent: Word
    target: Word
    image: str | None = None
    key: str | None = None
    bytes: int | None = None
    compressed: bool | None = None
    layers: list[Any] = []
    requirements: list[Json] = []


class RunFile(Record):
    """A ``run-N.json``, schema 1."""

    version: Literal[1] = Field(alias="schema")
    zport: str
    written: str
    host: str | None = None
    engine: str | None = None
    commit: str | None = None
    emulators: dict[str, str | None] | None = None
    images: list[ImageRecord] = []
    cells: list[CellRecord]


R = TypeVar("R", bound=Record)


def check(kind: type[R], raw: object, where: str | Path) -> Json:
    """The record itself if it is one of that kind.

    Raises :class:`ResultsError` that names the first field which does not fit.
    """
    try:
        kind.model_validate(raw)
    except ValidationError as error:
        raise _explain(error, where) from error
    assert isinstance(raw, dict)
    return raw


def _explain(error: ValidationError, where: str | Path) -> ResultsError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "(whole)"
    found = "" if first["type"] == "missing" else f", found {str(first['input'])[:60]!r}"
    return ResultsError(
        f"{first['msg'][0].lower()}{first['msg'][1:]}{found}",
        where=f"{where}: {field}",
        next_step="mend or remove it; what zport writes has this field",
    )


def without(record: Mapping[str, Any], names: Collection[str]) -> Json:
    """The record without those keys."""
    return {name: value for name, value in record.items() if name not in names}


def with_subject(bench: Mapping[str, Any], subject: Mapping[str, Any]) -> Json:
    """A benchmark with what it ran on, and with the keys that plots have as axes.

    LoadGen's result has keys of the same names (``model`` with the model's files); those are kept
    under ``own``.
    """
    info = bench.get("info") or {}
    own = {name: bench[name] for name in SUBJECT if name in bench and bench[name] != subject[name]}
    return {
        "threads": info.get("threads"),
        **bench,
        **subject,
        **({OWN: own} if own else {}),
    }


def without_subject(bench: Mapping[str, Any]) -> Json:
    """What :func:`with_subject` was given."""
    rest = without(bench, (*SUBJECT, "id", "run", "cell", "written", OWN))
    return {**rest, **bench.get(OWN, {})}
