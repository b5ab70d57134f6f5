"""``zport trace``: where the time of a model's run goes."""

from __future__ import annotations

from typing import Annotated

import typer

from zport.agents import load_agents
from zport.cli.options import Arch, BuildFolder, EngineName, Refresh, make_request
from zport.errors import UsageError
from zport.job import Job
from zport.targets import DEFAULT
from zport.trace.export import send_trace, traces_url
from zport.trace.run import Settings, find_model, run_trace
from zport.trace.table import print_trace
from zport.workspace import PROJECT


def trace(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Of the project, or a folder with manifest.yml.")
    ],
    arch: Arch = DEFAULT.name,
    agent: Annotated[str, typer.Option(metavar="NAME", help="The agent that runs the model.")] = (
        "onnxruntime"
    ),
    level: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="application, model, framework, ml_library, system_library, hardware, or full: "
            "one run of each.",
        ),
    ] = "full",
    iterations: Annotated[int, typer.Option(min=1, help="Recorded runs of every input.")] = 3,
    warmup: Annotated[int, typer.Option(min=0, help="Runs of every input before those.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of one operator.")] = 1,
    otlp: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Send the trace to a collector: OTLP over HTTP, as JSON."),
    ] = None,
    engine: EngineName = "auto",
    build_folder: BuildFolder = PROJECT / "build",
    refresh: Refresh = False,
) -> None:  # fmt: skip
    """Trace a model's run in MLModelScope's levels, each in a run of its own.

    Writes OpenTelemetry's spans, Chrome's trace format and a flame graph. With several targets each
    is shown for itself: emulated times are no times of a real machine.
    """
    settings = Settings(level, iterations, warmup, threads)
    settings.check()
    url = traces_url(otlp) if otlp else None
    [own, *more] = load_agents(agent)
    if more:
        raise UsageError("one agent is traced at a time", where="--agent")
    subject = find_model(model, own)
    request = make_request(arch, agent, engine, build_folder, test=False, refresh=refresh)
    console = request.console
    for traced in run_trace(Job(request), subject, settings):
        console.print()
        print_trace(console, traced.trace, traced.side)
        console.print(f"trace     {traced.folder}", soft_wrap=True)
        if url:
            send_trace(traced.file, url)
            console.print(f"sent      {len(traced.trace.spans)} spans to {url}", soft_wrap=True)
