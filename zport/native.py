"""A plan for several build machines: every target on a machine of its own architecture.

Nothing is compiled across and nothing is emulated, so no step of one machine needs one of another:
the plans of the targets lie side by side in one bake file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from zport.engines.buildx import bake, require_nodes
from zport.host import free_space
from zport.job import SPACE, Job, Request
from zport.plan.planner import AgentPlan
from zport.plan.scope import Scope
from zport.steps.bake import write_bake
from zport.steps.build import missing_steps
from zport.steps.step import Step

FILE = "native-bake"


class NativeJob(Job):
    """A job of one target, on a machine of the target's own architecture."""

    @cached_property
    def scope(self) -> Scope:
        target = self.request.targets[0]
        return Scope(target, (target,))


@dataclass(frozen=True)
class NativePlan:
    """The jobs of the targets, one each, and their steps together."""

    jobs: Sequence[Job]
    steps: dict[str, Step]

    @property
    def agents(self) -> list[tuple[Job, AgentPlan]]:
        """Every agent's image with the job that planned it."""
        return [(job, agent) for job in self.jobs for agent in job.agents]

    @property
    def wanted(self) -> list[str]:
        """The names of the steps that make the agents' images."""
        return [agent.step.name for _, agent in self.agents]


def plan_natively(request: Request) -> NativePlan:
    """Every agent on every target, each target planned for a machine of its own architecture.

    Raises what planning raises, such as :class:`zport.errors.BlockedError`.
    """
    jobs: list[Job] = []
    steps: dict[str, Step] = {}
    for target in request.targets:
        job = NativeJob(replace(request, targets=[target], test=False))
        _ = job.agents
        steps |= job.planner.steps
        jobs.append(job)
    return NativePlan(jobs, steps)


def write_native_bake(plan: NativePlan) -> Path:
    """Write the bake file of a native plan, and every context that it names."""
    job = plan.jobs[0]
    return write_bake(plan.steps, plan.wanted, job.request.workspace, job.fetcher, FILE)


def missing_images(plan: NativePlan) -> list[str]:
    """The names of the images' steps that the engine's store does not have."""
    wanted = plan.wanted
    missing = missing_steps(plan.steps, wanted, plan.jobs[0].request.engine.images())
    return [step.name for step in missing if step.name in wanted]


def build_natively(plan: NativePlan, builder: str) -> Path:
    """Build the missing images on a builder's nodes; returns the bake file.

    Raises :class:`zport.errors.EngineError` for a builder without a node for a target, and for a
    node that goes away.
    """
    job = plan.jobs[0]
    request, progress = job.request, job.progress
    targets = [one.request.targets[0] for one in plan.jobs]
    for node in require_nodes(builder, targets):
        platforms = ", ".join(sorted(node.native or node.platforms))
        request.console.print(f"node      {node.name} at {node.endpoint}: {platforms}",
                              soft_wrap=True)  # fmt: skip
    missing = missing_images(plan)
    free_space(request.workspace.root, SPACE)
    file = write_native_bake(plan)
    if missing:
        bake(file, missing, builder, progress.log(f"builder-{builder}"))
    for own, agent in plan.agents:
        request.engine.tag(agent.step.image, own.name_of(agent))
    return file
