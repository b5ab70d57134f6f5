"""One request from beginning to end: plan, build, run the matrix, report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from zport import binfmt
from zport.agents import Agent
from zport.debian.packages import Archive
from zport.distribution import TRIXIE, Distribution
from zport.engines import Engine
from zport.errors import BlockedError, DefinitionError, PatchError, UsageError, ZportError
from zport.host import free_space
from zport.matrix.cells import Cell, CellResult, nothing_left, verdict_failure
from zport.matrix.run import CellRunner
from zport.matrix.runners import Place, Runner, find_runner, runner_of
from zport.matrix.verdicts import decide
from zport.models import Model, fetch_files, files_key, load_models, preparation
from zport.plan.origin import Policy, find_origin
from zport.plan.planner import AgentPlan, Planner
from zport.plan.scope import Scope, find_scope
from zport.plan.wheel import WheelPlan, plan_wheel
from zport.progress import Progress
from zport.provenance import provenance_path, write_provenance
from zport.recipes import Mode, Recipe
from zport.report.page import write_page
from zport.report.results import write_results
from zport.report.table import print_verdicts, summary_line
from zport.resolve.providers import Resolver
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index
from zport.steps.bake import write_bake
from zport.steps.build import Builder, missing_steps
from zport.steps.step import Step
from zport.suites.plan import SuitePlan, plan_suite
from zport.targets import REFERENCE, Target, host_target
from zport.wheels.built import wheel_of, write_sbom
from zport.workspace import Workspace, digest, read_json, sha256_file, write_json, write_whole

Planned = TypeVar("Planned")
SPACE = 4_000_000_000
"""Bytes that a build from nothing takes at most, images included."""


def default_jobs() -> int:
    """As many jobs as this process has cores."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    targets: Sequence[Target]
    agents: Sequence[Agent]
    engine: Engine
    workspace: Workspace
    console: Console
    jobs: int = field(default_factory=default_jobs)
    test: bool = True
    mode: Mode | None = None
    base: Policy = "auto"
    refresh: bool = False
    models: Sequence[str] = ()
    recipes: Sequence[str] = ()
    suites: Sequence[str] = ()
    suites_of_distribution: bool = False
    runners: Sequence[str] = ()
    patience: float = 1
    measured: bool = True
    distribution: Distribution = TRIXIE


class Job:
    """A request being served. Planning happens on first use and asks nobody twice."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.host = host_target()
        self.index = Index()
        self.fetcher = Fetcher(request.workspace, self.index)
        run = time.strftime("%Y%m%d-%H%M%S") + f"-{os.getpid()}"
        self.progress = Progress(request.console, request.workspace, run)
        self.unplanned: dict[str, ZportError] = {}
        self.cell_runner = CellRunner(request.workspace, self.progress, request.patience)

    @cached_property
    def targets(self) -> list[Target]:
        """The targets asked for, and the reference where numbers are compared with it here."""
        wanted = list(self.request.targets)
        if self.request.test and self.host == REFERENCE and REFERENCE not in wanted:
            wanted.append(REFERENCE)
        return wanted

    @cached_property
    def scope(self) -> Scope:
        """For which machine and targets the plan is made."""
        return find_scope(self.request.workspace, self.host, self.targets)

    @cached_property
    def archive(self) -> Archive:
        """Debian's archive for all architectures of the plan."""
        names = [target.debian for target in self.scope.all]
        request = self.request
        return Archive(request.workspace, request.distribution, names, refresh=request.refresh)

    @cached_property
    def planner(self) -> Planner:
        """The planner; its steps fill as things are planned."""
        request = self.request
        origin = find_origin(
            request.workspace,
            request.engine,
            request.distribution.image,
            self.scope.all,
            request.base,
            refresh=request.refresh,
        )
        resolver = Resolver(request.workspace, self.index, request.distribution)
        machine = self.scope.machine
        return Planner(machine, request.distribution, self.archive, resolver, origin, request.mode)

    @cached_property
    def agents(self) -> list[AgentPlan]:
        """Every agent on every target."""
        return [
            self.planner.agent(agent, target)
            for agent in self.request.agents
            for target in self.targets
        ]

    @cached_property
    def wheels(self) -> list[WheelPlan]:
        """Every recipe that was asked for on every target, but those that cannot be planned.

        One that is asked for alone raises; of several the others go on.
        """

        def on_every_target(recipe: Recipe) -> list[WheelPlan]:
            steps = [plan_wheel(self.planner, recipe, target) for target in self.targets]
            return [self.planner.wheels[step.name] for step in steps]

        return list(chain.from_iterable(self._planned(self.request.recipes, on_every_target)))

    @cached_property
    def suites(self) -> dict[str, list[SuitePlan]]:
        """The suite of every recipe that was asked for, on every target; else as ``wheels``."""

        def on_every_target(recipe: Recipe) -> list[SuitePlan]:
            return [
                plan_suite(
                    self.planner, recipe, target, distribution=self.request.suites_of_distribution
                )
                for target in self.targets
            ]

        planned = self._planned(self.request.suites, on_every_target)
        return {plans[0].title: plans for plans in planned}

    def _planned(self, names: Sequence[str], plan: Callable[[Recipe], Planned]) -> list[Planned]:
        """What can be planned of these recipes; the others' errors are kept."""
        planned = []
        for name in names:
            try:
                planned.append(plan(self.planner.resolver.recipe(name)))
            except (BlockedError, DefinitionError, PatchError) as error:
                if len(names) == 1:
                    raise
                self.unplanned[name] = error
        return planned

    def raise_unplanned(self) -> None:
        """Tell of every recipe that could not be planned, and fail as the first of them does."""
        errors = list(self.unplanned.items())
        for name, error in errors[1:]:
            self.request.console.print(f"not planned: {name}: {error}", style="red",
                                       soft_wrap=True, markup=False)  # fmt: skip
        if errors:
            raise errors[0][1]

    @cached_property
    def models(self) -> dict[str, tuple[Model, Step | None]]:
        """The models that some agent of the request can run, with the step that prepares each."""
        if not self.request.test:
            return {}
        frameworks = {agent.framework for agent in self.request.agents}
        return {
            model.name: (model, preparation(model, self.planner))
            for model in load_models(self.request.models)
            if model.manifest.framework.name in frameworks
        }

    @cached_property
    def wanted(self) -> list[str]:
        """The steps whose results are asked for; the others are there for these."""
        prepared = [step.name for _, step in self.models.values() if step]
        agents = [agent.step.name for agent in self.agents]
        wheels = [wheel.step.name for wheel in self.wheels]
        suites = [suite.step.name for plans in self.suites.values() for suite in plans]
        return [*agents, *wheels, *suites, *prepared]

    def want(self, step: Step) -> None:
        """Ask for one more step's result."""
        self.wanted.append(step.name)

    def missing(self) -> list[Step]:
        """The steps that have to be built."""
        wanted = self.wanted
        return missing_steps(self.planner.steps, wanted, self.request.engine.images())

    @cached_property
    def runners(self) -> list[Runner]:
        """The runners asked for, or this machine's; and always the reference's, for comparison.

        Raises :class:`UsageError` for one that runs none of the targets.
        """
        request = self.request
        here = Place(request.engine, request.workspace, self.host, request.jobs)
        local = [runner_of(target, self.host) for target in self.targets]
        wanted = [find_runner(name, here) for name in dict.fromkeys(request.runners or local)]
        for runner in wanted if request.runners else ():
            if not any(runner.runs(target) for target in request.targets):
                raise UsageError(
                    f"{runner.name} runs none of {', '.join(t.name for t in request.targets)}",
                    where="--runner", next_step="name its own architecture after --arch",
                )  # fmt: skip
        names = [runner.name for runner in wanted]
        if REFERENCE in self.targets and (own := runner_of(REFERENCE, self.host)) not in names:
            wanted.append(find_runner(own, here))
        return wanted

    def cells(self) -> list[Cell]:
        """Every model in every agent image that runs its framework, by every runner that can."""
        return [
            Cell(
                model,
                agent,
                runner.name,
                self.request.workspace.models / f"{model.name}-{files_key(model, step)}",
                files_key(model, step),
                measured=self.request.measured,
            )
            for model, step in self.models.values()
            for agent in self.agents
            if model.manifest.framework.name == agent.agent.framework
            for runner in self.runners
            if runner.runs(agent.target) and not self._is_left_out(model, runner)
        ]

    def left_out(self) -> dict[str, list[str]]:
        """The models that a runner is spared, by the runner's name."""
        frameworks = {agent.agent.framework for agent in self.agents}
        models = [m for m, _ in self.models.values() if m.manifest.framework.name in frameworks]
        return {
            runner.name: names
            for runner in self.runners
            if (names := [model.name for model in models if self._is_left_out(model, runner)])
        }

    def _is_left_out(self, model: Model, runner: Runner) -> bool:
        """Whether a model is too heavy to be emulated without being named."""
        return runner.emulated and model.is_heavy and model.name not in self.request.models

    def finished(self) -> dict[str, Any] | None:
        """The record of the run that did all this already, if there is one."""
        if self.missing():
            return None
        known: dict[str, Any] | None = read_json(self._record())
        return known

    def build(self) -> None:
        """Build what is missing, and write the whole plan beside it."""
        request, missing = self.request, self.missing()
        self.prepare(missing)
        try:
            with self.progress.live():
                self.builder.build(missing)
        except ZportError:
            with suppress(ZportError):  # What was built is kept; the build's own error is told.
                self.adopt()
            raise
        self.adopt()
        write_bake(self.planner.steps, self.wanted, request.workspace, self.fetcher)
        for agent in self.agents:
            request.engine.tag(agent.step.image, self.name_of(agent))

    def prepare(self, missing: Sequence[Step], targets: Sequence[Target] | None = None) -> None:
        """Have what building takes besides the steps: space, pulled roots, emulators.

        ``targets`` are those that may be emulated; the job's own where none are named. Raises
        :class:`zport.errors.HostError` for what this host lacks.
        """
        request = self.request
        free_space(request.workspace.root, SPACE)
        for target in {step.target for step in missing}:
            self.planner.origin.restore(request.engine, target)
        foreign = [one for one in targets or self.targets if one != self.host]
        binfmt.register_emulators(foreign)

    @cached_property
    def builder(self) -> Builder:
        """What builds missing steps."""
        request = self.request
        return Builder(request.workspace, request.engine, self.fetcher, self.progress, request.jobs)

    def adopt(self) -> None:
        """Take what the engine has of the plan; write provenance and SBOM beside every wheel."""
        self.builder.adopt(self.planner.steps.values())
        for plan in self.planner.wheels.values():
            wheel = wheel_of(plan.step, self.request.workspace)
            if wheel and not provenance_path(wheel).exists():
                needs = [self.planner.steps[name] for name in plan.step.needs]
                write_sbom(wheel)
                write_provenance(plan.step, plan.recipe, wheel, plan.mode, needs)

    def name_of(self, agent: AgentPlan) -> str:
        """The name that people use: ``zport/onnxruntime:1.21.0-<target>``."""
        return f"{agent.step.repository}:{agent.version}-{agent.target.name}"

    def run_matrix(self) -> list[CellResult]:
        """Run and judge all cells, print the table and write the results file."""
        with self.progress.live():
            self.fetch_models()
            runs = self.cell_runner.run(self.cells(), self.runners)
        return decide(runs, self.judge, self.request.engine, self.request.workspace)

    def fetch_models(self) -> None:
        """Have the files of every model in the workspace."""
        request = self.request
        for model, step in self.models.values():
            fetch_files(model, step, request.workspace, self.fetcher, request.engine)

    @property
    def judge(self) -> AgentPlan:
        """The agent whose image compares: one that runs natively, if there is one."""
        native = [agent for agent in self.agents if agent.target == self.host]
        return (native or self.agents)[0]

    def report(self, results: list[CellResult]) -> None:
        """Print and keep what was found. Raises :class:`VerdictError` unless all cells pass."""
        request = self.request
        if not results:
            raise nothing_left()
        facts = {a.step.image: request.engine.facts(a.step.image) for a in self.agents}
        path = write_results(
            request.workspace, self.host, request.engine.name, self.agents, facts, results
        )
        print_verdicts(request.console, results)
        passed = all(result.verdict == "pass" for result in results)
        summary = summary_line(results)
        write_json(self._record(), {"passed": passed, "summary": summary, "results": str(path)})
        page = write_page(request.workspace)
        request.console.print(f"{summary} · results {path} · page {page}", soft_wrap=True)
        if not passed:
            raise verdict_failure(summary, str(path))

    def store_expectations(self, results: list[CellResult]) -> list[str]:
        """Keep the reference's outputs in the repository as what is expected from now on."""
        kept = []
        for result in results:
            if result.cell.is_reference and result.run.failure is None:
                write_whole(result.cell.model.expected, result.run.outputs.read_bytes())
                kept.append(result.cell.model.name)
        if not kept:
            raise DefinitionError(
                f"no model ran on {REFERENCE.name}",
                next_step=f"run this on {REFERENCE.name} and read the cells' logs",
            )
        return kept

    def _record(self) -> Path:
        keys = [agent.step.key for agent in self.agents]
        for cell in self.cells():
            expected = cell.model.expected
            keys += [cell.key, sha256_file(expected) if expected.exists() else ""]
        name = digest([self.request.engine.name, sorted(keys)])[:16]
        return self.request.workspace.results / "finished" / f"{name}.json"
