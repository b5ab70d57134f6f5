"""How two scans differ: what came, what went, what changed its version or its provider."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from zport.scan.model import HINDERING, STATUS_WORDS, WORST_FIRST, Finding, Report

Change = Literal["worse", "better", "added", "removed", "same"]
ORDER: tuple[Change, ...] = ("worse", "added", "better", "same", "removed")


@dataclass(frozen=True)
class Difference:
    """One package before and after; either may be absent."""

    name: str
    before: Finding | None
    after: Finding | None

    @property
    def change(self) -> Change:
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        before, after = (WORST_FIRST.index(one.status) for one in (self.before, self.after))
        return "worse" if after < before else "better" if after > before else "same"

    def record(self) -> dict[str, Any]:
        """The difference as plain data."""
        sides = {"before": self.before, "after": self.after}
        return {"name": self.name, "change": self.change} | {
            side: asdict(one) if one else None for side, one in sides.items()
        }


@dataclass(frozen=True)
class Comparison:
    """The differences between two scans, the worst first, with what each side is."""

    before: Report
    after: Report
    differences: tuple[Difference, ...]

    @property
    def heading(self) -> str:
        return f"{side(self.before)} → {side(self.after)}"


def compare(before: Report, after: Report) -> Comparison:
    """What differs between two scans.

    Where each is of one target the targets may differ; else packages are paired by target too.
    """
    paired = len(before.targets) > 1 or len(after.targets) > 1
    old, new = _by_name(before, paired), _by_name(after, paired)
    found = [Difference(name, old.get(name), new.get(name)) for name in dict.fromkeys([*new, *old])]
    differing = [one for one in found if _state(one.before) != _state(one.after)]
    worst = sorted(
        differing, key=lambda one: (ORDER.index(one.change), not _hinders(one), one.name)
    )
    return Comparison(before, after, tuple(worst))


def side(report: Report) -> str:
    """A report in a few words."""
    return f"{report.title} ({', '.join(report.targets)})"


def state_text(finding: Finding | None) -> str:
    """A package's version and provider in a few words."""
    return f"{finding.version} {STATUS_WORDS[finding.status]}" if finding else "-"


def _by_name(report: Report, paired: bool) -> dict[str, Finding]:
    return {
        f"{one.name} ({one.target})" if paired else one.name: one
        for one in reversed(report.findings)
    }


def _state(finding: Finding | None) -> tuple[str, str] | None:
    return (finding.version, finding.status) if finding else None


def _hinders(difference: Difference) -> bool:
    return difference.after is not None and difference.after.status in HINDERING
