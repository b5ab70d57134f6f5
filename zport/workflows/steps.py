"""Building some steps of a plan, on one of the machines that work it off together."""

from __future__ import annotations

from collections.abc import Sequence

from zport.definitions import choose_by_name
from zport.errors import HostError
from zport.job import Job
from zport.steps.build import missing_steps
from zport.steps.step import Step
from zport.workflows.cache import StepCache


def planned_steps(job: Job) -> dict[str, Step]:
    """Every step of the job, by name."""
    _ = job.wanted
    return job.planner.steps


def build_steps(job: Job, names: Sequence[str], cache: StepCache | None) -> None:
    """Have these steps in the engine's store and in the cache: restored, or else built.

    Raises :class:`zport.errors.UsageError` for a name that the plan does not have, and
    :class:`HostError` when this machine cannot build what is missing.
    """
    steps, engine, console = planned_steps(job), job.request.engine, job.request.console
    wanted = [steps[choose_by_name("step", name, list(steps))] for name in names]
    if cache:
        for step in cache.restore(steps, names):
            console.print(f"restored  {step.summary}", soft_wrap=True)
    missing = missing_steps(steps, names, engine.images())
    _refuse_elsewhere(job, missing)
    if missing:
        job.prepare(missing, job.scope.targets)
        with job.progress.live():
            job.builder.build(missing)
    job.adopt()
    if cache:
        for step in cache.save(wanted):
            console.print(f"pushed    {cache.reference(step)}", soft_wrap=True)
    console.print(f"steps     {len(wanted)} of {len(wanted)} are here, {len(missing)} built")


def _refuse_elsewhere(job: Job, missing: Sequence[Step]) -> None:
    machine = job.scope.machine
    if missing and machine != job.host:
        names = ", ".join(step.name for step in missing)
        raise HostError(
            f"{names} not in the cache, and planned to be built on {machine.name}; this machine "
            f"is {job.host.name}",
            next_step=f"run zport step with the same --cache on {machine.name} first",
        )
