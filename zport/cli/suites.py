"""``zport suite``: upstream's own tests on the target and on the reference."""

from __future__ import annotations

from typing import Annotated

import typer

from zport.cli.options import Arch, BuildFolder, EngineName, Jobs, make_request
from zport.errors import VerdictError
from zport.job import Job, default_jobs
from zport.recipes import recipe_names
from zport.report.suites import print_suite, suite_record
from zport.suites.outcomes import KNOWN, compare, known_differences
from zport.suites.run import SuiteRunner
from zport.targets import DEFAULT, REFERENCE
from zport.workspace import PROJECT, write_json


def suite(
    packages: Annotated[
        list[str] | None,
        typer.Argument(metavar="PACKAGE...", help="Packages that have a recipe; default: all."),
    ] = None,
    arch: Arch = f"{DEFAULT.name},{REFERENCE.name}",
    engine: EngineName = "auto",
    record: Annotated[
        bool, typer.Option("--record", help="Keep the outcome in porting/suites.")
    ] = False,
    jobs: Jobs = None,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Run upstream's own tests of wheels and compare the outcomes with the reference's.

    Exit status 11 when an outcome differs and porting/suites/PACKAGE.toml names no cause.
    """
    job = Job(make_request(
        arch, None, engine, build_folder, suites=packages or recipe_names(), test=False,
        jobs=jobs or default_jobs(),
    ))  # fmt: skip
    request = job.request
    job.build()
    runner = SuiteRunner(request.workspace, request.engine, job.progress, job.host, request.jobs)
    unexplained = []
    for name, plans in job.suites.items():
        with job.progress.live():
            runs = runner.run(plans)
        of = {run.plan.target: run.outcomes for run in runs}
        known = known_differences(name)
        differences = [
            difference
            for target, outcomes in of.items()
            if target != REFERENCE and REFERENCE in of
            for difference in compare(outcomes, of[REFERENCE], known, runs[0].plan.recipe.version)
        ]
        print_suite(request.console, runs, differences)
        if record:
            write_json(KNOWN / f"{name}.json", suite_record(runs, differences))
        unexplained += [name] if any(one.known is None for one in differences) else []
    if unexplained:
        raise VerdictError(
            f"outcomes differ without a known cause: {', '.join(unexplained)}",
            where="suite",
            next_step="find the cause and write it to porting/suites/PACKAGE.toml",
        )
