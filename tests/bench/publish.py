"""What a publication costs: the whole, once more without a change, and after a change of one line.

``python -m tests.bench.publish``, as root, from the project's folder; it needs oras and
docker-registry. The agent's images for both targets are published to a registry on loopback: first
all, then again, then with one more line in the agent's code. The images are built beforehand, so
that a time is that of planning, compressing, asking the registry and sending; that of the changed
line has the build of both images in it too, which it tells apart.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.integration.loopback_registry import running_registry
from zport.agents import load_agents
from zport.engines.buildah import Buildah
from zport.job import Job, Request
from zport.plan.planner import AgentPlan
from zport.publish.images import exports
from zport.publish.run import Outcome, Publication, publish
from zport.steps.step import ContextFile, step_key
from zport.targets import parse_targets
from zport.workspace import Workspace

CHANGED = "agent/zport_agent/info.py"
LINE = "\n# One more line.\n"


@dataclass(frozen=True)
class Figure:
    """One publication: seconds of building and of publishing, and what was sent."""

    what: str
    build: float
    publish: float
    blobs: int
    bytes: int


def change_line(job: Job) -> None:
    """Have one more line in a file of the agent's code, in the plan of every image."""
    for place, plan in enumerate(job.agents):
        files = tuple(map(_changed, plan.step.context))
        step = replace(plan.step, context=files, key=step_key(plan.step.dockerfile, list(files)))
        job.planner.steps[step.name] = step
        job.agents[place] = AgentPlan(plan.agent, plan.target, plan.provided, step)


def _changed(file: ContextFile) -> ContextFile:
    if file.path != CHANGED:
        return file
    assert isinstance(file.source, Path)
    return ContextFile.text(file.path, file.source.read_text() + LINE)


class Bench:
    """Publishes an agent again and again."""

    def __init__(self, request: Request, place: str) -> None:
        self.request = request
        self.place = place

    def measure(self, what: str, *, changed: bool = False) -> Figure:
        """Plan, build what is missing and publish; each time as a new zport would."""
        started = time.monotonic()
        job = Job(self.request)
        if changed:
            change_line(job)
        planned = time.monotonic()
        if job.missing():
            job.build()
        built = time.monotonic()
        outcome: Outcome = publish(job, Publication(self.place, what.replace(" ", "-")))[0]
        seconds = time.monotonic() - started - (built - planned)
        if changed:
            self.request.engine.remove([plan.step.image for plan in job.agents])
        return Figure(what, built - planned, seconds, outcome.blobs, outcome.size)


def main(
    arch: Annotated[str, typer.Option(help="targets to publish for")] = "amd64,s390x",
    agent: Annotated[str, typer.Option(help="agent to publish")] = "onnxruntime-debian",
    build_folder: Annotated[Path, typer.Option(help="zport's build folder")] = Path("build"),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Publish three times and print what each cost."""
    for program in ("oras", "docker-registry"):
        if not shutil.which(program):
            raise typer.BadParameter(f"{program} is not installed: run ci/setup-test-host")
    console = Console(stderr=as_json)
    workspace = Workspace(build_folder.resolve())
    request = Request(parse_targets(arch), load_agents(agent), Buildah(), workspace, console,
                      test=False)  # fmt: skip
    job = Job(request)
    if job.missing():
        job.build()
    for plan in job.agents:
        for exported in exports(workspace).glob(f"{plan.step.name}-*"):
            shutil.rmtree(exported)
    with TemporaryDirectory(dir=workspace.root, prefix=".bench.") as name, \
            running_registry(Path(name)) as registry:  # fmt: skip
        bench = Bench(request, f"{registry.address}/bench")
        figures = [
            bench.measure("the whole"),
            bench.measure("no change"),
            bench.measure("one line of the agent", changed=True),
        ]
    if as_json:
        print(json.dumps([figure.__dict__ for figure in figures], indent=2))
        return
    table = Table("publication", "build", "publish", "blobs sent", "bytes sent", "of the whole")
    for figure in figures:
        share = figure.bytes / figures[0].bytes
        table.add_row(figure.what, f"{figure.build:.1f} s", f"{figure.publish:.1f} s",
                      str(figure.blobs), f"{figure.bytes:,}", f"{share:.4f}")  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
