"""A scan from its inputs to its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zport.distribution import TRIXIE, Distribution
from zport.errors import UsageError
from zport.scan.facts import Gatherer
from zport.scan.judge import follow, judge, worst_first
from zport.scan.listing import KeptIndex
from zport.scan.model import Lock, Loose, Report
from zport.scan.resolve import resolve
from zport.targets import Target
from zport.workspace import Workspace

BASES: dict[str, Distribution] = {TRIXIE.suite: TRIXIE}
NO_BASE = "none"


class Scanner:
    """Scans requirement sets for one Python, on whatever targets."""

    def __init__(
        self,
        workspace: Workspace,
        distribution: Distribution = TRIXIE,
        *,
        packaged: bool = True,
        refresh: bool = False,
    ) -> None:
        self.workspace = workspace
        self.distribution = distribution
        self.packaged = packaged
        self.refresh = refresh
        self.index = KeptIndex(workspace.root / "index-pages", refresh=refresh)

    def lock(self, requirements: Lock | Loose) -> Lock:
        """The closure of the requirements; raises as :func:`zport.scan.resolve.resolve`."""
        if isinstance(requirements, Lock):
            return requirements
        return resolve(requirements, self.index, self.distribution)

    def scan(self, requirements: Lock | Loose, targets: Sequence[Target]) -> Report:
        """Where every package of the closure comes from on each target, and what that means.

        Raises :class:`FetchError` when the package index does not answer, and what resolving
        raises.
        """
        lock = self.lock(requirements)
        gatherer = Gatherer(
            self.workspace, self.index, self.distribution, targets,
            packaged=self.packaged, refresh=self.refresh,
        )  # fmt: skip
        findings, notes = [], list(lock.notes)
        for target in targets:
            closure = lock.closure(target, self.distribution)
            judged = [
                judge(facts, closure.chain(facts.entry.key))
                for facts in gatherer.gather(closure.entries, target)
            ]
            brought = {one.text for one in judged if one.packaged}
            needed = closure.without(brought)
            findings += follow([one for one in judged if one.text in needed], closure)
            spared = [one.name for one in judged if one.text not in needed]
            if spared:
                notes.append(f"{target.name}: left out, needed only by what the distribution "
                             f"brings: {', '.join(spared)}")  # fmt: skip
        return Report(
            lock.title,
            tuple(target.name for target in targets),
            self.distribution.python_version,
            tuple(worst_first(findings)),
            tuple(dict.fromkeys((*notes, *gatherer.notes))),
        )


def choose_base(base: str, python: str | None) -> tuple[Distribution, bool]:
    """The distribution and Python that are scanned for, and whether its packages count.

    They do not where the Python is not the distribution's own. Raises :class:`UsageError` for an
    unknown base or a malformed version.
    """
    if base not in (*BASES, NO_BASE):
        raise UsageError(f"unknown base {base!r}", where="--base",
                         next_step=f"choose from {', '.join((*BASES, NO_BASE))}")  # fmt: skip
    distribution = BASES.get(base, TRIXIE)
    if python is None:
        return distribution, base != NO_BASE
    major, _, minor = python.partition(".")
    if major != "3" or not minor.isdigit():
        raise UsageError(f"not a version of Python 3: {python!r}", where="--python",
                         next_step=f"write it as {distribution.python_version}")  # fmt: skip
    version = (3, int(minor))
    own = version == distribution.python
    return replace(distribution, python=version), own and base != NO_BASE
