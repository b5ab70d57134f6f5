"""What a tree says of itself: each run with its validity and what the checker does with it.

The official checker accepts INVALID runs, so the tree has to tell of them.
"""

from __future__ import annotations

import re

from zport import __version__
from zport.results.circumstances import commit_of
from zport.submission.accuracy import GIVEN
from zport.submission.model import Entry, Submission
from zport.submission.system import EMULATED
from zport.workspace import PROJECT

EMULATION = (
    f"**{EMULATED}.** These runs are of an emulated processor: their answers count, their times "
    "say nothing about a real machine. They are no results to be compared with any others."
)


def result_text(entry: Entry, submission: Submission) -> str:
    """The result of a run, with its unit."""
    metric = submission.rules.metrics[entry.run.scenario]
    value = entry.run.performance.log.number(metric.key)
    if not value:
        return "none"
    if metric.unit == "ns":
        return f"{value / 1e6:.6g} ms"
    return f"{value:.6g} {metric.unit}"


def validity(entry: Entry) -> str:
    """LoadGen's own word on a run."""
    return "VALID" if entry.standing.valid else "INVALID"


def submission_readme(submission: Submission) -> str:
    """The README of a submitter's folder: a table of the runs, and what there is to say of each."""
    system, asked = submission.system, submission.asked
    lines = [
        f"# MLPerf Inference {asked.name}, open division: {submission.submitter}", "",
        f"System: {_plain(system.fields['system_name'])} (systems/{system.name}.json).", "",
        *([EMULATION, ""] if system.emulated else []),
        "| model | stands for | scenario | result | LoadGen says | the checker |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for one in submission.entries:
        checker = "refuses it" if one.standing.refused else "accepts it"
        lines.append(
            f"| {one.run.model} | {one.benchmark} | {one.run.scenario} "
            f"| {result_text(one, submission)} | {validity(one)} | {checker} |"
        )
    lines += ["", f"What the checker does is zport's reading of its rules for {asked.name} "
              f"(constants.py, {asked.constants[:12]} of mlcommons/inference).", ""]  # fmt: skip
    for one in submission.entries:
        lines += _remarks(one)
    if submission.left_out:
        lines += ["## Left out", "", *(f"- {run.title}: {_plain(why)}"
                  for run, why in submission.left_out), ""]  # fmt: skip
    return "\n".join(lines)


def _remarks(entry: Entry) -> list[str]:
    standing = entry.standing
    said = [
        *(f"- INVALID: {_plain(reason)}" for reason in standing.reasons),
        *(["- INVALID"] if not standing.valid and not standing.reasons else []),
        *(f"- refused: {_plain(fault)}" for fault in standing.refused),
        *(f"- {_plain(note)}" for note in standing.notes),
    ]
    return [f"## {entry.run.title}", "", *said, ""] if said else []


def scenario_readme(submission: Submission, entry: Entry, states_accuracy: bool) -> str:
    """The README of one scenario: what ran, how, and how it stands."""
    run, performance = entry.run, entry.run.performance
    record, result = run.record, run.performance.result
    benchmark = submission.asked.benchmarks[entry.benchmark]
    samples = result.library.get("samples") or performance.log.number("qsl_reported_total_count")
    library = result.library.get("name")
    files = result.model.get("files") or []
    lines = [
        f"# {run.title}", "",
        *([EMULATION, ""] if record.emulated else []),
        f"Stands for {entry.benchmark} ({benchmark.task}). Result: "
        f"{result_text(entry, submission)}, {validity(entry)}.", "",
        *(line for line in _remarks(entry)[2:]),
        f"- system: {submission.system.name}, agent {record.agent} on {record.target}, runner "
        f"{record.runner}, image {record.image_key or 'unknown'}",
        f"- threads: {result.info.get('threads')}, batch: {record.batch or 1}",
        f"- samples: {samples:g}, " + (f"of {library}" if library else "the model's own inputs; "
        "nothing says that they are the benchmark's data set"),
        *(f"- model file: {one.get('name')}, SHA-256 {one.get('sha256')}" for one in files),
        *([f"- weights: {result.model['weights']}"] if result.model.get("weights") else []),
        *([] if states_accuracy else ["- accuracy: not stated in a line that the checker reads; "
          f"the open division asks for it (put {GIVEN} beside the accuracy run)"]),
        "", f"The whole accuracy log is kept with the run {run.folder.name}; accuracy.txt has its "
        "SHA-256 and the order of its bytes.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def source_readme(submission: Submission) -> str:
    """The README of ``src``: what made the runs."""
    run = submission.entries[0].run
    return "\n".join([
        "# Source", "",
        f"The runs were made by zport's agent program in the image of agent {run.record.agent} for "
        f"{run.record.target}, key {run.record.image_key or 'unknown'}, by zport "
        f"{run.record.zport or 'unknown'}, commit {run.record.commit or 'unknown'}; the tree by "
        f"zport {__version__}, commit {commit_of(PROJECT) or 'unknown'}.", "",
        "zport's source holds the agent program (`agent/`), the images' definitions (`agents/`, "
        "`recipes/`, `patches/`) and the models' manifests with pre- and post-processing "
        "(`models/`).", "",
    ])  # fmt: skip


def _plain(text: str) -> str:
    """Text as one line of Markdown that is nothing but text."""
    return re.sub(r"([\\`*|<>\[\]])", r"\\\1", " ".join(text.split()))
