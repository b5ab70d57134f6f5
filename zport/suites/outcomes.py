"""Outcomes: what a suite said of each test, and how two machines' outcomes differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from pydantic import Field

from zport.definitions import Definition, load_definition
from zport.errors import BuildError
from zport.workspace import PROJECT

KNOWN = PROJECT / "porting" / "suites"
Outcome = Literal["passed", "failed", "error", "skipped", "absent"]
Cause = Literal["defect", "reference", "platform", "emulation", "test"]


class KnownDifference(Definition):
    """A difference whose cause was found.

    ``tests`` is a pattern as the shell has it, for test names. The kind of cause: ``defect`` of the
    package on the target, ``reference`` (the reference is wrong), ``platform`` (both are right:
    the test asks for what only the other platform has), ``emulation`` (QEMU's), ``test`` (the test
    itself takes one platform for granted).
    """

    tests: str
    kind: Cause
    cause: str
    version: str = "*"


class KnownDifferences(Definition):
    """``porting/suites/<package>.toml``."""

    difference: tuple[KnownDifference, ...] = Field(default=())


@dataclass(frozen=True)
class Difference:
    """A test whose outcome is not the reference's, and the cause if it is known."""

    test: str
    outcome: Outcome
    reference: Outcome
    message: str
    known: KnownDifference | None = None


@dataclass(frozen=True)
class Outcomes:
    """The outcome of each test by its name, and the first line of what a failed one said."""

    tests: Mapping[str, Outcome]
    messages: Mapping[str, str]

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.tests.values())


def read_outcomes(junit: Path) -> Outcomes:
    """The outcomes in a JUnit file. Raises :class:`BuildError` when it is absent or broken."""
    try:
        root = ElementTree.parse(junit).getroot()  # noqa: S314 - pytest has just written it
    except (OSError, ElementTree.ParseError) as error:
        raise BuildError(
            f"the suite left no results: {error}",
            where=junit,
            next_step="read the log beside it: pytest did not get to its end",
        ) from error
    tests: dict[str, Outcome] = {}
    messages: dict[str, str] = {}
    for case in root.iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}".removeprefix("::")
        tests[name], message = _outcome(case)
        if message:
            messages[name] = message
    return Outcomes(tests, messages)


def _outcome(case: ElementTree.Element) -> tuple[Outcome, str]:
    kinds: dict[str, Outcome] = {"failure": "failed", "error": "error", "skipped": "skipped"}
    for tag, outcome in kinds.items():
        found = case.find(tag)
        if found is not None:
            text = (found.get("message") or found.text or "").strip()
            return outcome, text.splitlines()[0][:300] if text else ""
    return "passed", ""


def compare(
    target: Outcomes, reference: Outcomes, known: Sequence[KnownDifference], version: str
) -> list[Difference]:
    """Every test whose outcome differs, by name.

    A test that passes only on the target counts as well: then the reference may be wrong. A test
    that is skipped on one of them differs too: what did not run proves nothing.
    """
    found = []
    for test in sorted({*target.tests, *reference.tests}):
        here = target.tests.get(test, "absent")
        there = reference.tests.get(test, "absent")
        if here != there:
            message = target.messages.get(test) or reference.messages.get(test, "")
            cause = next((k for k in known if _explains(k, test, version)), None)
            found.append(Difference(test, here, there, message, cause))
    return found


def _explains(known: KnownDifference, test: str, version: str) -> bool:
    return fnmatchcase(test, known.tests) and fnmatchcase(version, known.version)


def known_differences(package: str) -> tuple[KnownDifference, ...]:
    """What is known of a package's suite; nothing where there is no file."""
    path = KNOWN / f"{package}.toml"
    return load_definition(path, KnownDifferences).difference if path.exists() else ()
