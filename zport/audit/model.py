"""The plain data that the stages of an audit hand to each other."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Worst first. Notes are not shown unless they are asked for."""
DEFAULT_SEVERITY: Severity = "warning"


@dataclass(frozen=True)
class Finding:
    """One place where a rule holds.

    ``path`` is relative to the source, with slashes. ``line`` and ``column`` count from 1, the
    column in bytes. ``fingerprint`` stays the same when lines are added above or below.
    """

    rule: str
    severity: Severity
    path: str
    line: int
    column: int
    snippet: str
    fingerprint: str = ""


@dataclass(frozen=True)
class Skipped:
    """A file that was not audited, and why."""

    path: str
    reason: str


class Name(NamedTuple):
    """A name, and how another file would have to use it; either may be empty."""

    text: str = ""
    use: str = ""


@dataclass(frozen=True)
class Wanted:
    """A name that the rest of the source decides about.

    Without a use the finding stands if nothing else has the name; with one, if some file has a
    match of that regular expression.
    """

    name: Name
    finding: Finding


@dataclass(frozen=True)
class Examined:
    """What one file gave."""

    path: str
    lines: int = 0
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: Skipped | None = None


@dataclass(frozen=True)
class Report:
    """A whole audit.

    ``suppressed`` were accepted by a comment in the source, ``known`` by a baseline. ``hidden`` is
    the number of findings below the severity that was asked for.
    """

    title: str
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...] = ()
    known: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    hidden: int = 0
    files: int = 0
    lines: int = 0
    seconds: float = 0.0


def at_least(severity: Severity, least: Severity) -> bool:
    """Whether a severity is as bad as another, or worse."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(least)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order in which to look at them."""
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.path, f.line, f.rule))


def fingerprinted(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of one file, each with its fingerprint.

    It is made of rule, path and the code without spaces, and of how many equal ones came before.
    """
    seen: Counter[str] = Counter()
    marked = []
    for one in findings:
        code = re.sub(r"\s+", "", one.snippet)
        base = "\0".join((one.rule, one.path, code))
        text = f"{base}\0{seen[base]}"
        seen[base] += 1
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        marked.append(replace(one, fingerprint=digest[:20]))
    return marked
