"""Whether building twice gives the same bytes: the wheels, and every layer of the images.

``python -m tests.bench.reproducible --arch s390x``, as root, from the project's folder. The base,
the wheels and the agent of a target are built twice, in two folders with different paths, nothing
from the layer cache; the images and toolchain on which they are built are those that are there.
Exit status 1 if a byte differs; then the files that differ are told.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tests.bench.uncached import build_uncached
from zport import binfmt
from zport.agents import load_agents
from zport.engines.buildah import Buildah
from zport.engines.process import ask
from zport.job import Job, Request
from zport.steps.build import Builder, missing_steps
from zport.steps.context import write_context
from zport.steps.step import Step
from zport.targets import Target, find_target
from zport.workspace import Workspace, make_folder, sha256_file

REBUILT = ("base", "wheel", "agent")
SEEDED = ("cache", "locks", "apt")
SHOWN = 20


@dataclass(frozen=True)
class Output:
    """What one build of a step gave."""

    step: str
    image: str
    layers: tuple[str, ...]
    wheels: dict[str, str]

    def parts(self) -> dict[str, str]:
        """Everything that has to be the same, by its name."""
        layers = {f"layer {n}": digest for n, digest in enumerate(self.layers, 1)}
        return {**self.wheels, **layers, "image": self.image}


class Bench:
    """Builds an agent's steps anew, as often as asked, each time in another folder."""

    def __init__(self, agent: str, target: Target, workspace: Workspace, console: Console) -> None:
        self.engine = Buildah()
        self.workspace = workspace
        request = Request(
            [target], load_agents(agent), self.engine, workspace, console,
            test=False, base="bootstrap",
        )  # fmt: skip
        job = self.job = Job(request)
        if target != job.host:
            binfmt.register_emulators([target])
        wanted = [plan.step.name for plan in job.agents]
        every = missing_steps(job.planner.steps, wanted, set())
        self.steps = [s for s in every if s.role in REBUILT and s.target == target]
        tools = [need for step in self.steps for need in step.needs if need not in self.names]
        missing = missing_steps(job.planner.steps, tools, self.engine.images())
        Builder(workspace, self.engine, job.fetcher, job.progress, request.jobs).build(missing)

    @property
    def names(self) -> dict[str, str]:
        """The rebuilt steps, and what their images are called here: the real ones stay."""
        return {step.name: f"localhost/zport-bench/{step.name}:1" for step in self.steps}

    def build(self, folder: Path) -> list[Output]:
        """Build every step in a new build folder, and take what came out."""
        workspace = Workspace(folder)
        for name in SEEDED:
            if (self.workspace.root / name).exists():
                shutil.copytree(self.workspace.root / name, folder / name, copy_function=os.link)
        return [self._build(step, workspace) for step in self.steps]

    def _build(self, step: Step, workspace: Workspace) -> Output:
        log = self.job.progress.log(f"bench-{workspace.root.name}-{step.name}")
        context = write_context(step, workspace, self.job.fetcher, log)
        text = step.dockerfile
        for other in self.steps:
            text = text.replace(other.image, self.names[other.name])
        (context / "Dockerfile").write_text(text)
        image = self.names[step.name]
        with self.job.progress.step(step):
            build_uncached(step, context, image, log)
        taken = self.engine.extract(image, step.target, "*.whl", workspace.root)
        identity = ask(["buildah", "inspect", "--type", "image", "-f", "{{.FromImageID}}", image])
        return Output(
            step.name,
            f"sha256:{identity.strip()}",
            self.engine.facts(image).layers,
            {path.name: f"sha256:{sha256_file(path)}" for path in taken},
        )

    def keep(self, folder: Path) -> None:
        """Lay the images down as they are now, to look into if others turn out different."""
        for step in self.steps:
            there = f"oci:{make_folder(folder) / step.name}:1"
            ask(["buildah", "push", "--quiet", self.names[step.name], there])

    def forget(self) -> None:
        """Take this bench's images out of the store."""
        for image in reversed(self.names.values()):
            if image in self.engine.images():
                ask(["buildah", "rmi", image])


def differing_files(first: Path, second: Path) -> list[str]:
    """The members that differ in the layers of two images in OCI layout."""
    before, now = _members(first), _members(second)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _members(layout: Path) -> dict[str, tuple[Any, ...]]:
    def blob(digest: str) -> Path:
        return layout / "blobs" / digest.replace(":", "/")

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    members: dict[str, tuple[Any, ...]] = {}
    for number, layer in enumerate(manifest["layers"], 1):
        with tarfile.open(blob(layer["digest"])) as archive:
            for place, member in enumerate(archive):
                file = archive.extractfile(member) if member.isfile() else None
                content = hashlib.file_digest(file, "sha256").hexdigest() if file else ""
                what = (member.mode, member.uid, member.gid, member.mtime, member.linkname)
                members[f"layer {number}: {member.name}"] = (place, *what, content)
    return members


def main(
    arch: Annotated[str, typer.Option(help="target to build for")] = "s390x",
    agent: Annotated[str, typer.Option(help="agent to build")] = "onnxruntime",
    build_folder: Annotated[Path, typer.Option(help="zport's build folder")] = Path("build"),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Build twice, compare everything, and fail if anything differs."""
    console = Console(stderr=as_json)
    workspace = Workspace(build_folder.resolve())
    bench = Bench(agent, find_target(arch), workspace, console)
    different: dict[str, list[str]] = {}
    with TemporaryDirectory(dir=workspace.root, prefix=".bench.") as name:
        scratch = Path(name)
        try:
            first = bench.build(scratch / "first")
            bench.keep(scratch / "images" / "first")
            second = bench.build(scratch / "a" / "second-and-longer")
            differing = [b.step for a, b in zip(first, second, strict=True) if a != b]
            if differing:
                bench.keep(scratch / "images" / "second")
                for step in differing:
                    images = [scratch / "images" / n / step for n in ("first", "second")]
                    different[step] = differing_files(*images)
        finally:
            bench.forget()
    if as_json:
        both = {"first": first, "second": second}
        outputs = {n: {o.step: o.parts() for o in found} for n, found in both.items()}
        print(json.dumps({**outputs, "different": different}, indent=2))
    else:
        _print(console, first, second, different)
    raise typer.Exit(1 if differing else 0)


def _print(
    console: Console, first: list[Output], second: list[Output], different: dict[str, list[str]]
) -> None:
    table = Table("step", "what", "first build", "second build", title="Built twice")
    for before, now in zip(first, second, strict=True):
        ours, theirs = before.parts(), now.parts()
        for what in {**ours, **theirs}:
            one, other = (parts.get(what, "none") for parts in (ours, theirs))
            table.add_row(now.step, what, one[:19], "the same" if one == other else other[:19])
    console.print(table)
    for step, files in different.items():
        console.print(f"[red]{step}: {len(files)} files differ[/]")
        for name in files[:SHOWN]:
            console.print(f"  {name}", markup=False)


if __name__ == "__main__":
    typer.run(main)
