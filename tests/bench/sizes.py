"""How large the agents' images are, beside what Debian's packages for the same would take.

``python -m tests.bench.sizes``, as root, from the project's folder. Every agent whose image is here
for a target is a row: its layers as they are and compressed, and the closure that apt would install
for the framework's package on Debian's root, recommendations left out: what its packages say they
take, and the size of the packages themselves. An agent without a package of Debian's is compared
with the one of the same framework that has it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zport.agents import Agent, load_agents
from zport.debian.packages import DebianPackage
from zport.engines import select_engine
from zport.job import Job, Request
from zport.plan.planner import AgentPlan
from zport.targets import parse_targets
from zport.workspace import Workspace

MB = 1e6
TARGETS = "s390x,amd64"


@dataclass(frozen=True)
class Row:
    """One image; sizes in MB. ``installed`` and ``packages`` are Debian's, None where it has no
    package of the framework."""

    agent: str
    target: str
    image: str
    uncompressed: float
    compressed: float
    installed: float | None
    packages: float | None


def measure(job: Job, plan: AgentPlan) -> Row:
    """The sizes of an image that is here."""
    engine = job.request.engine
    with TemporaryDirectory(dir=job.request.workspace.root, prefix=".sizes.") as name:
        folder = Path(name)
        engine.export(plan.step.image, folder)
        compressed = sum(size_of(folder))
    with TemporaryDirectory(dir=job.request.workspace.root, prefix=".sizes.") as name:
        archive = Path(name) / "image.tar"
        engine.save(plan.step.image, archive)
        uncompressed = archive.stat().st_size
    installed, packages = closure_of(job, plan) or (None, None)
    return Row(
        plan.agent.name, plan.target.name, plan.step.image, round(uncompressed / MB, 1),
        round(compressed / MB, 1), installed, packages,
    )  # fmt: skip


def size_of(layout: Path) -> list[int]:
    """Bytes of each layer in an OCI layout of one image."""
    top = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    manifest = json.loads((layout / "blobs" / top.replace(":", "/")).read_text())
    return [int(layer["size"]) for layer in manifest["layers"]]


def closure_of(job: Job, plan: AgentPlan) -> tuple[float, float] | None:
    """What Debian's packages for the same take installed, and as files, in MB; base included."""
    names = packaged(plan.agent)
    if names is None:
        return None
    planner, target = job.planner, plan.target
    base = planner.archive.closure([target.debian], planner.distribution.base_packages)
    above = planner.archive.closure([target.debian], names, base.installed())
    found = [*base.packages, *above.packages]
    kilobytes = sum(installed_size(package) for package in found)
    return round(kilobytes * 1024 / MB, 1), round(sum(one.size for one in found) / MB, 1)


def packaged(agent: Agent) -> list[str] | None:
    """Debian's packages of an agent of the same framework, if there is one."""
    for other in load_agents("all"):
        if other.framework == agent.framework and other.versioned in other.packaged:
            return ["python3", *other.packaged.values()]
    return None


def installed_size(package: DebianPackage) -> int:
    """Kilobytes (1024 bytes) that a package says it takes."""
    found = re.search(r"^Installed-Size: (\d+)$", package.stanza, re.MULTILINE)
    return int(found[1]) if found else 0


def main(
    arch: Annotated[str, typer.Option(help="targets")] = TARGETS,
    agent: Annotated[str, typer.Option(help="agents, or all")] = "all",
    build_folder: Annotated[Path, typer.Option(help="zport's build folder")] = Path("build"),
    engine: Annotated[str, typer.Option(help="buildah or docker")] = "buildah",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Measure every image that is here under its key."""
    console = Console(stderr=as_json)
    chosen, workspace = select_engine(engine), Workspace(build_folder.resolve())
    request = Request(parse_targets(arch), load_agents(agent), chosen, workspace, console,
                      test=False)  # fmt: skip
    job = Job(request)
    present = chosen.images()
    plans = [plan for plan in job.agents if plan.step.image in present]
    absent = [f"{p.agent.name} {p.target.name}" for p in job.agents if p not in plans]
    rows = [measure(job, plan) for plan in plans]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _print(console, rows)
    if absent:
        console.print(f"not built, so not measured: {', '.join(absent)}")


def _print(console: Console, rows: list[Row]) -> None:
    table = Table("agent", "target", "MB", "compressed", "Debian's closure", "its packages",
                  title="Images")  # fmt: skip
    for row in rows:
        cells = (row.uncompressed, row.compressed, row.installed, row.packages)
        table.add_row(row.agent, row.target, *("-" if one is None else f"{one:.1f}"
                                               for one in cells))  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
