"""Building a published image again from its provenance, to see whether the same bytes come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zport.errors import TrustError, UsageError
from zport.job import Job
from zport.plan.planner import AgentPlan
from zport.provenance import image_provenance
from zport.publish.images import exports
from zport.publish.layout import make_canonical, read_manifest, well_formed
from zport.publish.verify import VerifiedImage
from zport.steps.build import missing_steps
from zport.steps.context import write_context
from zport.targets import Target, find_target
from zport.workspace import make_folder

Plan = Callable[[str, Target], Job]
"""The job of one agent on one target."""


def rebuild(image: VerifiedImage, plan: Plan) -> str:
    """Build an image again and return the digest that came out, which is the published one.

    Its own step is always built, from nothing but its context; what that stands on is taken by its
    key where the engine has it, and built where not.

    Raises :class:`UsageError` when this checkout is not the one that made it, and
    :class:`TrustError` when other bytes come out.
    """
    job = plan(image.agent, find_target(image.platform))
    own = job.agents[0]
    _require_same_inputs(image, job, own)
    digest, config = _build_again(job, own)
    if digest != image.digest:
        raise TrustError(
            f"building it again gives {digest}, whose configuration is {config}",
            where=image.digest,
            next_step="with the same configuration in both only the compression differs: use the "
            "engine's version of the publisher; else see tests/bench/reproducible.py",
        )
    return digest


def _require_same_inputs(image: VerifiedImage, job: Job, own: AgentPlan) -> None:
    if own.step.key == image.key:
        return
    needs = [job.planner.steps[name] for name in own.step.needs]
    here = image_provenance(own.step, own.agent.name, image.digest, needs)
    with well_formed(image.digest):
        before = _inputs(image.provenance)
    now = _inputs(here)
    changed = sorted(name for name in before | now if before.get(name) != now.get(name))
    commit = before.get("zport")
    raise UsageError(
        f"this checkout makes another image: {len(changed)} inputs differ, "
        f"among them {', '.join(changed[:3])}",
        where=f"{own.agent.name} on {own.target.name}",
        next_step=f"check out {commit}" if commit else "check out the commit that published it",
    )


def _inputs(statement: dict[str, Any]) -> dict[str, str]:
    build = statement["predicate"]["buildDefinition"]
    files = {
        str(one["name"]): next(iter(one["digest"].values()))
        for one in build["resolvedDependencies"]
    }
    return {**files, **build["internalParameters"]["images"]}


def _build_again(job: Job, own: AgentPlan) -> tuple[str, str]:
    """Build the step under another name and export it: digests of manifest and configuration."""
    engine, workspace = job.request.engine, job.request.workspace
    missing = missing_steps(job.planner.steps, own.step.needs, engine.images())
    job.prepare(missing)
    with job.progress.live():
        job.builder.build(missing)
    step = replace(own.step, repository=f"{own.step.repository}-rebuilt")
    log = job.progress.log(f"rebuild-{step.name}")
    with (
        TemporaryDirectory(dir=make_folder(exports(workspace)), prefix=".rebuild.") as name,
        workspace.exclusive(f"step-{step.name}"),
    ):
        with job.progress.live(), job.progress.step(step):
            context = write_context(step, workspace, job.fetcher, log)
            engine.build(context, step.image, step.target, step.epoch, log)
        try:
            layout = Path(name) / "layout"
            engine.export(step.image, layout)
            digest = make_canonical(layout)["digest"]
        finally:
            engine.remove([step.image])
        return digest, read_manifest(layout, digest)["config"]["digest"]
