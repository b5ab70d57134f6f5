"""Building: the plan's steps are run in order, side by side where they do not depend."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from zport.engines import Engine
from zport.errors import ZportError
from zport.progress import Progress
from zport.sources.fetch import Fetcher
from zport.steps.context import write_context
from zport.steps.step import Step, step_inputs
from zport.wheels.built import take_wheel
from zport.workspace import Workspace, read_json, write_json


def missing_steps(
    steps: Mapping[str, Step], wanted: Iterable[str], present: Collection[str]
) -> list[Step]:
    """The steps whose images are absent and needed for the wanted ones, in build order.

    A step that is present needs nothing: what it was made of may be gone.
    """
    missing: dict[str, Step] = {}

    def visit(name: str) -> None:
        step = steps[name]
        if name in missing or step.image in present:
            return
        for need in step.needs:
            visit(need)
        missing[name] = step

    for name in wanted:
        visit(name)
    return list(missing.values())


class Builder:
    """Builds missing steps with an engine, as many at once as there are jobs."""

    def __init__(
        self, workspace: Workspace, engine: Engine, fetcher: Fetcher, progress: Progress, jobs: int
    ) -> None:
        self.workspace = workspace
        self.engine = engine
        self.fetcher = fetcher
        self.progress = progress
        self.jobs = jobs

    def build(self, steps: list[Step]) -> None:
        """Build the steps. A failure stops only what needs it; the first one is raised at the end.

        The raised :class:`ZportError` says in its next step what else failed, with the log, and
        what was not tried because of it.
        """
        names = {step.name: step for step in steps}
        order = TopologicalSorter({
            step.name: [need for need in step.needs if need in names] for step in steps
        })  # fmt: skip
        order.prepare()
        failures: dict[str, ZportError] = {}
        running: dict[Future[None], str] = {}
        done: set[str] = set()
        with ThreadPoolExecutor(max_workers=self.jobs) as pool:
            while order.is_active():
                for name in order.get_ready():
                    running[pool.submit(self._build_step, names[name])] = name
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    error = future.exception()
                    if error is None:
                        done.add(name)
                        order.done(name)
                    elif isinstance(error, ZportError):
                        failures[name] = error
                    else:
                        raise error
        if failures:
            raise _whole_failure(failures, [n for n in names if n not in {*done, *failures}])

    def adopt(self, steps: Iterable[Step]) -> None:
        """Make the build folder whole for steps whose images another checkout has built."""
        present = self.engine.images()
        for step in steps:
            if step.image not in present:
                continue
            known = last_build(self.workspace, step)
            if known is None or known["key"] != step.key:
                self._remember(step, None)
            if step.role == "wheel":
                take_wheel(step, self.engine, self.workspace)

    def _build_step(self, step: Step) -> None:
        log = self.progress.log(step.name)
        with self.workspace.exclusive(f"step-{step.name}"):
            if step.image not in self.engine.images():
                with self.progress.step(step, expected=last_seconds(self.workspace, step)):
                    started = time.monotonic()
                    context = write_context(step, self.workspace, self.fetcher, log)
                    self.engine.build(context, step.image, step.target, step.epoch, log)
                    self._remember(step, time.monotonic() - started)
            if step.role == "wheel":
                take_wheel(step, self.engine, self.workspace)

    def _remember(self, step: Step, seconds: float | None) -> None:
        taken = round(seconds, 1) if seconds is not None else None
        record = {"seconds": taken, "key": step.key, "inputs": step_inputs(step)}
        write_json(_record_of(self.workspace, step), record)


def why_build(workspace: Workspace, step: Step) -> str:
    """Why a step has to be built: never built, image gone, or which of its inputs changed."""
    known = last_build(workspace, step)
    if known is None:
        return "new"
    if known["key"] == step.key:
        return "its image is gone"
    before, now = known["inputs"], step_inputs(step)
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    shown = ", ".join(sorted(changed)[:3])
    return f"changed: {shown}" + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")


def last_build(workspace: Workspace, step: Step) -> dict[str, Any] | None:
    """What is remembered of the step's last build: seconds, key and inputs by name."""
    known: dict[str, Any] | None = read_json(_record_of(workspace, step))
    return known


def last_seconds(workspace: Workspace, step: Step) -> float | None:
    """How long the step's last build took here, if it was built here."""
    known = last_build(workspace, step)
    return known["seconds"] if known else None


def _record_of(workspace: Workspace, step: Step) -> Path:
    return workspace.root / "builds" / f"{step.name}.json"


def _whole_failure(failures: Mapping[str, ZportError], untried: Collection[str]) -> ZportError:
    """The first failure, which tells of the others and of what was not tried."""
    first, *others = failures.items()
    parts = [first[1].next_step] if first[1].next_step else []
    for name, error in others:
        seen = f" (log {error.log})" if error.log else ""
        parts.append(f"{name} failed too: {error.message}{seen}")
    if untried:
        parts.append(f"not tried because of it: {', '.join(untried)}")
    first[1].next_step = "; ".join(parts) or None
    return first[1]
