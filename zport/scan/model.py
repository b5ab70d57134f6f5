"""The plain data that the stages of a scan hand to each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from zport.distribution import Distribution
from zport.resolve.providers import Provided
from zport.resolve.requirements import Pin, holds
from zport.targets import Target

Status = Literal[
    "dangerous", "blocked", "source", "recipe", "distribution", "published", "pure"
]  # fmt: skip
WORST_FIRST: tuple[Status, ...] = (
    "dangerous", "blocked", "source", "recipe", "distribution", "published", "pure",
)  # fmt: skip
STATUS_WORDS: dict[Status, str] = {
    "dangerous": "dangerous",
    "blocked": "blocked",
    "source": "source only",
    "recipe": "our recipe",
    "distribution": "distribution",
    "published": "published wheel",
    "pure": "pure Python",
}
HINDERING: tuple[Status, ...] = ("dangerous", "blocked")
INSTALLABLE: tuple[Status, ...] = ("distribution", "published", "pure")


@dataclass(frozen=True)
class Loose:
    """Requirements that are to be resolved.

    ``outside`` are requirements that do not come from an index: a URL, a commit, a folder.
    """

    title: str
    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One version of one package in a closure.

    ``source`` is the place of a package that comes from no index, as the input has it. ``asked``
    is the specifier that the user wrote, where it is known to be looser than the pin.
    """

    pin: Pin
    source: str | None = None
    asked: str | None = None

    @property
    def key(self) -> str:
        return self.pin.text


@dataclass(frozen=True)
class Edge:
    """``user`` needs ``needed`` where the marker holds; both are keys of entries.

    A key with an extra in brackets stands for what that extra adds. A user that is no entry, such
    as the project itself, is a name for people.
    """

    user: str
    needed: str
    marker: str | None = None


@dataclass(frozen=True)
class Lock:
    """A closure for all targets, with who needs whom where that is known.

    With ``roots`` only what is reached from them belongs to a target's closure, otherwise every
    entry whose own marker holds does.
    """

    title: str
    entries: tuple[Entry, ...]
    edges: tuple[Edge, ...] = ()
    roots: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def closure(self, target: Target, distribution: Distribution) -> Closure:
        """What of the lock is installed on a target."""
        edges = [edge for edge in self.edges if holds(edge.marker, target, distribution)]
        there = [one for one in self.entries if holds(one.pin.marker, target, distribution)]
        if self.roots is not None:
            reached = _reached(self.roots, edges)
            there = [entry for entry in there if entry.key in reached]
        keys = {entry.key for entry in there}
        elsewhere = {entry.key for entry in self.entries} - keys
        pairs = sorted({(_plain(edge.user), _plain(edge.needed)) for edge in edges})
        needs = tuple(
            pair for pair in pairs
            if pair[1] in keys and pair[0] not in elsewhere and pair[0] != pair[1]
        )  # fmt: skip
        ordered = sorted(there, key=lambda entry: (entry.pin.name, entry.pin.version))
        return Closure(tuple(ordered), needs)


@dataclass(frozen=True)
class Closure:
    """What is installed on one target, sorted by name, and pairs of who needs whom."""

    entries: tuple[Entry, ...]
    needs: tuple[tuple[str, str], ...] = ()

    def chain(self, key: str) -> tuple[str, ...]:
        """Who pulled an entry in, the nearest first: the shortest way to what nobody needs."""
        ways: deque[tuple[str, ...]] = deque([(key,)])
        seen = {key}
        while ways:
            way = ways.popleft()
            above = self._users.get(way[-1], [])
            if not above:
                return tuple(_name(one) for one in way[1:])
            new = [user for user in above if user not in seen]
            ways.extend((*way, user) for user in new)
            seen.update(new)
        return ()

    def without(self, brought: Collection[str]) -> set[str]:
        """The keys of entries that are needed still when ``brought`` need nothing more."""
        keys = {entry.key for entry in self.entries}
        first = {
            entry.key
            for entry in self.entries
            if entry.asked is not None or entry.key not in self._users
        }
        people = {user for user, _ in self.needs if user not in keys}
        onward = [Edge(user, needed) for user, needed in self.needs if user not in brought]
        # What only a ring needs is reached from nowhere; it stays, as long as nothing is brought.
        return _reached({*first, *people}, onward) & keys if brought else keys

    @cached_property
    def _users(self) -> dict[str, list[str]]:
        users: dict[str, list[str]] = {}
        for user, needed in self.needs:
            users.setdefault(needed, []).append(user)
        return users


def _reached(roots: Iterable[str], edges: Sequence[Edge]) -> set[str]:
    needs: dict[str, list[str]] = {}
    for edge in edges:
        needs.setdefault(edge.user, []).append(edge.needed)
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += needs.get(key, [])
    return reached


def _plain(key: str) -> str:
    return key.partition("[")[0]


def _name(key: str) -> str:
    return key.partition("==")[0]


@dataclass(frozen=True)
class Packaged:
    """The distribution's package of a requirement; whether its version is one that was asked for.

    ``version`` is upstream's, without the distribution's own additions.
    """

    package: str
    version: str
    satisfies: bool


@dataclass(frozen=True)
class SourceFacts:
    """What a source distribution says of its build; ``unknown`` is why it was not read."""

    filename: str
    backend: str | None = None
    requires: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    unknown: str | None = None

    @property
    def text(self) -> str:
        if self.unknown:
            return f"{self.filename}: backend unknown, {self.unknown}"
        parts = [f"{self.filename}: {self.backend}"]
        parts.append(f"compiles {', '.join(self.languages)}" if self.languages else "no compiler")
        if self.requires:
            parts.append(f"asks for {', '.join(self.requires)}")
        if self.packages:
            parts.append(f"Debian's {', '.join(self.packages)}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Finding:
    """One package on one target: where it comes from, what that means, and what to do next.

    ``provided`` is what the resolver says. ``origin`` names the file, package or recipe,
    ``detail`` is what there is to know, ``step`` the next step where there is one. ``pulled_by``
    goes from the nearest user up to the project. ``packaged`` says that the distribution's package
    stands in, with the distribution's own packages of what it needs. A recipe
    that was never built is not ``tried``. ``follows`` is a blocked package that alone, or with
    other blocked ones, needs this one.
    """

    name: str
    version: str
    target: str
    status: Status
    provided: Provided
    origin: str = ""
    detail: str = ""
    step: str = ""
    pulled_by: tuple[str, ...] = ()
    packaged: bool = False
    tried: bool = True
    follows: str = ""

    @property
    def text(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class Coverage:
    """How many packages of a target's closure can be installed without a compiler.

    ``now`` from the package index and the distribution, ``ours`` with our recipes' wheels too.
    What is dangerous counts for neither, nor does a recipe that was never built.
    """

    target: str
    total: int
    now: int
    ours: int

    @property
    def text(self) -> str:
        return (
            f"{self.target}: {self.now} of {self.total} installable now "
            f"({_percent(self.now, self.total)}), {self.ours} with our index "
            f"({_percent(self.ours, self.total)})"
        )


def _percent(part: int, total: int) -> str:
    # Rounded down: 100 % is said only of all.
    return f"{100 * part // total} %" if total else "-"


@dataclass(frozen=True)
class Report:
    """A scan: every package on every target, worst first."""

    title: str
    targets: tuple[str, ...]
    python: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def hindering(self) -> list[Finding]:
        return [one for one in self.findings if one.status in HINDERING]

    def coverage(self) -> list[Coverage]:
        """The coverage of every target."""
        return [_coverage(name, self.findings) for name in self.targets]


def _coverage(target: str, findings: Iterable[Finding]) -> Coverage:
    there = [one for one in findings if one.target == target]
    now = sum(one.status in INSTALLABLE for one in there)
    recipes = sum(one.status == "recipe" and one.tried for one in there)
    return Coverage(target, len(there), now, now + recipes)
