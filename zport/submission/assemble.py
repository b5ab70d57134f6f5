"""From runs to a submission: which are put in, for what benchmark, and how each stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zport.errors import SubmissionError
from zport.submission.checks import judge
from zport.submission.measurements import read_measurements, require_measurements
from zport.submission.model import Entry, Submission
from zport.submission.rules import Round, Rules, benchmarks_of
from zport.submission.runs import Run
from zport.submission.system import describe, one_system


@dataclass(frozen=True)
class Wish:
    """What the user asks for. ``benchmarks`` says what a model stands for; ``conforming`` is to
    leave out what could not be submitted."""

    submitter: str
    system: Path
    asked: Round
    benchmarks: dict[str, str]
    measurements: Path | None = None
    emulated: bool = False
    conforming: bool = False


def choose_runs(runs: Sequence[Run], wish: Wish) -> tuple[list[Run], list[tuple[Run, str]]]:
    """The runs of the system, and the others with the reason that they are left out.

    Raises :class:`SubmissionError` where none is left, or they are of several systems.
    """
    chosen = [run for run in runs if wish.emulated or not run.record.emulated]
    left = [(run, "its processor was emulated")
            for run in runs if run.record.emulated and not wish.emulated]  # fmt: skip
    if not chosen:
        raise SubmissionError(
            f"all {len(runs)} runs are of an emulated processor",
            next_step="measure on a real machine; with --emulated they are put in and marked",
        )
    one_system(chosen)
    return chosen, left


def assemble(runs: Sequence[Run], wish: Wish, rules: Rules) -> Submission:
    """The submission that these runs make.

    Raises :class:`SubmissionError` for what cannot be submitted at all: a model that stands for no
    benchmark, two runs for one place, a description that is not whole, no run that is left.
    """
    chosen, left = choose_runs(runs, wish)
    models = {run.model: run.record.benchmark for run in chosen}
    benchmarks = benchmarks_of(models, wish.benchmarks, rules, wish.asked)
    entries, broken = [], []
    for run in chosen:
        benchmark = benchmarks[run.model]
        standing = judge(run, wish.asked.benchmarks[benchmark], wish.asked, rules)
        if standing.ends:
            broken.append((run, standing.ends))
        elif wish.conforming and not standing.clean:
            left.append((run, "; ".join([*standing.reasons, *standing.refused]) or "INVALID"))
        else:
            entries.append(Entry(run, benchmark, standing))
    left += broken
    if not entries:
        listed = "; ".join(f"{run.title}: {why}" for run, why in left)
        raise SubmissionError(f"no run is left to submit: {listed}",
                              next_step="measure by MLPerf's rules, with the answers: zport bench "
                              "--settings mlperf --accuracy")  # fmt: skip
    _require_one_each(entries)
    said = read_measurements(wish.measurements, rules.measurements)
    require_measurements([one.run for one in entries], said, rules.measurements)
    system = describe(wish.system, wish.submitter, [one.run for one in entries], rules.system)
    return Submission(wish.submitter, system, wish.asked, rules, entries, left, said, len(broken))


def _require_one_each(entries: Sequence[Entry]) -> None:
    counts = Counter(one.run.title for one in entries)
    twice = [one.run for one in entries if counts[one.run.title] > 1]
    if twice:
        listed = "; ".join(f"{run.title}: {run.circumstances}" for run in twice)
        raise SubmissionError(
            f"a tree has one place for a model and scenario: {listed}",
            next_step="name the folders of the runs that you want",
        )
