"""Running a suite in its image; what was run under its key is not run again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from zport.engines import TIMED_OUT, Engine, Mount
from zport.errors import BuildError
from zport.matrix.run import runner_of
from zport.progress import Progress
from zport.suites.outcomes import Outcomes, read_outcomes
from zport.suites.plan import SuitePlan
from zport.targets import Target
from zport.workspace import Workspace, digest, part_folder, read_json, write_json

PYTEST = (
    "python3", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider",
    "-o", "junit_family=xunit2", "--junitxml=/results/junit.xml",
)  # fmt: skip
EMULATION = 4
"""An emulated suite may take so many times the recipe's limit."""


@dataclass(frozen=True)
class SuiteRun:
    """A suite's outcomes on one target, and the seconds that it took."""

    plan: SuitePlan
    outcomes: Outcomes
    seconds: float


class SuiteRunner:
    """Runs suites with an engine, as many at once as there are jobs."""

    def __init__(
        self, workspace: Workspace, engine: Engine, progress: Progress, host: Target, jobs: int
    ) -> None:
        self.workspace = workspace
        self.engine = engine
        self.progress = progress
        self.host = host
        self.jobs = jobs

    def run(self, plans: Sequence[SuitePlan]) -> list[SuiteRun]:
        """Run the suites; results come in the order of the plans.

        Raises :class:`BuildError` for a suite that does not end or leaves no results.
        """
        with ThreadPoolExecutor(max_workers=self.jobs) as pool:
            return list(pool.map(self._run, plans))

    def _run(self, plan: SuitePlan) -> SuiteRun:
        key = digest([plan.step.key, plan.suite.model_dump(), list(PYTEST)])[:16]
        folder = self.workspace.results / "suites" / f"{plan.step.name}-{key}"
        with self.workspace.exclusive(f"suite-{folder.name}"):
            if not (folder / "run.json").exists():
                runner = runner_of(plan.target, self.host)
                label = f"{'suite':<10}{plan.recipe.name} on {plan.target.name} ({runner})"
                with self.progress.work(plan.step.name, label):
                    self._run_container(plan, folder.name)
        return SuiteRun(
            plan, read_outcomes(folder / "junit.xml"), read_json(folder / "run.json")["seconds"]
        )

    def _run_container(self, plan: SuitePlan, name: str) -> None:
        log = self.progress.log(plan.step.name)
        emulated = runner_of(plan.target, self.host) != "native"
        limit = plan.suite.seconds * (EMULATION if emulated else 1)
        started = time.monotonic()
        with part_folder(self.workspace.results / "suites" / name) as folder:
            status = self.engine.run(
                plan.step.image, plan.target, [*PYTEST, *plan.suite.pytest],
                [Mount(folder, "/results", writable=True)], log, limit,
            )  # fmt: skip
            if status == TIMED_OUT:
                raise BuildError(
                    f"the suite did not end within {limit} s",
                    where=plan.step.name,
                    next_step="see in the log where it stood; choose fewer tests or raise seconds",
                    log=log,
                )
            read_outcomes(folder / "junit.xml")
            seconds = round(time.monotonic() - started, 1)
            write_json(folder / "run.json", {"seconds": seconds, "status": status})
