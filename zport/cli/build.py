"""``zport build``: images, and the proof of their numbers."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from zport.cli.options import (
    AgentNames,
    Arch,
    BaseOrigin,
    BuildFolder,
    EngineName,
    ForcedMode,
    Jobs,
    ModelNames,
    PlanOnly,
    Refresh,
    Verbose,
    make_request,
    split_names,
)
from zport.cli.publish import Prebuilt, PublicKey, publish_and_tell
from zport.job import Job, default_jobs
from zport.matrix.cells import refuse_unproven, verdict_failure
from zport.models import load_models
from zport.publish.prebuilt import take_prebuilt
from zport.publish.run import Publication, require_possible
from zport.report.plan import print_head, print_left_out, print_plan
from zport.targets import DEFAULT
from zport.workspace import PROJECT


def build(
    arch: Arch = DEFAULT.name,
    agent: AgentNames = "onnxruntime",
    engine: EngineName = "auto",
    plan: PlanOnly = False,
    test: Annotated[
        bool, typer.Option("--test/--no-test", help="Run the models and compare their numbers.")
    ] = True,
    model: ModelNames = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="REGISTRY/NAMESPACE", help="Publish, unless a model fails; see zport publish."
        ),
    ] = None,
    prebuilt: Prebuilt = None,
    key: PublicKey = None,
    mode: ForcedMode = None,
    base: BaseOrigin = "auto",
    refresh: Refresh = False,
    jobs: Jobs = None,
    build_folder: BuildFolder = PROJECT / "build",
    verbose: Verbose = False,
) -> None:
    """Build agent images, run every model in them and compare every number.

    Exit status: 0 all is built and all cells pass; 11 some cell does not; any other failure has
    its own status and says what to do next.
    """
    started = time.monotonic()
    if push:
        require_possible(Publication(push))
    request = make_request(
        arch, agent, engine, build_folder,
        test=test, mode=mode, base=base, refresh=refresh, jobs=jobs or default_jobs(),
        models=split_names(model),
    )  # fmt: skip
    if test:
        refuse_unproven(request.agents, load_models(request.models), every=push is not None)
    job = Job(request)
    if prebuilt and not plan:
        for step in take_prebuilt(job, prebuilt, key):
            request.console.print(f"prebuilt  {step.image}", soft_wrap=True)
    finished = None if plan else job.finished()
    if finished and not push:
        took = time.monotonic() - started
        names = ", ".join(f"{a.agent.name} agent {a.target.name}" for a in job.agents)
        request.console.print(f"nothing to do: {names} up to date ({took:.1f} s)", soft_wrap=True)
        request.console.print(f"{finished['summary']} · results {finished['results']}",
                              soft_wrap=True)  # fmt: skip
        if not finished["passed"]:
            raise verdict_failure(finished["summary"], finished["results"])
        return
    print_head(job)
    print_plan(job, verbose=verbose or plan)
    if test:
        print_left_out(job)
    if plan:
        return
    job.build()
    for one in job.agents:
        size = request.engine.facts(one.step.image).size_phrase
        request.console.print(f"image     {job.name_of(one)}  {size}")
    if test:
        job.report(job.run_matrix())
    if push:
        publish_and_tell(job, Publication(push))
