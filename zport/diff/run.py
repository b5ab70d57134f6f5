"""One diff from beginning to end: images built, the model's files laid out, search, record."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zport import __version__
from zport.diff.containers import Containers, plan_inspection
from zport.diff.report import SCHEMA
from zport.diff.search import Search
from zport.diff.sides import Sides
from zport.diff.subject import Subject, place_files
from zport.errors import DefinitionError, EngineError, UsageError
from zport.job import Job
from zport.workspace import make_folder

SEED = 2026


def run_diff(
    job: Job, subject: Subject, sides: Sides, input_name: str | None, seed: int = SEED
) -> dict[str, Any]:
    """Find where the sides part. ``input_name`` is one of the manifest's, the first by default;
    a bare file gets random values from ``seed``.

    Raises any :class:`zport.errors.ZportError`.
    """
    index = _input_index(subject, input_name)
    if sides.reference is None:
        _check_stored(subject)
    inspection = plan_inspection(job.planner)
    step = subject.preparation(job)
    for one in filter(None, (inspection, step)):
        job.want(one)
    job.build()
    files = subject.files(job, step)
    workspace = job.request.workspace
    log = workspace.logs / f"diff-{subject.name}-{os.getpid()}.log"
    plans = sides.plans(job.agents)
    folder = make_folder(workspace.results / "diff")
    with job.progress.live(), TemporaryDirectory(dir=folder, prefix=".work.") as name:
        work = Path(name)
        work.chmod(0o755)
        containers = Containers(job.request.engine, inspection, plans, work, log)
        with job.progress.work(subject.name, f"{'diff':<10}{subject.name}"):
            return _record(containers, subject, sides, files, index, seed)


def _record(
    containers: Containers, subject: Subject, sides: Sides, files: Path, index: int, seed: int
) -> dict[str, Any]:
    survey = containers.survey(files, subject.graph, seed if subject.model is None else None)
    place_files(files, [subject.graph, *survey["external"]], containers.work / "files")
    preprocessing = _inputs(containers, subject, files, index)
    stored = None
    if sides.reference is None:
        stored = _stored_outputs(subject, index, containers.work)
    passes = [(first, last) for first, last in survey["passes"]]
    search = Search(containers, subject.graph, passes, survey["operators"], subject.bounds, stored)
    names = [*subject.model.manifest.extension().inputs] if subject.model else [f"seed {seed}"]
    return {
        "schema": SCHEMA,
        "zport": __version__,
        "model": subject.name,
        "sides": sides.names,
        "images": {side: plan.step.image for side, plan in containers.sides.items()},
        "emulated": {
            side: plan.target != containers.inspection.target
            for side, plan in containers.sides.items()
        },
        "input": names[index],
        "nodes": len(survey["operators"]),
        "preprocessing": preprocessing,
        "failed": {},
        **search.run(),
    }


def _inputs(containers: Containers, subject: Subject, files: Path, index: int) -> str | None:
    """Lay out what both sides are given; returns how the sides' own preprocessing differs."""
    if subject.model is None:
        containers.take_inputs(None)
        return None
    failed = containers.prepare(subject, files, index)
    first = next(iter(containers.sides))
    if failed[first]:
        raise EngineError(str(failed[first]), where=f"preprocessing of {subject.name}",
                          next_step="read the log", log=containers.log)  # fmt: skip
    containers.take_inputs(first)
    if len(containers.sides) == 1:
        return None
    if failed["candidate"]:
        return failed["candidate"]
    pair = {"reference": "reference/inputs.npz", "candidate": "candidate/inputs.npz",
            "bounds": {"float32": [0, 0]}}  # fmt: skip
    [compared] = containers.compare([pair])
    told = [f"{one['name']}: {'; '.join(one['reasons'])}" for one in compared["outputs"]
            if one["verdict"] != "pass"]  # fmt: skip
    return "; ".join(told) or None


def _input_index(subject: Subject, name: str | None) -> int:
    if subject.model is None:
        if name is not None:
            raise UsageError("a bare ONNX file gets random inputs", where="--input",
                             next_step="leave it out, or write a manifest.yml")  # fmt: skip
        return 0
    names = subject.model.manifest.extension().inputs
    if name is None:
        return 0
    if name not in names:
        raise UsageError(f"{subject.name} has no input {name!r}", where="--input",
                         next_step=f"choose from {', '.join(names)}")  # fmt: skip
    return names.index(name)


def _check_stored(subject: Subject) -> None:
    if subject.model is None or not subject.model.expected.is_file():
        raise UsageError(f"{subject.name} has no stored outputs", where="--against",
                         next_step="name a target or an agent")  # fmt: skip
    if subject.model.manifest.extension().sample:
        raise UsageError(f"of {subject.name}'s outputs only samples are stored", where="--against",
                         next_step="name a target or an agent")  # fmt: skip


def _stored_outputs(subject: Subject, index: int, work: Path) -> str:
    """One input's outputs of those that the repository keeps, by the outputs' own names."""
    assert subject.model is not None
    prefix, name = f"{index}/", "stored.npz"
    try:
        with (
            zipfile.ZipFile(subject.model.expected) as kept,
            zipfile.ZipFile(work / name, "w") as out,
        ):
            for member in kept.namelist():
                if member.startswith(prefix):
                    out.writestr(member.removeprefix(prefix), kept.read(member))
    except zipfile.BadZipFile as error:
        raise DefinitionError(str(error), where=subject.model.expected,
                              next_step="store the outputs again")  from error  # fmt: skip
    return name
