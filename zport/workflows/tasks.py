"""The graph of tasks: steps that take long have a task each, what they stand on is one before all.

Tasks run on machines that share nothing but the registry, where built steps lie under their keys,
and the artefacts named here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from zport.errors import UsageError
from zport.job import Job
from zport.matrix.cells import refuse_unproven
from zport.plan.planner import AgentPlan
from zport.plan.wheel import WheelPlan
from zport.steps.step import Step
from zport.targets import REFERENCE, Target

Role = Literal["base", "wheel", "image", "matrix", "publish", "report"]
MINUTES: Mapping[Role, int] = {
    "base": 120, "wheel": 350, "image": 60, "matrix": 180, "publish": 60, "report": 15,
}  # fmt: skip
"""When a task is ended. A wheel has what hosted runners grant at most."""
BASE, PUBLISH, REPORT = "base", "publish", "report"
ZPORT = ".venv/bin/zport"
LOGIN = 'ci/registry-login "$REGISTRY"'
ORAS = "command -v oras || apt-get install --yes --no-install-recommends oras"


@dataclass(frozen=True)
class Command:
    """One shell command line and what a log calls it."""

    title: str
    line: str
    credentials: bool = False


@dataclass(frozen=True)
class Artefact:
    """A folder that one task leaves and others take up, each at its place in the checkout."""

    name: str
    folder: str


@dataclass(frozen=True)
class Task:
    """What one machine does in one go.

    ``target`` is the architecture that it runs programs of. ``always`` has it run also when tasks
    that it ``needs`` have failed, with the artefacts that there are.
    """

    name: str
    role: Role
    summary: str
    commands: tuple[Command, ...]
    needs: tuple[str, ...] = ()
    takes: tuple[Artefact, ...] = ()
    gives: tuple[Artefact, ...] = ()
    target: Target = REFERENCE
    always: bool = False

    @property
    def minutes(self) -> int:
        return MINUTES[self.role]


@dataclass(frozen=True)
class Wanted:
    """What the workflow is asked for, besides what the job says: the agents' and models' names as
    the command line has them, recipes that have a task of their own, and targets that have runners
    of their own."""

    agents: str
    models: str | None = None
    measured: bool = True
    alone: Collection[str] = ()
    native: Collection[Target] = ()


PINS = Artefact("pins", "build/locks")
PAGE = Artefact("page", "page")


def plan_tasks(job: Job, wanted: Wanted) -> list[Task]:
    """The tasks of a job, each after those that it needs.

    Raises :class:`UsageError` when no model would prove one of the agents.
    """
    models = [model for model, _ in job.models.values()]
    refuse_unproven(job.request.agents, models, every=True)
    _ = job.wanted  # Plans all, so that the planner has every wheel.
    lines = _Lines(job, wanted)
    wheels = _long_wheels(job, wanted.alone)
    alone = [*(wheel.step for wheel in wheels), *(agent.step for agent in job.agents)]
    owners = {wheel.step.name: wheel.step.name for wheel in wheels}
    owners |= {agent.step.name: _image_name(agent) for agent in job.agents}
    shared = _shared(job, alone)
    matrix = [_matrix(agent, job, lines, wanted) for agent in job.agents]
    return [
        _base(shared, lines),
        *(_wheel(wheel, owners, lines) for wheel in wheels),
        *(_image(agent, owners, lines) for agent in job.agents),
        *matrix,
        _publish(job, matrix, lines),
        _report(matrix),
    ]


@dataclass(frozen=True)
class _Lines:
    """The command lines that several tasks have in common."""

    job: Job
    wanted: Wanted

    @property
    def arch(self) -> str:
        return ",".join(target.name for target in self.job.targets)

    @property
    def models(self) -> str:
        return f" --model {self.wanted.models}" if self.wanted.models else ""

    def ready(self) -> list[Command]:
        return [
            Command("Set zport up", f"./build.py --setup-only --engine buildah --arch {self.arch}"),
            Command("Log in to the registry", LOGIN, credentials=True),
        ]

    def step(self, title: str, names: Sequence[str], *options: str) -> Command:
        line = " ".join([
            f"{ZPORT} step {' '.join(names)} --engine buildah --agent {self.wanted.agents}",
            f"--arch {self.arch}{self.models} --cache \"$REGISTRY\"", *options,
        ])  # fmt: skip
        return Command(title, line)


def _long_wheels(job: Job, alone: Collection[str]) -> list[WheelPlan]:
    """The wheels that have a task each: the frameworks', and those that were named.

    Raises :class:`UsageError` for a named recipe that the plan has no wheel of.
    """
    planned = {wheel.recipe.name for wheel in job.planner.wheels.values()}
    for name in alone:
        if name not in planned:
            raise UsageError(
                f"the plan has no wheel of {name!r}", where="--alone",
                next_step=f"choose from {', '.join(sorted(planned)) or 'none'}",
            )  # fmt: skip
    names = {agent.versioned for agent in job.request.agents} | set(alone)
    return [wheel for wheel in job.planner.wheels.values() if wheel.recipe.name in names]


def _shared(job: Job, alone: Sequence[Step]) -> list[str]:
    """What several machines stand on: built once, by the first task. Models' files among it."""
    own = {step.name for step in alone}
    needs = [need for step in alone for need in step.needs if need not in own]
    models = [step.name for _, step in job.models.values() if step]
    return list(dict.fromkeys([*needs, *models]))


def _base(shared: Sequence[str], lines: _Lines) -> Task:
    commands = [*lines.ready(), lines.step("Build what all stand on", shared, "--pin")]
    return Task(BASE, "base", "what all images and wheels stand on", tuple(commands), gives=(PINS,))


def _wheel(wheel: WheelPlan, owners: Mapping[str, str], lines: _Lines) -> Task:
    step = wheel.step
    return Task(
        step.name, "wheel", f"{wheel.recipe.name} for {wheel.target.name}",
        (*lines.ready(), lines.step("Build the wheel", [step.name])),
        needs=_owners_of(step, owners), takes=(PINS,),
    )  # fmt: skip


def _image(agent: AgentPlan, owners: Mapping[str, str], lines: _Lines) -> Task:
    return Task(
        _image_name(agent), "image", f"{agent.agent.name} for {agent.target.name}",
        (*lines.ready(), lines.step("Build the image", [agent.step.name])),
        needs=_owners_of(agent.step, owners), takes=(PINS,),
    )  # fmt: skip


def _owners_of(step: Step, owners: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([BASE, *(owners[need] for need in step.needs if need in owners)]))


def _matrix(agent: AgentPlan, job: Job, lines: _Lines, wanted: Wanted) -> Task:
    """The models in one image. Where it is emulated the reference's numbers are made beside it; a
    native machine compares with those that the project keeps."""
    name, target = agent.agent.name, agent.target
    compared_with = {target} if target in wanted.native else {target, REFERENCE}
    images = [one for one in job.agents if one.agent == agent.agent and one.target in compared_with]
    models = [step.name for model, step in job.models.values()
              if step and model.manifest.framework.name == agent.agent.framework]  # fmt: skip
    restored = [*(one.step.name for one in images), *models]
    bench = "" if wanted.measured else " --no-bench"
    run = (
        f"{ZPORT} matrix --engine buildah --agent {name} --arch {target.name}{lines.models}{bench}"
        f" -- -m \"target(name='{target.name}')\" --junit-xml build/results/junit.xml"
    )
    return Task(
        f"matrix-{name}-{target.name}", "matrix", f"{name} on {target.name}",
        (*lines.ready(), lines.step("Restore the images", restored),
         Command("Run the models, compare the numbers", run)),
        needs=(BASE, *map(_image_name, images)), takes=(PINS,),
        gives=(Artefact(f"results-{name}-{target.name}", "build/results"),), target=target,
    )  # fmt: skip


def _publish(job: Job, matrix: Sequence[Task], lines: _Lines) -> Task:
    asked = ",".join(target.name for target in job.request.targets)
    steps = [agent.step for agent in job.agents if agent.target in job.request.targets]
    wheels = [need for step in steps for need in step.needs
              if job.planner.steps[need].role == "wheel"]  # fmt: skip
    built = [*dict.fromkeys(wheels), *(step.name for step in steps)]
    run = f'{ZPORT} publish "$REGISTRY" --engine buildah --agent {lines.wanted.agents} ' \
          f"--arch {asked}"  # fmt: skip
    return Task(
        PUBLISH, "publish", "images and wheels",
        (*lines.ready(), Command("Install the registry's client", ORAS),
         lines.step("Restore all", built), Command("Publish", run)),
        needs=(BASE, *(task.name for task in matrix)), takes=(PINS,),
    )  # fmt: skip


def _report(matrix: Sequence[Task]) -> Task:
    results = [artefact for task in matrix for artefact in task.gives]
    return Task(
        REPORT, "report", "one page of all runs",
        (
            Command("Set zport up", "./build.py --setup-only --engine buildah --arch "
                    f"{REFERENCE.name}"),
            Command("Gather the runs", "ci/gather-runs collected build/results"),
            Command("Write the page", f"{ZPORT} report --out {PAGE.folder}/index.html"),
        ),
        needs=tuple(task.name for task in matrix),
        takes=tuple(Artefact(one.name, f"collected/{one.name}") for one in results),
        gives=(PAGE,), always=True,
    )  # fmt: skip


def _image_name(agent: AgentPlan) -> str:
    return f"image-{agent.agent.name}-{agent.target.name}"
