"""Where every file of a submission lies, and whether a tree is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from zport.errors import SubmissionError
from zport.submission.accuracy import HASH, accuracy_text, cut_log, states_accuracy
from zport.submission.measurements import measurements_of, user_conf
from zport.submission.model import Entry, Submission
from zport.submission.readme import scenario_readme, source_readme, submission_readme
from zport.submission.rules import DIVISION, Rules
from zport.submission.runs import ANSWERS, DETAIL, SUMMARY, Run, read_object
from zport.submission.system import field_faults
from zport.workspace import part_folder, write_json, write_whole

MAPPING = "model_mapping.json"
RUN = "performance/run_1"


def write_tree(submission: Submission, out: Path) -> list[str]:
    """Write the tree, whole or not at all; returns what of it the official checker would miss.

    Raises :class:`SubmissionError` if the folder is there already, :class:`HostError` when it
    cannot be written.
    """
    if out.exists():
        raise SubmissionError("is there already", where=out,
                              next_step="name another folder, or remove it")  # fmt: skip
    with part_folder(out) as part:
        home = part / DIVISION / submission.submitter
        write_json(home / "systems" / f"{submission.system.name}.json", submission.system.fields)
        write_json(home / MAPPING, {one.run.model: one.benchmark for one in submission.entries})
        write_whole(home / "README.md", submission_readme(submission))
        write_whole(home / "src" / "README.md", source_readme(submission))
        for entry in submission.entries:
            _write_scenario(submission, entry, home / scenario_path(submission, entry.run))
        return check_tree(part, submission.rules)


def scenario_path(submission: Submission, run: Run) -> PurePosixPath:
    """The folder of a run, from the submitter's."""
    return PurePosixPath("results", submission.system.name, run.model, run.scenario)


def _write_scenario(submission: Submission, entry: Entry, folder: Path) -> None:
    run, rules = entry.run, submission.rules
    assert run.accuracy
    benchmark = submission.asked.benchmarks[entry.benchmark]
    text = accuracy_text(run.accuracy, benchmark)
    write_json(folder / "measurements.json",
               measurements_of(run, submission.measurements, rules.measurements))  # fmt: skip
    write_whole(folder / "user.conf", user_conf(run))
    write_whole(folder / "README.md",
                scenario_readme(submission, entry, states_accuracy(text, benchmark)))  # fmt: skip
    write_whole(folder / "accuracy" / "accuracy.txt", text)
    write_whole(folder / "accuracy" / ANSWERS,
                cut_log(run.accuracy.file(ANSWERS), rules.accuracy_log))  # fmt: skip
    (folder / RUN).mkdir(parents=True)
    for name in (SUMMARY, DETAIL):
        shutil.copyfile(run.performance.file(name), folder / RUN / name)
        shutil.copyfile(run.accuracy.file(name), folder / "accuracy" / name)


def check_tree(root: Path, rules: Rules) -> list[str]:
    """What the official checker would miss in a tree of the open division, with its place."""
    faults: list[str] = []
    for home in sorted((root / DIVISION).glob("*/")):
        faults += _home_faults(home, rules)
    return faults or ([] if any(root.glob(f"{DIVISION}/*/results/*/*/*")) else ["no results"])


def _home_faults(home: Path, rules: Rules) -> Iterator[str]:
    if not (home / "src").is_dir():
        yield "src: is missing"
    for system in sorted((home / "results").glob("*/")):
        description = home / "systems" / f"{system.name}.json"
        yield from _at(home, description, _system_faults(description, home.name, rules))
        for scenario in sorted(system.glob("*/*/")):
            yield from _at(home, scenario, _scenario_faults(scenario, rules))


def _at(home: Path, place: Path, faults: Iterator[str]) -> Iterator[str]:
    for fault in faults:
        yield f"{place.relative_to(home)}: {fault}"


def _system_faults(path: Path, submitter: str, rules: Rules) -> Iterator[str]:
    if not path.is_file():
        yield "is missing"
        return
    fields = read_object(path)
    yield from field_faults(fields, rules.system)
    for name, value in (("submitter", submitter), ("division", DIVISION)):
        if str(fields.get(name)).lower() != value.lower():
            yield f"{name} is not {value}"


def _scenario_faults(folder: Path, rules: Rules) -> Iterator[str]:
    for place, names in rules.files.items():
        inner = folder if place == "scenario" else folder / place
        for name in names:
            path = inner / name
            if not path.is_file():
                yield f"{path.relative_to(folder)} is missing"
            elif not path.stat().st_size:
                yield f"{path.relative_to(folder)} is empty"
    if (path := folder / "measurements.json").is_file():
        fields = read_object(path)
        for name in rules.measurements.required:
            if not fields.get(name):
                yield f"measurements.json: {name} is missing or empty"
    log, text = folder / "accuracy" / ANSWERS, folder / "accuracy" / "accuracy.txt"
    if log.is_file() and log.stat().st_size > rules.accuracy_log.limit:
        yield f"accuracy/{ANSWERS} is not cut"
    if text.is_file() and not HASH.search(text.read_text(encoding="utf-8")):
        yield "accuracy/accuracy.txt has no hash="
