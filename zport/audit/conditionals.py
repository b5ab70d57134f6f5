"""What the preprocessor leaves of a C or C++ file: the conditions that each line is under."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

from zport.audit.words import Words

DIRECTIVE = re.compile(
    rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b"
    rb"((?:[^\n\\]|\\.|\\\r?\n)*)",
    re.MULTILINE | re.DOTALL,
)
COMMENT = re.compile(rb"/\*.*?\*/|//[^\n]*", re.DOTALL)
NEGATED = re.compile(rb"!\s*\(?\s*(?:defined)?\b")


@dataclass
class Branch:
    """One branch of a conditional: its own condition, and those of the branches before it."""

    start: int
    condition: bytes | None
    before: tuple[bytes, ...]
    end: int = 0

    @property
    def text(self) -> bytes:
        """All that decides whether the branch is taken."""
        return b"\n".join((*self.before, self.condition or b""))


@dataclass
class Chain:
    """A conditional from ``#if`` to ``#endif``."""

    start: int
    branches: list[Branch] = field(default_factory=list)
    end: int = 0


class Conditionals:
    """The conditionals of a file, by offset."""

    def __init__(self, data: bytes, words: Words) -> None:
        self._data = data
        self._words = words

    @cached_property
    def chains(self) -> list[Chain]:
        """All conditionals, in the order in which they end."""
        chains: list[Chain] = []
        open_ones: list[Chain] = []
        for found in DIRECTIVE.finditer(self._data):
            kind, rest = found[1], COMMENT.sub(b" ", found[2]).strip()
            if kind.startswith(b"if"):
                open_ones.append(Chain(found.start()))
            elif not open_ones:
                continue
            chain = open_ones[-1]
            if chain.branches:
                chain.branches[-1].end = found.start()
            if kind == b"endif":
                chain.end = found.end()
                chains.append(open_ones.pop())
                continue
            condition = None if kind == b"else" else _condition(kind, rest)
            before = tuple(one.condition for one in chain.branches if one.condition)
            chain.branches.append(Branch(found.end(), condition, before))
        for chain in open_ones:
            chain.end = chain.branches[-1].end = len(self._data)
        return chains + open_ones[::-1]

    @cached_property
    def _branches(self) -> tuple[list[int], list[Branch]]:
        branches = sorted(
            (one for chain in self.chains for one in chain.branches), key=lambda one: one.start
        )
        return [one.start for one in branches], branches

    def around(self, offset: int) -> list[Branch]:
        """The branches that an offset is in, the outermost first."""
        starts, branches = self._branches
        return [one for one in branches[: bisect_right(starts, offset)] if offset < one.end]

    def chain_at(self, offset: int) -> Chain | None:
        """The conditional that begins at an offset, or on the spaces before it."""
        near = (one for one in self.chains if one.start <= offset <= one.branches[0].start)
        return next(near, None)

    def dead(self, offset: int) -> bool:
        """Whether nothing compiles this on a big-endian Linux, as far as can be told."""
        return any(self._never(branch) for branch in self.around(offset))

    def decided_by(self, offset: int, words: str) -> bool:
        """Whether a condition around, or one of a branch before, has one of the words."""
        return any(self._words.match(words, one.text) for one in self.around(offset))

    def _never(self, branch: Branch) -> bool:
        if branch.condition is not None:
            return self._foreign(branch.condition)
        # An #else is foreign where the branch before it is taken on every other machine.
        return any(
            one.startswith(b"!") and b"||" not in one and b"&&" not in one
            and self._words.match("foreign", one)
            for one in branch.before
        )  # fmt: skip

    def _foreign(self, condition: bytes) -> bool:
        """Whether every alternative of a condition asks for another kind of machine."""
        if condition.strip() in (b"0", b"(0)"):
            return True
        return all(
            any(
                self._words.match("foreign", part) and not NEGATED.search(part)
                for part in alternative.split(b"&&")
            )
            for alternative in condition.split(b"||")
        )


def _condition(kind: bytes, rest: bytes) -> bytes:
    if kind.endswith(b"ndef"):
        return b"!defined(" + rest + b")"
    if kind.endswith(b"def"):
        return b"defined(" + rest + b")"
    return rest
