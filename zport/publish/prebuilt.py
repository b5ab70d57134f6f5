"""Steps that somebody has built and published already, found by their keys."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from zport.job import Job
from zport.publish.images import exports
from zport.publish.oras import find_repository
from zport.publish.pull import Puller
from zport.publish.wheels import WHEELS, wheel_tags
from zport.steps.step import Step
from zport.workspace import make_folder


def take_prebuilt(job: Job, where: str, public: str | None = None) -> list[Step]:
    """Take what is published of the steps that are missing: images first, then wheels.

    A step that is not there under its key is left to be built. Raises as :class:`.pull.Puller`.
    """
    puller = Puller(job.request.engine, job.request.workspace, public)
    return [
        step
        for role, take in (("agent", _take_image), ("wheel", _take_wheel))
        for step in job.missing()
        if step.role == role and take(job, step, where, puller)
    ]


def _take_image(job: Job, step: Step, where: str, puller: Puller) -> bool:
    repository = find_repository(where, step.repository.rpartition("/")[2])
    digest = repository.resolve(f"{step.tag}-{step.key}")
    if digest is None:
        return False
    puller.trust_image(repository, digest, step.key, step.target)
    puller.take(repository, digest, step.target, [step.image])
    return True


def _take_wheel(job: Job, step: Step, where: str, puller: Puller) -> bool:
    repository = find_repository(where, WHEELS)
    tag = wheel_tags(job.planner.wheels[step.name])[1]
    if repository.resolve(tag) is None:
        return False
    _make_image(job, step, puller.wheel(repository, tag, step.target))
    return True


def _make_image(job: Job, step: Step, wheel: Path) -> None:
    """The image that the step would have made: others take the wheel out of it."""
    workspace = job.request.workspace
    with TemporaryDirectory(dir=make_folder(exports(workspace)), prefix=".wheel.") as name:
        context = Path(name)
        shutil.copyfile(wheel, context / wheel.name)
        (context / "Dockerfile").write_text(
            f"FROM --platform={step.target.oci} scratch\nCOPY {wheel.name} /\n"
        )
        log = job.progress.log(f"prebuilt-{step.name}")
        job.request.engine.build(context, step.image, step.target, step.epoch, log)
