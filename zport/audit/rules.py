"""Rules: what is wrong, how it shows, and how to mend it, one file a rule in ``porting/rules/``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator
from tree_sitter import Query, QueryError

from zport.audit.languages import Language, grammar
from zport.audit.model import Severity
from zport.audit.words import RULES, VOCABULARY
from zport.definitions import Definition, load_definition
from zport.errors import DefinitionError

Class = Literal["N", "S", "D", "R", "A", "V", "H", "T", "X"]
CLASSES: dict[Class, str] = {
    "N": "the machine's byte order in data of a defined one",
    "S": "a swap that is wrong or missing",
    "D": "explicit order handed to code that takes the machine's",
    "R": "refuses big-endian machines",
    "A": "a list of architectures without the rest",
    "V": "instructions of one architecture",
    "H": "a hash that reads words",
    "T": "a test that takes one byte order for granted",
    "X": "code for the other byte order that does not compile",
}
PATHS = re.compile(r'\(#(not-)?path\? @\w+ "([\w-]+)"\)')
Exemption = Literal["guarded", "handled", "foreign", "kernel", "test"]
"""Why code is right all the same: ``guarded`` by a condition on the byte order, ``handled`` by its
function, ``foreign`` and never compiled here, ``kernel`` structures that never leave the machine,
``test`` code."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Match(Definition):
    """One way in which a rule shows: a tree-sitter query whose ``@finding`` is the place.

    ``within`` is what a file's bytes must have, as a regular expression: files without it are not
    parsed. ``severity`` and ``languages`` are the rule's unless they are given. ``macros`` also
    looks into bodies of the preprocessor's macros. ``name`` marks a capture that the whole source
    must not have: see ``zport.audit.project``. ``used`` is a regular expression with ``NAME`` in
    it, for the capture ``@used``: the finding stands if some file of the source has it.
    """

    query: Text
    within: Text
    severity: Severity | None = None
    languages: tuple[Language, ...] = ()
    macros: bool = False
    absent: bool = False
    used: str = ""

    @field_validator("within", "used")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern.encode())
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return pattern


class Example(Definition):
    """Code that the rule finds something in, or nothing. ``path`` matters to rules about tests."""

    language: Language
    code: Text
    path: str = ""


class Rule(Definition):
    """One rule. ``id`` is the name of its file; ``mend`` says what to write instead."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    severity: Severity
    classes: tuple[Class, ...] = Field(min_length=1)
    languages: tuple[Language, ...] = Field(min_length=1)
    wrong: Text
    mend: Text
    references: tuple[str, ...] = ()
    right: tuple[Exemption, ...] = ("guarded", "handled", "foreign", "kernel")
    match: tuple[Match, ...] = Field(min_length=1)
    bad: tuple[Example, ...] = Field(min_length=1)
    good: tuple[Example, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Pattern:
    """A match of a rule, ready for one language."""

    rule: Rule
    match: Match
    language: Language

    @property
    def severity(self) -> Severity:
        return self.match.severity or self.rule.severity

    @cached_property
    def query(self) -> Query:
        """The query, compiled. Raises :class:`DefinitionError` for one that is none."""
        try:
            return Query(grammar(self.language), self.match.query)
        except (QueryError, ValueError) as error:
            raise DefinitionError(f"a query for {self.language}: {error}",
                                  where=RULES / f"{self.rule.id}.toml",
                                  next_step="mend the query") from error  # fmt: skip

    @cached_property
    def paths(self) -> tuple[tuple[str, bool], ...]:
        """Lists of words that a file's path has to match, or not: what the query asks of it."""
        asked = {(name, not turned) for turned, name in PATHS.findall(self.match.query)}
        foreign = {("foreign-path", False)} if "foreign" in self.rule.right else set()
        return tuple(sorted(asked | foreign))

    @cached_property
    def within(self) -> re.Pattern[bytes]:
        return re.compile(self.match.within.encode())


@cache
def load_rules(folder: Path = RULES) -> dict[str, Rule]:
    """All rules by their id. Raises :class:`DefinitionError` naming what does not fit."""
    rules = {}
    for path in sorted(folder.glob("*.toml")):
        if path.name == VOCABULARY.name:
            continue
        rule = load_definition(path, Rule)
        if rule.id != path.stem:
            raise DefinitionError(f"its id is {rule.id}", where=path,
                                  next_step=f"name the file {rule.id}.toml")  # fmt: skip
        rules[rule.id] = rule
    return rules


@cache
def patterns(language: Language) -> tuple[Pattern, ...]:
    """Everything to look for in files of a language, compiled once a process."""
    return tuple(
        Pattern(rule, match, language)
        for rule in load_rules().values()
        for match in rule.match
        if language in (match.languages or rule.languages)
    )
