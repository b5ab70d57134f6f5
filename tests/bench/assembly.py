"""How much faster an image is assembled natively than by emulation, and whether it is the same.

``python -m tests.bench.assembly --arch s390x``, as root, from the project's folder. Both ways take
the same pinned packages from the local cache, so no download is in either time, and both times
end with the committed image.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from jinja2 import Environment, FileSystemLoader
from rich.console import Console
from rich.table import Table

from tests.bench.sameness import Difference, compare, explain
from zport.agents import load_agents
from zport.engines import Mount
from zport.engines.buildah import CONFINED, ISOLATION, Buildah
from zport.engines.process import ask, run_logged
from zport.errors import BuildError
from zport.job import Job, Request
from zport.plan.origin import STATUS_FILE
from zport.steps.build import Builder, missing_steps
from zport.steps.context import write_context
from zport.steps.render import TEMPLATES
from zport.steps.step import Step
from zport.targets import Target, find_target
from zport.workspace import Workspace

AGENT = "onnxruntime-debian"
LATER_PACKAGES = ("python3-idna", "libyajl2")
"""Installed into the finished image: small; one has a maintainer script that needs a working
Python, the other triggers ldconfig."""
LATER = f"""set -e
test -z "$(dpkg --audit)"
echo 'deb [trusted=yes] file:/packages ./' >/etc/apt/sources.list
export DEBIAN_FRONTEND=noninteractive
apt-get -q update && apt-get -y install {" ".join(LATER_PACKAGES)}
test -z "$(dpkg --audit)"
ldconfig -p | grep -q libc.so.6
python3 -c 'import idna, numpy, onnxruntime'
"""
ORDINARY = """FROM --platform={target.oci} scratch
ADD root.tar /
RUN --mount=type=bind,source=packages,target=/packages \\
    echo 'deb [trusted=yes] file:/packages ./' >/etc/apt/sources.list \\
    && apt-get -o APT::Sandbox::User=root update \\
    && DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root \\
       -o DPkg::Options::=--force-unsafe-io install -y --no-install-recommends {packages} \\
    && rm -rf /var/lib/apt/lists/*_*
"""
NATIVE = """{% import "macros.j2" as m with context -%}
FROM --platform={{ target.oci }} {{ images.base }} AS base
{{ m.package_changes("packages", "base", "packages", packages) }}
FROM --platform={{ target.oci }} {{ images.base }}
COPY --from=packages /changes/ /
"""


@dataclass
class Bench:
    """What both ways need, fetched: the steps and their contexts."""

    job: Job
    target: Target
    packages: list[str]
    base: Step
    builder: Step
    contexts: dict[str, Path]
    log: Path
    seconds: dict[str, float] = field(default_factory=dict)
    load: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 1)
        self.load[name] = round(os.getloadavg()[0], 1)

    def build(self, context: Path, image: str) -> None:
        """Build a folder's Dockerfile as the engine does, but nothing from the layer cache."""
        command = [
            *CONFINED, "buildah", "build", *ISOLATION, "--layers", "--no-cache", "--pull-never",
            "--timestamp", str(self.base.epoch), "--platform", self.target.oci, "--tag", image,
            str(context),
        ]  # fmt: skip
        if run_logged(command, self.log) != 0:
            raise BuildError("the build failed", where=image, log=self.log)


def prepare(target: Target, workspace: Workspace, console: Console) -> Bench:
    """Plan, fetch everything, and build the tools, which both ways' users have already."""
    agents = load_agents(AGENT)
    request = Request([target], agents, Buildah(), workspace, console, test=False, base="bootstrap")
    job = Job(request)
    agent = job.agents[0]
    steps = job.planner.steps
    base, builder = steps[f"base-{target.name}"], job.planner.builder(job.host)
    absent = missing_steps(steps, [builder.name], request.engine.images())
    Builder(workspace, request.engine, job.fetcher, job.progress, request.jobs).build(absent)
    log = job.progress.log("assembly")
    contexts = {s.name: write_context(s, workspace, job.fetcher, log) for s in (base, agent.step)}
    contexts["agent"] = contexts[agent.step.name]
    packages = ["python3", *(p.package for p in agent.provided if p.package)]
    return Bench(job, target, packages, base, builder, contexts, log)


def assemble_natively(bench: Bench, folder: Path) -> str:
    """zport's way: base and packages, by native tools. Returns the image."""
    image = f"localhost/zport/bench-native:{bench.target.name}"
    with bench.timed("native base"):
        bench.build(bench.contexts[bench.base.name], bench.base.image)
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=False)
    dockerfile = environment.from_string(NATIVE).render(
        target=bench.target, build=bench.job.host, epoch=bench.base.epoch,
        images={"base": bench.base.image, "builder": bench.builder.image}, packages=bench.packages,
    )  # fmt: skip
    _write_context(folder, dockerfile, bench.contexts["agent"] / "packages")
    with bench.timed("native packages"):
        bench.build(folder, image)
    return image


def assemble_ordinarily(bench: Bench, folder: Path) -> str:
    """The ordinary way: an emulated root, then apt-get in it, emulated. Returns the image."""
    image = f"localhost/zport/bench-ordinary:{bench.target.name}"
    dockerfile = ORDINARY.format(target=bench.target, packages=" ".join(bench.packages))
    _write_context(folder, dockerfile, bench.contexts["agent"] / "packages")
    exclusions = folder / "exclusions"
    exclusions.write_bytes(
        bench.job.request.engine.read_file(
            bench.base.image, bench.target, "/etc/dpkg/dpkg.cfg.d/slim"
        )
    )
    command = [
        "mmdebstrap", "--mode=root", "--variant=apt", f"--architectures={bench.target.debian}",
        '--aptopt=APT::Sandbox::User "root"', "--dpkgopt=force-unsafe-io",
        f"--dpkgopt={exclusions}", bench.job.request.distribution.suite, str(folder / "root.tar"),
        f"deb [trusted=yes] copy:{bench.contexts[bench.base.name] / 'packages'} ./",
    ]  # fmt: skip
    with bench.timed("ordinary base"):
        if run_logged(command, bench.log, {"SOURCE_DATE_EPOCH": str(bench.base.epoch)}) != 0:
            raise BuildError("the emulated root failed", where="mmdebstrap", log=bench.log)
    with bench.timed("ordinary packages"):
        bench.build(folder, image)
    return image


def install_later(bench: Bench, image: str, folder: Path) -> int:
    """Audit the finished image and install one more package in it, emulated; 0 when all is well."""
    job = bench.job
    status = job.request.engine.read_file(image, bench.target, STATUS_FILE).decode()
    closure = job.archive.closure([bench.target.debian], LATER_PACKAGES, status)
    job.fetcher.debian(closure.packages)
    for package in closure.packages:
        (folder / package.file).hardlink_to(job.fetcher.cached(package.sha256))
    (folder / "Packages").write_text(closure.index())
    command = ["sh", "-c", LATER]
    mounts = [Mount(folder, "/packages")]
    return job.request.engine.run(image, bench.target, command, mounts, bench.log, seconds=300)


def differences(bench: Bench, ordinary: str, native: str) -> list[Difference]:
    """Compare the two images' files."""
    with ExitStack() as stack:
        roots = [stack.enter_context(_mounted(i, bench.target)) for i in (ordinary, native)]
        return compare(*roots)


def main(
    arch: Annotated[str, typer.Option(help="target to assemble for")] = "s390x",
    build_folder: Annotated[Path, typer.Option(help="zport's build folder")] = Path("build"),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Measure both ways, compare the images, and fail on a difference without a reason."""
    console = Console(stderr=as_json)
    workspace = Workspace(build_folder.resolve())
    bench = prepare(find_target(arch), workspace, console)
    with TemporaryDirectory(dir=workspace.root, prefix=".bench.") as name:
        folders = {part: Path(name) / part for part in ("native", "ordinary", "later")}
        for folder in folders.values():
            folder.mkdir()
        native = assemble_natively(bench, folders["native"])
        ordinary = assemble_ordinarily(bench, folders["ordinary"])
        found = differences(bench, ordinary, native)
        later = install_later(bench, native, folders["later"])
    result = _result(bench, found, later)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        _print(console, result)
    raise typer.Exit(1 if result["unexplained"] or later else 0)


def _result(bench: Bench, found: list[Difference], later: int) -> dict[str, Any]:
    explained: dict[str, list[str]] = defaultdict(list)
    unexplained = []
    for difference in found:
        if reason := explain(difference):
            explained[reason].append(f"{difference.kind} {difference.path}")
        else:
            unexplained.append(f"{difference.kind} {difference.path}")
    ways = ("ordinary", "native")
    totals = {w: bench.seconds[f"{w} base"] + bench.seconds[f"{w} packages"] for w in ways}
    return {
        "target": bench.target.name,
        "packages": bench.packages,
        "seconds": bench.seconds,
        "load": bench.load,
        "totals": {way: round(seconds, 1) for way, seconds in totals.items()},
        "ratio": round(totals["ordinary"] / totals["native"], 1),
        "explained": explained,
        "unexplained": unexplained,
        "later_install": "well" if later == 0 else f"failed, see {bench.log}",
    }


def _print(console: Console, result: dict[str, Any]) -> None:
    seconds = result["seconds"]
    title = f"Assembly for {result['target']}, seconds"
    times = Table("way", "base", "packages", "total", "load at the end", title=title)
    for way in ("ordinary", "native"):
        parts = [seconds[f"{way} {part}"] for part in ("base", "packages")]
        values = (*parts, result["totals"][way], result["load"][f"{way} packages"])
        times.add_row(way, *(f"{value:.1f}" for value in values))
    console.print(times)
    console.print(f"native is {result['ratio']} times faster")
    reasons = Table("differences", "for example", "reason", title="What differs")
    for reason, examples in result["explained"].items():
        reasons.add_row(str(len(examples)), examples[0], reason)
    console.print(reasons)
    for line in result["unexplained"]:
        console.print(f"[red]no reason:[/] {line}")
    console.print(f"dpkg --audit, and later apt-get install: {result['later_install']}")


def _write_context(folder: Path, dockerfile: str, packages: Path) -> None:
    (folder / "Dockerfile").write_text(dockerfile)
    subprocess.run(["cp", "-al", str(packages), str(folder / "packages")], check=True)


@contextmanager
def _mounted(image: str, target: Target) -> Iterator[Path]:
    created = ask(["buildah", "from", "--pull-never", "--platform", target.oci, image])
    container = created.split()[-1]
    try:
        yield Path(ask(["buildah", "mount", container]).strip())
    finally:
        ask(["buildah", "rm", container])


if __name__ == "__main__":
    typer.run(main)
