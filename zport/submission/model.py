"""The plain data of a submission, which the stages hand to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zport.submission.checks import Standing
from zport.submission.rules import Round, Rules
from zport.submission.runs import Run
from zport.submission.system import System


@dataclass(frozen=True)
class Entry:
    """A run with the benchmark that it stands for, and how it stands."""

    run: Run
    benchmark: str
    standing: Standing


@dataclass(frozen=True)
class Submission:
    """All that a tree is made of; ``left_out`` are runs that are not in it, each with its reason.

    ``measurements`` are the fields that the user says, by model; ``broken`` counts the runs that
    were left out because they would end the checker.
    """

    submitter: str
    system: System
    asked: Round
    rules: Rules
    entries: Sequence[Entry]
    left_out: Sequence[tuple[Run, str]] = ()
    measurements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    broken: int = 0
