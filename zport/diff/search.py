"""The search: what both sides run, and where to look next.

First the model as it is, with and without the framework's graph optimizations. Where the outputs
differ without them, all operators' values are looked at, a pass at a time, without optimizations:
so each operator runs as the file has it. Where they differ with optimizations only, the model is
cut after one operator after the other, at the lowest level of optimization that differs, because
handing out a value keeps what makes it from being merged with what reads it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from zport.diff.containers import Containers, Probes

LEVELS = ("disabled", "basic", "extended", "all")
"""Of optimization, each with what the one before it does."""
PLAIN, USUAL = LEVELS[0], LEVELS[-1]
PROBES = 16
"""Cuts that one start of the containers tries; starting one under emulation takes seconds."""

Ranges = Sequence[tuple[int, int]]
Failures = dict[str, dict[tuple[str, str], str | None]]


@dataclass
class Search:
    """One model on one input. ``stored`` names an ``.npz`` in the work folder to compare with
    where there is no other side."""

    containers: Containers
    graph: str
    passes: Ranges
    operators: Sequence[dict[str, Any]]
    bounds: dict[str, tuple[float, float]]
    stored: str | None = None
    kept: Probes = field(default_factory=list)
    unseen: list[dict[str, Any]] = field(default_factory=list)
    starts: int = 0

    def run(self) -> dict[str, Any]:
        """What was found: see :mod:`zport.diff.report`."""
        first = self._expose([self.passes[0]], PLAIN)
        failures = self._observe([*self._whole(USUAL, PLAIN), *first])
        failed = self._failed(failures, USUAL)
        if failed:
            return self._search_failure(failed)
        levels = {level: self._outputs(failures, level) for level in (USUAL, PLAIN)}
        found: dict[str, Any] = {"verdict": levels[USUAL]["verdict"], "levels": levels}
        if found["verdict"] == "pass":
            return found | {"level": None, "only_optimized": False, **_nothing()}
        if levels[PLAIN]["verdict"] == "pass":
            return found | {"only_optimized": True} | self._search_optimized(levels, first)
        located = self._walk(first, failures)
        return found | {"level": PLAIN, "only_optimized": False} | located

    def _whole(self, *levels: str) -> Probes:
        return [{"file": self.graph, "level": level, "values": []} for level in levels]

    def _expose(self, ranges: Ranges, level: str) -> Probes:
        self.starts += 1
        return self.containers.expose(self.graph, ranges, level, f"zport-probe-{self.starts}")

    def _observe(self, probes: Probes) -> Failures:
        return self.containers.observe(probes)

    def _failed(self, failures: Failures, level: str) -> dict[str, str]:
        """Why the whole model does not run, by side."""
        said = {side: failures[side].get((self.graph, level)) for side in failures}
        return {side: why for side, why in said.items() if why}

    def _outputs(self, failures: Failures, level: str) -> dict[str, Any]:
        """The verdict on the model's outputs at a level."""
        failed = self._failed(failures, level)
        if failed:
            return {"verdict": "fails", "failed": failed, "outputs": []}
        name = f"{self.graph}.{level}.npz"
        reference = self.stored or f"reference/{name}"
        pair = {"reference": reference, "candidate": f"candidate/{name}", "bounds": self.bounds}
        [compared] = self.containers.compare([pair])
        if compared["verdict"] == "unreadable":
            return {"verdict": "fails", "failed": {"candidate": compared["message"]}, "outputs": []}
        return {"verdict": compared["verdict"], "failed": {}, "outputs": compared["outputs"]}

    def _locate(self, probes: Probes, context: Probes) -> dict[str, Any]:
        return self.containers.locate({
            "model": f"files/{self.graph}",
            "inputs": "inputs/inputs.npz",
            "probes": probes,
            "context": context,
            "reference": None if self.stored else "reference",
            "candidate": "candidate",
            "bounds": self.bounds,
        })  # fmt: skip

    def _walk(self, first: Probes, failures: Failures) -> dict[str, Any]:
        """All values in order, pass by pass; a pass that does not run is taken in two halves."""
        queue = deque(self.passes)
        probes: Probes | None = first
        grown, unequal, compared = None, None, 0
        while queue:
            span = queue.popleft()
            if probes is None:
                probes = self._expose([span], PLAIN)
                failures = self._observe(probes)
            why = next(iter(_failures_of(failures, probes)), None)
            if why is None:
                located = self._locate(probes, self.kept)
                self.kept += probes
                compared += located["compared"]
                unequal = unequal or located["unequal"]
                if located["found"] and _is_decided(located["found"]):
                    return self._told(located["found"], unequal, compared)
                grown = grown or located["found"]
            elif span[0] == span[1]:
                self.unseen.append({"index": span[0], "why": why})
            else:
                middle = (span[0] + span[1]) // 2
                queue.extendleft([(middle + 1, span[1]), (span[0], middle)])
            probes = None
        return self._told(grown, unequal, compared)

    def _told(self, found: Any, unequal: Any, compared: int) -> dict[str, Any]:
        return {
            "operator": found, "unequal": unequal, "compared": compared, "unseen": self.unseen,
        }  # fmt: skip

    def _search_optimized(self, levels: dict[str, Any], first: Probes) -> dict[str, Any]:
        between = LEVELS[1:-1]
        failures = self._observe(self._whole(*between))
        levels |= {level: self._outputs(failures, level) for level in between}
        level = next(one for one in LEVELS if levels[one]["verdict"] != "pass")
        index = self._first_cut(level, self._first_differing)
        if index is None:
            return {"level": level, **_nothing()}
        # What the operator was given is taken from runs without optimizations.
        self.kept += first
        for span in self.passes[1:]:
            if span[0] <= index:
                probes = self._expose([span], PLAIN)
                if not _failures_of(self._observe(probes), probes):
                    self.kept += probes
        probes = self._expose([(index, index)], level)
        self._observe(probes)
        located = self._locate(probes, self.kept)
        return {"level": level} | self._told(located["found"], located["unequal"], 0)

    def _search_failure(self, failed: dict[str, str]) -> dict[str, Any]:
        """The first operator with which a side fails."""
        side = next(iter(failed))

        def first_failing(probes: Probes, failures: Failures) -> int | None:
            said = [failures[side][probe["file"], probe["level"]] for probe in probes]
            return next((number for number, why in enumerate(said) if why), None)

        index = self._first_cut(USUAL, first_failing)
        return {
            "verdict": "fails", "levels": {}, "level": USUAL, "only_optimized": False,
            "failed": failed, **_nothing(),
            "operator": None if index is None else self._named(index, failed),
        }  # fmt: skip

    def _named(self, index: int, failed: dict[str, str]) -> dict[str, Any]:
        """The record of an operator of which nothing is known but that it fails."""
        return self.operators[index] | {
            "wrong": list(failed), "unknown": None, "kind": "failure",
            "hint": f"it does not run: {next(iter(failed.values()))}",
            "inputs": [], "outputs": [], "exact": None,
        }  # fmt: skip

    def _first_differing(self, probes: Probes, failures: Failures) -> int | None:
        ran = [probe for probe in probes if not _failures_of(failures, [probe])]
        if not ran:
            return None
        flagged = self._locate(ran, [])["flagged"]
        if flagged is None:
            return None
        nodes = [max(value["node"] for value in probe["values"]) for probe in probes]
        return nodes.index(flagged)

    def _first_cut(
        self, level: str, first_of: Callable[[Probes, Failures], int | None]
    ) -> int | None:
        """The first node after which the model, cut there, is as it should not be; several cuts a
        round. None where no cut is, although the whole model is."""
        low, high = 0, len(self.operators) - 1
        while True:
            cuts = spread(low, high, PROBES)
            probes = self._expose([(cut, cut) for cut in cuts], level)
            number = first_of(probes, self._observe(probes))
            self.containers.forget(probes)
            if number is None:
                return None
            if number == 0 or cuts[number] == cuts[number - 1] + 1:
                return cuts[number]
            low, high = cuts[number - 1] + 1, cuts[number]


def spread(low: int, high: int, count: int) -> list[int]:
    """At most so many numbers from ``low`` to ``high``, evenly, both among them."""
    if high - low < count:
        return list(range(low, high + 1))
    return [low + (high - low) * step // (count - 1) for step in range(count)]


def _failures_of(failures: Failures, probes: Probes) -> list[str]:
    said = [failures[side][probe["file"], probe["level"]] for side in failures for probe in probes]
    return [why for why in said if why]


def _is_decided(found: dict[str, Any]) -> bool:
    return bool(found["wrong"] or found["unknown"])


def _nothing() -> dict[str, Any]:
    return {"operator": None, "unequal": None, "compared": 0, "unseen": []}
