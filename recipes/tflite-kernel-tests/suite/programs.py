"""Runs GoogleTest's programs, and says of each of their cases what came out."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SECONDS = 3600
RAN = re.compile(r"\[ RUN      \] (?P<case>\S+)\n")
# Not at the beginning of a line alone: what a kernel says may end without a new one.
ENDED = re.compile(r"\[ *(?P<mark>OK|FAILED|SKIPPED) +\] (?P<case>[^\s,]+)")
Outcome = Literal["passed", "failed", "skipped", "died"]
OUTCOMES: dict[str, Outcome] = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


@dataclass(frozen=True)
class Result:
    """A case's outcome, and what the program printed in it."""

    outcome: Outcome
    said: str


def cases(program: Path) -> list[str]:
    """Every case of a program, ``Suite.case``, but those that upstream disabled."""
    done = subprocess.run(
        [program, "--gtest_list_tests"], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    found, suite = [], ""
    for line in done.stdout.splitlines():
        name = line.partition("#")[0].strip()
        if not line.startswith(" "):
            suite = name
        elif "DISABLED_" not in suite + name:
            found.append(suite + name)
    return found


def results(program: Path, wanted: list[str]) -> dict[str, Result]:
    """The results of cases. Where one kills the program, it goes on with those after it."""
    found: dict[str, Result] = {}
    while rest := [case for case in wanted if case not in found]:
        done = subprocess.run(
            [program, f"--gtest_filter={':'.join(rest)}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            check=False, timeout=SECONDS,
        )  # fmt: skip
        read = read_output(done.stdout, done.returncode)
        if not read.keys() & set(rest):
            raise RuntimeError(f"{program.name}: status {done.returncode}: {done.stdout[-2000:]}")
        found |= read
    return found


def read_output(text: str, status: int) -> dict[str, Result]:
    """What a program printed, by case; the last one ``died`` when nothing says how it ended."""
    found = {}
    starts = [*RAN.finditer(text)]
    for this, after in zip(starts, [*starts[1:], None], strict=True):
        said = text[this.end() : after.start() if after else len(text)]
        ends = (end for end in ENDED.finditer(said) if end["case"] == this["case"])
        end = next(ends, None)
        if end:
            found[this["case"]] = Result(OUTCOMES[end["mark"]], said[: end.start()])
        else:
            found[this["case"]] = Result("died", f"the program ended with status {status}\n{said}")
    return found
