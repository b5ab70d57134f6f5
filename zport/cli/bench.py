"""``zport bench``: MLPerf's scenarios, and sweeps over them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from zport_agent.loadgen.names import Basis

from zport.bench.run import Bench, BenchJob, plan_points
from zport.bench.sweep import (
    Sweep,
    parse_counts,
    parse_scenarios,
    parse_settings,
    read_conf_file,
)
from zport.bench.table import print_results, summary, went_wrong
from zport.cli.options import (
    AgentNames,
    Arch,
    BuildFolder,
    EngineName,
    ModelNames,
    make_request,
    split_names,
)
from zport.errors import VerdictError
from zport.report.page import write_page
from zport.report.plan import print_head, print_plan
from zport.targets import DEFAULT
from zport.workspace import PROJECT


def bench(
    arch: Arch = DEFAULT.name,
    agent: AgentNames = "onnxruntime",
    model: ModelNames = None,
    scenario: Annotated[
        str, typer.Option(metavar="LIST", help="Scenarios, comma-separated, or all.")
    ] = "all",
    threads: Annotated[
        str, typer.Option(metavar="LIST", help="Threads of one operator.")
    ] = "1",
    batch: Annotated[
        str,
        typer.Option(metavar="LIST", help="Samples of one call; SingleStream has no batch."),
    ] = "1",
    cpu: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default="as it is",
                     help="A processor that the emulator is to be, by its own name, such as max; "
                     "may be repeated."),
    ] = None,
    settings: Annotated[
        Basis | None,
        typer.Option(
            show_default="emulation; mlperf where a file is given",
            help="MLPerf's rules, the manifest's, or the fewest queries that may be VALID.",
        ),
    ] = None,
    mlperf_conf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default="LoadGen's own", help="MLPerf's mlperf.conf."),
    ] = None,
    user_conf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="MLPerf's user.conf, laid over the rest.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default="the manifest's name",
                     help="The model's name in these files and in MLPerf's rules."),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=NUMBER",
                     help="A field of the manifest's bench block, over all else; repeatable."),
    ] = None,
    accuracy: Annotated[
        bool, typer.Option("--accuracy", help="Also log every answer, and count the right ones.")
    ] = False,
    find_peak: Annotated[
        bool, typer.Option("--find-peak", help="Also search for Server's highest rate.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Run points again that ran already.")
    ] = False,
    runner: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default="this machine",
                     help="native, qemu or ssh://[USER@]HOST[:PORT]; may be repeated."),
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            min=0.01, max=1000, metavar="FACTOR", help="Multiplies each run's time limit."
        ),
    ] = 1,
    engine: EngineName = "auto",
    build_folder: BuildFolder = PROJECT / "build",
) -> None:  # fmt: skip
    """Run MLPerf's scenarios in the agents' images, one after the other, and keep every result.

    A point that ran with the same image, model and settings is not run again. Exit status 11 when
    a run is INVALID or failed, or a search found no peak.
    """
    with_files = mlperf_conf or user_conf
    sweep = Sweep(
        parse_scenarios(scenario),
        parse_counts(threads, "--threads"),
        parse_counts(batch, "--batch"),
        list(dict.fromkeys(cpu)) if cpu else [None],
        settings or ("mlperf" if with_files else "emulation"),
        read_conf_file(mlperf_conf, "--mlperf-conf"),
        read_conf_file(user_conf, "--user-conf"),
        benchmark,
        parse_settings(given or []),
        accuracy,
        find_peak,
    )
    # One container at a time: two that measure would measure each other.
    job = BenchJob(make_request(
        arch, agent, engine, build_folder, models=split_names(model),
        runners=runner or [], patience=patience, jobs=1,
    ))  # fmt: skip
    points = plan_points(job, sweep)
    print_head(job)
    print_plan(job, verbose=False)
    job.build()
    with job.progress.live():
        job.fetch_models()
    results = Bench(job, points, again=again).work()
    print_results(job.request.console, results)
    page = write_page(job.request.workspace)
    line = summary(results)
    job.request.console.print(
        f"{line} · kept in {job.request.workspace.root / 'bench'} · page {page}", soft_wrap=True
    )
    if any(map(went_wrong, results)):
        raise VerdictError(
            line, where="bench",
            next_step="each run's reasons are in its bench.json, a failed one's in its log",
        )  # fmt: skip
