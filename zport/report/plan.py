"""The plan in words: where requirements come from, what will be built, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from zport import __version__
from zport.debian.packages import upstream_version
from zport.defects import defects_of
from zport.matrix.runners import runner_of
from zport.plan.planner import AgentPlan
from zport.resolve.providers import PROVIDER_WORDS
from zport.steps.build import last_seconds, why_build
from zport.steps.step import Step
from zport.targets import REFERENCE

if TYPE_CHECKING:
    from zport.job import Job


def print_head(job: Job) -> None:
    """One line for each target: what is built where, by which engine and runner."""
    for target in job.request.targets:
        runner = runner_of(target, job.host)
        untried = "" if target.run_here else " · not run yet on this target"
        job.request.console.print(
            f"zport {__version__} · target {target.name} ({target.byte_order_phrase}) on "
            f"{job.host.name} · engine {job.request.engine.name} · runner {runner}{untried}",
            soft_wrap=True,
        )


def print_plan(job: Job, *, verbose: bool) -> None:
    """Providers of every agent and the steps to build; with ``verbose`` each by name."""
    console = job.request.console
    for agent in job.agents:
        extra = ""
        if agent.target == REFERENCE and agent.target not in job.request.targets:
            extra = " · the reference that numbers are compared with"
        console.print(
            f"plan      {agent.agent.name} agent {agent.target.name}: {_counted(agent)}{extra}",
            soft_wrap=True,
        )
        if verbose:
            console.print(_requirements(agent), soft_wrap=True)
        for danger in dangers(agent):
            console.print(f"warning   {danger}", style="yellow", soft_wrap=True, markup=False)
    if job.archive.left_out:
        left_out = ", ".join(job.archive.left_out)
        console.print(f"warning   the archive does not serve {left_out}: left out", style="yellow",
                      soft_wrap=True)  # fmt: skip
    if (name := job.archive.served.name) != (suite := job.archive.distribution.suite):
        console.print(f"note      the mirror has only a part of {suite}'s lists: they are read "
                      f"under its other name, {name}", soft_wrap=True)  # fmt: skip
    missing, total = job.missing(), len(job.planner.steps)
    console.print(f"steps     {len(missing)} of {total} to build, first roots "
                  f"{job.planner.origin.phrase}")  # fmt: skip
    if verbose:
        console.print(_steps(job, missing), soft_wrap=True)


def print_left_out(job: Job) -> None:
    """A line for each runner that some models are too heavy for."""
    for runner, names in job.left_out().items():
        job.request.console.print(
            f"left out  {', '.join(names)} by {runner}: emulating them takes long; "
            f"to run one, name it: --model {names[0]}",
            soft_wrap=True,
        )


def _counted(agent: AgentPlan) -> str:
    counts = Counter(provided.kind for provided in agent.provided)
    parts = [f"{counts[kind]} {word}" for kind, word in PROVIDER_WORDS.items() if counts[kind]]
    return f"{len(agent.provided)} requirements = {' + '.join(parts)}, none blocked"


def dangers(agent: AgentPlan) -> list[str]:
    """A line for each defect that makes numbers of the image wrong, with the next step."""
    dangers = []
    for provided in agent.provided:
        version = upstream_version(provided.version) if provided.package else provided.version
        dangers += [
            f"{provided.package or provided.name} {version} on {agent.target.name}: "
            f"{defect.wrong}; next: {defect.fix}"
            for defect in defects_of(provided.name, version, agent.target)
            if defect.kind == "numbers"
            and not (provided.kind == "recipe" and defect.mended_by_recipe)
        ]
    return dangers


def _requirements(agent: AgentPlan) -> str:
    lines = []
    for provided in agent.provided:
        source = provided.package or (provided.file.filename if provided.file else "")
        kind = PROVIDER_WORDS[provided.kind]
        lines.append(f"{'':10}{provided.name:<20}{provided.version:<18}{kind:<17}{source}")
    return "\n".join(lines)


def _steps(job: Job, missing: Sequence[Step]) -> str:
    lines = []
    for step in job.planner.steps.values():
        if step in missing:
            known = last_seconds(job.request.workspace, step)
            took = f", took {known:.0f} s the last time" if known else ""
            state = f"build: {why_build(job.request.workspace, step)}{took}"
        else:
            state = "up to date"
        lines.append(f"{'':10}{step.name:<36}{state}")
    return "\n".join(lines)
