"""Outcomes: what a suite said of each test, and how two machines' outcomes differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from pydantic import Field, field_validator

from zport.definitions import Definition, load_definition
from zport.errors import BuildError
from zport.targets import TARGETS
from zport.workspace import PROJECT

KNOWN = PROJECT / "porting" / "suites"
Outcome = Literal["passed", "failed", "error", "skipped", "absent"]
Cause = Literal["defect", "reference", "platform", "emulation", "test"]
WORST: tuple[Outcome, ...] = ("error", "failed", "skipped", "passed")


class KnownDifference(Definition):
    """A difference whose cause was found.

    ``tests`` is a pattern as the shell has it, for test names. The kind of cause: ``defect`` of the
    package on the target, ``reference`` (the reference is wrong), ``platform`` (both are right:
    the test asks for what only the other platform has), ``emulation`` (QEMU's), ``test`` (the test
    itself takes one platform for granted). ``targets`` are those that it holds for, ``outcomes``
    what the target's may be; all where there are none: a cause of skipping explains no failure.
    """

    tests: str
    kind: Cause
    cause: str
    version: str = "*"
    targets: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    @field_validator("targets")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in TARGETS:
                raise ValueError(f"no target {name!r}, known are {', '.join(TARGETS)}")
        return names


class KnownDifferences(Definition):
    """``porting/suites/<package>.toml``."""

    difference: tuple[KnownDifference, ...] = Field(default=())


@dataclass(frozen=True)
class Difference:
    """A test whose outcome on a target is not the reference's, and the cause if it is known."""

    target: str
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


def read_outcomes(junit: Path, log: Path | None = None) -> Outcomes:
    """The outcomes in a JUnit file. Raises :class:`BuildError` when it is absent or broken.

    ``log`` is what pytest printed, for that error.
    """
    try:
        root = ElementTree.parse(junit).getroot()  # noqa: S314 - pytest has just written it
    except (OSError, ElementTree.ParseError) as error:
        raise BuildError(
            f"the suite left no results: {error}",
            where=junit,
            next_step="read the log: pytest did not get to its end",
            log=log,
        ) from error
    tests: dict[str, Outcome] = {}
    messages: dict[str, str] = {}
    for name, case in _named(list(root.iter("testcase"))):
        outcome, message = _outcome(case)
        # One test has two cases where it fails and its teardown does too: the worst is the test's.
        if name not in tests or WORST.index(outcome) < WORST.index(tests[name]):
            tests[name] = outcome
            messages[name] = message
    return Outcomes(tests, {name: said for name, said in messages.items() if said})


def _named(cases: Sequence[ElementTree.Element]) -> Iterable[tuple[str, ElementTree.Element]]:
    """Every case with a name of its own.

    pytest leaves the module out of the class where it was found by ``--pyargs`` outside of the
    folder that pytest starts in: tests of several modules then have one name. Those get their file
    before it. The others do not: the names in ``porting/suites`` are short and stay as they are.
    """
    files: defaultdict[str, set[str]] = defaultdict(set)
    for case in cases:
        files[_short_name(case)].add(case.get("file", ""))
    for case in cases:
        name, file = _short_name(case), case.get("file", "")
        yield f"{file}::{name}" if file and len(files[name]) > 1 else name, case


def _short_name(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '')}::{case.get('name', '')}".removeprefix("::")


def _outcome(case: ElementTree.Element) -> tuple[Outcome, str]:
    kinds: dict[str, Outcome] = {"failure": "failed", "error": "error", "skipped": "skipped"}
    for tag, outcome in kinds.items():
        found = case.find(tag)
        if found is not None:
            text = (found.get("message") or found.text or "").strip()
            return outcome, text.splitlines()[0][:300] if text else ""
    return "passed", ""


def compare(
    name: str,
    target: Outcomes,
    reference: Outcomes,
    known: Sequence[KnownDifference],
    version: str,
) -> list[Difference]:
    """Every test whose outcome on the target of that name differs, by the test's name.

    A test that passes only on the target counts as well: then the reference may be wrong. A test
    that is skipped on one of them differs too: what did not run proves nothing.
    """
    found = []
    for test in sorted({*target.tests, *reference.tests}):
        here = target.tests.get(test, "absent")
        there = reference.tests.get(test, "absent")
        if here != there:
            message = target.messages.get(test) or reference.messages.get(test, "")
            found.append(_explained(Difference(name, test, here, there, message), known, version))
    return found


def _explained(one: Difference, known: Sequence[KnownDifference], version: str) -> Difference:
    return replace(one, known=next((k for k in known if _explains(k, one, version)), None))


def _explains(known: KnownDifference, one: Difference, version: str) -> bool:
    return (
        fnmatchcase(one.test, known.tests)
        and fnmatchcase(version, known.version)
        and (not known.targets or one.target in known.targets)
        and (not known.outcomes or one.outcome in known.outcomes)
    )


def unmatched(
    known: Sequence[KnownDifference], differences: Sequence[Difference], targets: Sequence[str]
) -> list[KnownDifference]:
    """The known differences that explained none of these; they may have been mended since.

    One that is for other targets than those that ran is not among them: nobody looked.
    """
    used = [one.known for one in differences if one.known]
    return [
        one
        for one in known
        if one not in used and (not one.targets or set(one.targets) & set(targets))
    ]


def known_differences(package: str) -> tuple[KnownDifference, ...]:
    """What is known of a package's suite; nothing where there is no file."""
    path = KNOWN / f"{package}.toml"
    return load_definition(path, KnownDifferences).difference if path.exists() else ()
