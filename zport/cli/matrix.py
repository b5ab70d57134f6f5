"""``zport matrix``: every model in every image on every runner, as a pytest run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zport.cli.options import (
    AgentNames,
    Arch,
    BuildFolder,
    EngineName,
    Jobs,
    ModelNames,
    make_request,
    split_names,
)
from zport.errors import UsageError, VerdictError, ZportError
from zport.job import Job, default_jobs
from zport.matrix.cells import nothing_left, refuse_unproven
from zport.models import load_models
from zport.report.plan import print_head, print_left_out, print_plan
from zport.targets import DEFAULT
from zport.workspace import PROJECT


def matrix(
    pytest_arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- PYTEST...]", help="For pytest: -k, -m, -x, --lf, -n, ..."),
    ] = None,
    arch: Arch = DEFAULT.name,
    agent: AgentNames = "onnxruntime",
    engine: EngineName = "auto",
    model: ModelNames = None,
    runner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="native, qemu or ssh://[USER@]HOST[:PORT]; may be repeated.",
            show_default="this machine",
        ),
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            min=0.01, max=1000, metavar="FACTOR", help="Multiplies each cell's time limit."
        ),
    ] = 1,
    bench: Annotated[
        bool, typer.Option("--bench/--no-bench", help="LoadGen too, or the answers only.")
    ] = True,
    jobs: Jobs = None,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Build the images, then run the matrix as a pytest run.

    Exit status 0 when every cell passes, 11 when one does not.
    """
    job = Job(make_request(
        arch, agent, engine, build_folder, models=split_names(model),
        runners=runner or [], patience=patience, jobs=jobs or default_jobs(),
        measured=bench,
    ))  # fmt: skip
    refuse_unproven(job.request.agents, load_models(job.request.models), every=False)
    _ = job.runners  # A machine that does not answer is said before anything is planned or built.
    print_head(job)
    print_plan(job, verbose=False)
    print_left_out(job)
    job.build()
    run_pytest(job, pytest_arguments or [])


def run_pytest(job: Job, arguments: list[str]) -> None:
    """Hand the planned job to pytest. Raises the :class:`ZportError` that its end stands for."""
    import pytest

    from zport.matrix import plugin
    from zport.matrix.session import MatrixSession

    session = MatrixSession(job)
    if not session.cells:  # Without a path pytest would collect whatever tests lie here.
        raise nothing_left()
    folder = job.request.workspace.root
    manifests = dict.fromkeys(str(cell.model.manifest.path) for cell in session.cells.values())
    status = pytest.main(
        [
            "-c", str(Path(plugin.__file__).with_name("matrix.ini")), "--rootdir", str(PROJECT),
            "-p", plugin.__name__, "-o", f"cache_dir={folder / 'results' / 'pytest'}",
            *arguments, *manifests,
        ],
        plugins=[plugin.HandedOver(session)],
    )  # fmt: skip
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if error := _error(int(status)):
        raise error


def _error(status: int) -> ZportError | None:
    """What pytest's exit status stands for."""
    if status == 0:
        return None
    if status == 1:
        return VerdictError(
            "not every cell passed", where="matrix",
            next_step="each has its log above; -- --lf shows only those again",
        )  # fmt: skip
    if status == 5:
        return nothing_left()
    words = "pytest refuses its arguments" if status == 4 else f"pytest ended with status {status}"
    return UsageError(words, where="matrix", next_step="see what pytest says above")
