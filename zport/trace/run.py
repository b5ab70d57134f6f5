"""Tracing a model in the built images, and keeping what comes out.

Sides run one after the other: two at once would disturb each other's times.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from zport_agent.trace.levels import parse_levels

from zport.agents import Agent
from zport.engines import Mount
from zport.errors import EngineError, UsageError
from zport.job import Job
from zport.matrix.runners import runner_of
from zport.models import Model, fetch_files, load_model, load_models, preparation
from zport.plan.planner import AgentPlan
from zport.trace.chrome import chrome_trace
from zport.trace.flame import flame_page
from zport.trace.spans import Trace, read_trace
from zport.verbs import run_verb
from zport.workspace import make_folder, part_folder, write_json, write_whole

TRACE, CHROME, FLAME = "trace.otlp.json", "trace.chrome.json", "flame.html"


@dataclass(frozen=True)
class Settings:
    """What is traced: a level's name or ``full``, and how often each input runs, recorded and
    before that; ``threads`` is the number for one operator."""

    level: str
    iterations: int
    warmup: int
    threads: int

    def check(self) -> None:
        """Raise :class:`UsageError` for a level that is none."""
        try:
            parse_levels(self.level)
        except ValueError as error:
            raise UsageError(str(error), where="--level") from error

    @property
    def name(self) -> str:
        """The level's short name."""
        levels = parse_levels(self.level)
        return "full" if len(levels) > 1 else levels[0].removesuffix("_TRACE").lower()

    @property
    def flags(self) -> list[str]:
        return ["--level", self.name, "--iterations", str(self.iterations),
                "--warmup", str(self.warmup), "--threads", str(self.threads)]  # fmt: skip


@dataclass(frozen=True)
class Traced:
    """One side's trace, and the folder with its file and its views."""

    side: str
    folder: Path
    trace: Trace

    @property
    def file(self) -> Path:
        return self.folder / TRACE


def find_model(text: str, agent: Agent) -> Model:
    """The project's model of that name, or the one in a folder. Raises :class:`UsageError` unless
    the agent runs its framework."""
    folder = Path(text)
    if (folder / "manifest.yml").is_file():
        model = load_model(folder.resolve())
    elif len(folder.parts) > 1:
        raise UsageError(f"{text} has no manifest.yml",
                         next_step="name a model, or a folder with manifest.yml")  # fmt: skip
    else:
        [model] = load_models([text])
    framework = model.manifest.framework.name
    if framework.lower() != agent.framework:
        raise UsageError(f"{model.name} is a model of {framework}; {agent.name} runs "
                         f"{agent.framework}", where="--agent")  # fmt: skip
    return model


def run_trace(job: Job, model: Model, settings: Settings) -> list[Traced]:
    """Trace the model in each image of the job. Raises any :class:`zport.errors.ZportError`."""
    request = job.request
    step = preparation(model, job.planner)
    if step:
        job.want(step)
    job.build()
    files = fetch_files(model, step, request.workspace, job.fetcher, request.engine)
    traced = []
    with job.progress.live():
        for plan in job.agents:
            runner = runner_of(plan.target, job.host)
            side = f"{plan.agent.name} on {plan.target.name} ({runner})"
            label = f"{'trace':<10}{model.name} in {side}"
            with job.progress.work(f"trace-{plan.step.name}", label):
                folder = _trace_side(job, plan, model, files, settings)
            traced.append(Traced(side, folder, _write_views(folder, side)))
    return traced


def _trace_side(job: Job, plan: AgentPlan, model: Model, files: Path, settings: Settings) -> Path:
    """Run the agent program's ``trace``; returns the folder that keeps the trace."""
    workspace, emulated = job.request.workspace, plan.target != job.host
    log = workspace.logs / f"trace-{model.name}-{plan.step.name}-{os.getpid()}.log"
    traces = make_folder(workspace.root / "traces")
    folder = traces / f"{model.name}-{plan.agent.name}-{plan.target.name}-{settings.name}"
    with TemporaryDirectory(dir=traces, prefix=".work.") as name:
        work = Path(name)
        work.chmod(0o777)  # the image's user is not the host's
        failure = run_verb(
            job.request.engine,
            plan,
            job.host,
            ["trace", "--model", "/model", "--files", "/files", "--out", "/out", *settings.flags,
             *(["--emulated"] if emulated else [])],
            [Mount(model.folder, "/model"), Mount(files, "/files"),
             Mount(work, "/out", writable=True)],
            log,
        )  # fmt: skip
        if failure:
            raise EngineError(failure, where=f"trace of {model.name} in {plan.step.image}",
                              next_step="read the log", log=log)  # fmt: skip
        read_trace(work / TRACE)
        with part_folder(folder) as part:
            shutil.copyfile(work / TRACE, part / TRACE)
    return folder


def _write_views(folder: Path, side: str) -> Trace:
    trace = read_trace(folder / TRACE)
    write_json(folder / CHROME, chrome_trace(trace, side))
    write_whole(folder / FLAME, flame_page(trace, side))
    return trace
