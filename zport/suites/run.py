"""Running a suite in its image; what was run under its key is not run again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zport.binfmt import emulator_version
from zport.engines import TIMED_OUT, Engine, Mount
from zport.errors import BuildError
from zport.matrix.runners import QEMU, runner_of
from zport.progress import Progress
from zport.suites.outcomes import Outcomes, read_outcomes
from zport.suites.plan import SuitePlan
from zport.targets import Target
from zport.untrusted import keep_plain
from zport.workspace import Workspace, digest, part_folder, read_json, write_json

PYTEST = (
    "python3", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider",
    "-o", "junit_family=xunit1", "--junitxml=/results/junit.xml",
)  # fmt: skip
"""Of JUnit's two forms the first, which names each test's file."""
RAN = (0, 1)
"""pytest's statuses that say that the tests ran: all passed, or some failed."""
TROUBLE = {
    2: "pytest could not collect",
    3: "pytest broke",
    4: "pytest does not take these arguments",
    5: "no test was selected",
}
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

        Raises :class:`BuildError` for a suite that does not end, leaves no results, or in which
        no test passed: that would be equal on all targets and prove nothing. It is not kept.
        """
        with ThreadPoolExecutor(max_workers=self.jobs) as pool:
            return list(pool.map(self._run, plans))

    def _run(self, plan: SuitePlan) -> SuiteRun:
        parts: list[object] = [plan.step.key, plan.suite.model_dump(), list(PYTEST)]
        if runner_of(plan.target, self.host) == QEMU:
            parts.append(emulator_version(plan.target))
        key = digest(parts)[:16]
        folder = self.workspace.results / "suites" / f"{plan.step.name}-{key}"
        with self.workspace.exclusive(f"suite-{folder.name}"):
            if not (folder / "run.json").exists():
                runner = runner_of(plan.target, self.host)
                label = f"{'suite':<10}{plan.subject} on {plan.target.name} ({runner})"
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
            keep_plain(folder)
            if status == TIMED_OUT:
                raise BuildError(
                    f"the suite did not end within {limit} s",
                    where=plan.step.name,
                    next_step="see in the log where it stood; choose fewer tests or raise seconds",
                    log=log,
                )
            _require_passed(status, folder / "junit.xml", plan.step.name, log)
            seconds = round(time.monotonic() - started, 1)
            write_json(folder / "run.json", {"seconds": seconds, "status": status})


def _require_passed(status: int, junit: Path, where: str, log: Path) -> None:
    """Raise :class:`BuildError` unless pytest came to its end and some test passed."""
    if status not in RAN:
        raise BuildError(
            f"{TROUBLE.get(status, 'pytest did not end well')}: status {status}",
            where=where,
            next_step="read the log; mend [suite] of the recipe, or what its tests need",
            log=log,
        )
    counts = read_outcomes(junit, log).counts
    if not counts["passed"]:
        raise BuildError(
            f"no test passed: {counts['failed'] + counts['error']} failed, "
            f"{counts['skipped']} were skipped",
            where=where,
            next_step="read the log for why; mend [suite] of the recipe, or what its tests need",
            log=log,
        )
