"""``zport bake``: images on several build machines, each target on its own."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from zport.cli.options import AgentNames, Arch, BaseOrigin, BuildFolder, Refresh, make_request
from zport.native import FILE, build_natively, plan_natively, write_native_bake
from zport.targets import BOTH
from zport.workspace import PROJECT


def bake(
    arch: Arch = BOTH,
    agent: AgentNames = "onnxruntime",
    builder: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Build on its nodes; see docker buildx create.",
                     show_default="write the bake file only"),
    ] = None,
    base: BaseOrigin = "auto",
    refresh: Refresh = False,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:  # fmt: skip
    """Plan every target for a machine of its own architecture, and build on a builder's nodes.

    The images come to the Docker daemon of this machine. A run that was cut off goes on with what
    its nodes have.
    """
    plan = plan_natively(
        make_request(arch, agent, "docker", build_folder, base=base, refresh=refresh)
    )
    console = plan.jobs[0].request.console
    if builder is None:
        folder = write_native_bake(plan).parent
        console.print(f"written   {folder / FILE}.json", soft_wrap=True)
        console.print(f"next: cd {shlex.quote(str(folder))} && "
                      f"docker buildx bake --builder NAME --load -f {FILE}.json", soft_wrap=True,
                      markup=False)  # fmt: skip
        return
    build_natively(plan, builder)
    for job, one in plan.agents:
        size = job.request.engine.facts(one.step.image).size_phrase
        console.print(f"image     {job.name_of(one)}  {size}", soft_wrap=True)
