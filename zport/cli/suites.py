"""``zport suite``: upstream's own tests on the target and on the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from zport.cli.options import Arch, BuildFolder, EngineName, Jobs, make_request
from zport.errors import UsageError, VerdictError, ZportError
from zport.job import Job, default_jobs
from zport.recipes import load_recipe, load_recipes
from zport.report.suites import print_suite, suite_record
from zport.suites.outcomes import KNOWN, compare, known_differences, unmatched
from zport.suites.plan import SuitePlan, suite_of
from zport.suites.run import SuiteRunner
from zport.targets import DEFAULT, REFERENCE, parse_targets
from zport.workspace import PROJECT, write_json


def suite(
    packages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PACKAGE...", help="Packages with a suite in their recipe; default: all."
        ),
    ] = None,
    arch: Arch = DEFAULT.name,
    engine: EngineName = "auto",
    distribution: Annotated[
        bool, typer.Option("--distribution", help="Test Debian's own package, not the wheel.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Keep the outcome in porting/suites.")
    ] = False,
    jobs: Jobs = None,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Run upstream's own tests of wheels and compare the outcomes with the reference's.

    Exit status 11 when an outcome differs and porting/suites/PACKAGE.toml names no cause, or when a
    suite did not come to its end; those after it run all the same.
    """
    names = chosen_suites(packages or [], distribution=distribution)
    job = Job(make_request(
        with_reference(arch), None, engine, build_folder, suites=names,
        suites_of_distribution=distribution, test=False, jobs=jobs or default_jobs(),
    ))  # fmt: skip
    job.build()
    judge_all(job, record=record)
    job.raise_unplanned()


def chosen_suites(packages: Sequence[str], *, distribution: bool = False) -> list[str]:
    """The recipes whose suites are meant: those named, or all that have one.

    Raises :class:`UsageError` for a name without a recipe, and for a recipe without a suite:
    nothing would run, and that must not look like success.
    """
    if not packages:
        return [
            recipe.name
            for recipe in load_recipes()
            if recipe.suite and (recipe.suite.distribution or not distribution)
        ]
    recipes = [load_recipe(name) for name in packages]
    for recipe in recipes:
        suite_of(recipe, distribution=distribution)
    return list(dict.fromkeys(recipe.wanted for recipe in recipes))


def with_reference(arch: str) -> str:
    """The targets asked for and the reference, without which there is nothing to compare with.

    Raises :class:`UsageError` for an unknown target, and where the reference is the only one.
    """
    targets = dict.fromkeys([*parse_targets(arch), REFERENCE])
    if len(targets) == 1:
        raise UsageError(
            f"{REFERENCE.name} is the reference: there is nothing to compare with it",
            where="--arch",
            next_step=f"name a target: --arch {DEFAULT.name}",
        )
    return ",".join(target.name for target in targets)


def judge_all(job: Job, *, record: bool) -> None:
    """Run and judge each suite of the job; one that fails does not keep the others from running.

    Raises :class:`VerdictError` unless every suite was judged and all that differs is explained.
    """
    request = job.request
    runner = SuiteRunner(request.workspace, request.engine, job.progress, job.host, request.jobs)
    unexplained: list[str] = []
    failed: dict[str, ZportError] = {}
    for name, plans in job.suites.items():
        try:
            unexplained += [] if judge(job, runner, plans, record=record) else [name]
        except ZportError as error:
            failed[name] = error
            request.console.print(f"not judged: {name}: {error}", style="red", soft_wrap=True,
                                  markup=False)  # fmt: skip
    if unexplained or failed:
        raise verdict_failure(unexplained, failed)


def judge(job: Job, runner: SuiteRunner, plans: Sequence[SuitePlan], *, record: bool) -> bool:
    """Run one package's suite, print and keep what came out; whether all of it is explained.

    Raises :class:`ZportError` when the suite cannot be judged.
    """
    recipe, title = plans[0].recipe, plans[0].title
    known = known_differences(plans[0].subject)
    with job.progress.live():
        runs = runner.run(plans)
    of = {run.plan.target: run.outcomes for run in runs}
    differences = [
        difference
        for target, outcomes in of.items()
        if target != REFERENCE
        for difference in compare(target.name, outcomes, of[REFERENCE], known, recipe.version)
    ]
    stale = unmatched(known, differences, [target.name for target in of])
    print_suite(job.request.console, runs, differences, stale)
    if record:
        write_json(KNOWN / f"{title}.json", suite_record(runs, differences, stale))
    return all(one.known for one in differences)


def verdict_failure(unexplained: Sequence[str], failed: dict[str, ZportError]) -> VerdictError:
    """The error of suites that were not judged, or in which something differs without a cause."""
    problems, steps = [], []
    if failed:
        problems.append(f"not judged: {', '.join(failed)}")
        steps.append("mend what is said above of those, suites that ended are kept")
    if unexplained:
        problems.append(f"outcomes differ without a known cause: {', '.join(unexplained)}")
        steps.append("find the cause and write it to porting/suites/PACKAGE.toml")
    first = next(iter(failed.values()), None)
    return VerdictError(
        "; ".join(problems),
        where="suite",
        next_step="; ".join(steps),
        log=first.log if first else None,
    )
