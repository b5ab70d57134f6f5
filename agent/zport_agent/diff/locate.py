"""Finds the first operator whose output differs between two sides, and says who is wrong.

Values are compared in the order in which the model makes them. Weights must be, bit by bit, what
the model's file says. An operator's output may differ by the tolerance of its dtype, the absolute
one as a fraction of the largest value, because values within a model are of any size. What
differs more is computed exactly from each side's own inputs: so a side is wrong only if its
operator is, not because of what it was given.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from zport_agent.arrays import Array, read_npz
from zport_agent.compare import Comparison, compare_arrays
from zport_agent.diff.evaluate import NoExactAnswerError, exact
from zport_agent.diff.observations import SIDES, Observations, Value
from zport_agent.diff.onnxgraph import BRANCHES, Place, Scope, identity, places, read_model
from zport_agent.diff.weights import Weights
from zport_agent.errors import UsageError
from zport_agent.metrics import SWAPS, misplaced, swap_phrase
from zport_agent.tolerance import Bounds

EVALUATIONS = 24
"""How many operators are computed exactly, while differences only grow, before it is enough."""
SHOWN = 5
JUDGE = "exact arithmetic (onnx.reference, float64)"


def locate_file(request: Path) -> dict[str, Any]:
    """Do what a JSON request says: {model, inputs, probes, context, reference, candidate, bounds}.

    ``probes`` are compared, ``context`` (more probes) only tells what operators were given; the
    two sides are folders, paths are relative to the request's. Where ``reference`` is null every
    operator is computed exactly. Raises UsageError or ModelFileError when something of it cannot
    be read.
    """
    try:
        asked = json.loads(request.read_text(encoding="utf-8"))
        folder = request.parent
        # Alone: exact arithmetic is the reference, and nothing was observed of it.
        folders = {side: folder / asked[side] for side in SIDES if asked[side]}
        bounds = {name: (low, high) for name, (low, high) in asked["bounds"].items()}
        inputs = read_npz(folder / asked["inputs"])
        observed = Observations(asked["probes"], folders, inputs)
        context = Observations([*asked["probes"], *asked["context"]], folders, inputs)
        model = folder / asked["model"]
    except OSError as error:
        raise UsageError(f"{request}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{request}: not a request to locate: {error!r}") from None
    locator = Locator(model, observed, context, bounds)
    return locator.locate() if len(folders) == len(SIDES) else locator.locate_alone()


class Locator:
    """One model with what two sides made of it."""

    def __init__(
        self, model: Path, observed: Observations, context: Observations, bounds: Bounds
    ) -> None:
        self.model = read_model(model, external=False)
        self.places = places(self.model)
        self.weights = Weights(model.parent)
        self.observed = observed
        self.context = context
        self.bounds = bounds

    def locate(self) -> dict[str, Any]:
        """The first finding, the values compared, and where the first bit differs.

        ``found`` is None where all agree. Where differences only grow, from operator to operator,
        it is the first that is too large, and ``wrong`` is empty. ``flagged`` is the index of the
        first node with a value that differs too much.
        """
        flagged: int | None = None
        unequal: dict[str, Any] | None = None
        grown: dict[str, Any] | None = None
        compared = evaluated = 0
        for value in self.observed.in_order():
            reference, candidate = self.observed.both(value.key)
            if reference is None or candidate is None or not self._ran(value):
                continue
            compared += 1
            if unequal is None and not same(reference, candidate):
                unequal = identity(self.model, self.places[value.node]) | {"value": value.key}
            comparison = self._compare(value, reference, candidate)
            if comparison.verdict == "pass":
                continue
            flagged = value.node if flagged is None else flagged
            if evaluated >= EVALUATIONS:
                break
            evaluated += 1
            finding = self._finding(value, comparison)
            grown = grown or finding
            if finding["wrong"] or finding["unknown"]:
                grown = finding
                break
        return {"found": grown, "unequal": unequal, "compared": compared, "flagged": flagged}

    def locate_alone(self) -> dict[str, Any]:
        """As ``locate``, of one side: each operator against exact arithmetic on what it was given.

        What cannot be computed exactly is passed over, and not counted as compared.
        """
        compared = 0
        for value in self.observed.in_order():
            seen = self.observed.get("candidate", value.key)
            place = self.places[value.node]
            right = self._right(place, value) if self._ran(value) else None
            if right is None or seen is None:
                continue
            compared += 1
            agrees = (
                same(right, seen) if value.initializer else self._agrees(right, seen, value.dtype)
            )
            if not agrees:
                with np.errstate(all="ignore"):
                    right = right.astype(seen.dtype)
                finding = self._finding(value, self._compare(value, right, seen), right)
                first = identity(self.model, place) | {"value": value.key}
                return {"found": finding, "unequal": first, "compared": compared,
                        "flagged": value.node}  # fmt: skip
        return {"found": None, "unequal": None, "compared": compared, "flagged": None}

    def _ran(self, value: Value) -> bool:
        """Whether the branches that a value is in were taken, by either side."""
        scope = self.places[value.node].scope
        while scope.parent is not None:
            if scope.holder.op_type in BRANCHES:
                taken = [self._condition(side, scope) for side in self.observed.folders]
                own = scope.attribute == "then_branch"
                if taken and all(one is not None and one != own for one in taken):
                    return False
            scope = scope.parent
        return True

    def _condition(self, side: str, branch: Scope) -> bool | None:
        """What a side's If went by; None where that is not known, or changes in a loop."""
        assert branch.parent is not None
        name = branch.holder.input[0]
        found = branch.parent.find(name)
        value = self.context.get(side, found[1]) if found else None
        if value is None:
            value = self.weights.get(branch.parent, name)
        return bool(value.all()) if value is not None and value.size == 1 else None

    def _right(self, place: Place, value: Value) -> Array | None:
        name = _local_name(place, value.key)
        if value.initializer:
            return self.weights.get(place.scope, name)
        try:
            return self._exact(place, self._given("candidate", place))[name]
        except NoExactAnswerError:
            return None

    def _compare(self, value: Value, reference: Array, candidate: Array) -> Comparison:
        bounds: Bounds = {} if value.initializer else scaled(self.bounds, reference, value.dtype)
        return compare_arrays(value.key, reference, candidate, bounds, value.dtype)

    def _finding(
        self, value: Value, comparison: Comparison, right: Array | None = None
    ) -> dict[str, Any]:
        """All that is known of a value that differs; ``right`` where there is no other side."""
        place = self.places[value.node]
        finding = identity(self.model, place) | {
            "value": value.key,
            "kind": "initializer" if value.initializer else "output",
            "inputs": [self._input(place, name) for name in place.node.input if name],
            "outputs": self._outputs(place, {value.key: right}),
            "comparison": asdict(comparison),
            "hint": comparison.hint,
            "wrong": [],
            "unknown": None,
            "exact": None,
        }
        judge = self._judge_weight if value.initializer else self._judge_output
        try:
            finding |= judge(place, value)
        except NoExactAnswerError as error:
            finding["unknown"] = str(error)
        if value.initializer and finding["hint"]:
            finding["hint"] = f"initializer {value.key}: {finding['hint']}"
        return finding

    def _input(self, place: Place, name: str) -> dict[str, Any]:
        found = place.scope.find(name)
        key = found[1] if found else name
        value = self.context.values.get(key)
        dtype = value.dtype if value else None
        weight = bool(found and name in found[0].initializers)
        record: dict[str, Any] = {"name": key, "kind": "initializer" if weight else "value"}
        if key in self.context.inputs:
            record["kind"] = "input"
        reference, candidate = self.context.both(key)
        if weight and "reference" not in self.context.folders:
            reference = self.weights.get(place.scope, name)
        if candidate is None:
            return record | {"observed": False}
        if reference is None:
            return record | {"observed": True, "equal": None, "candidate": summary(candidate)}
        bounds: Bounds = {} if weight else scaled(self.bounds, reference, dtype)
        comparison = compare_arrays(key, reference, candidate, bounds, dtype)
        return record | {
            "observed": True,
            "equal": same(reference, candidate),
            "within": comparison.verdict == "pass",
            "comparison": asdict(comparison),
            **_summaries(reference, candidate),
        }

    def _outputs(self, place: Place, right: Mapping[str, Array | None]) -> list[dict[str, Any]]:
        records = []
        for name in place.outputs:
            key = place.scope.key(name)
            reference, candidate = self.observed.both(key)
            reference = right[key] if right.get(key) is not None else reference
            if reference is not None and candidate is not None:
                value = self.observed.values[key]
                comparison = asdict(self._compare(value, reference, candidate))
                records.append(comparison | _summaries(reference, candidate))
        return records

    def _judge_weight(self, place: Place, value: Value) -> dict[str, Any]:
        right = self.weights.get(place.scope, _local_name(place, value.key))
        if right is None:
            raise NoExactAnswerError("the file has no such initializer")
        seen = self.observed.get("candidate", value.key)
        start = _worst(right, seen) if seen is not None else 0
        wrong = [
            side for side in self.observed.folders
            if (seen := self.observed.get(side, value.key)) is not None and not same(right, seen)
        ]  # fmt: skip
        return {
            "wrong": wrong,
            "exact": {value.key: summary(right, start)},
            "judge": "the model's file",
        }

    def _judge_output(self, place: Place, value: Value) -> dict[str, Any]:
        name = _local_name(place, value.key)
        wrong, hint, shown = [], None, None
        for side in self.observed.folders:
            given = self._given(side, place)
            seen = self.observed.get(side, value.key)
            assert seen is not None
            right = self._exact(place, given)[name]
            shown = shown or {value.key: summary(right, _worst(right, seen))}
            if self._agrees(right, seen, value.dtype):
                continue
            wrong.append(side)
            hint = hint or self._misread(place, given, name, seen, value)
        if wrong == list(SIDES):
            raise NoExactAnswerError(f"{JUDGE} agrees with neither side")
        found: dict[str, Any] = {"wrong": wrong, "exact": shown, "judge": JUDGE}
        return found | ({"hint": hint} if hint else {})

    def _exact(self, place: Place, given: Mapping[str, Array]) -> dict[str, Array]:
        return exact(self.model, place, given, self.weights.folder)

    def _given(self, side: str, place: Place) -> dict[str, Array]:
        given = {}
        for name in filter(None, place.node.input):
            array = self.context.get(side, _key(place, name))
            if array is None:
                array = self.weights.get(place.scope, name)
            if array is not None:
                given[name] = array
        return given

    def _agrees(self, right: Array, seen: Array, dtype: str | None) -> bool:
        if right.shape != seen.shape:
            return False
        with np.errstate(all="ignore"):
            rounded = right.astype(seen.dtype)
        bounds = scaled(self.bounds, rounded, dtype)
        return compare_arrays("", rounded, seen, bounds, dtype).verdict == "pass"

    def _misread(
        self, place: Place, given: Mapping[str, Array], name: str, seen: Array, value: Value
    ) -> str | None:
        """Which input, had its bytes been misplaced, explains what an operator gave."""
        for which, array in given.items():
            key = _key(place, which)
            known = self.context.values.get(key)
            for moved, phrase in _misreadings(array, known.dtype if known else None):
                try:
                    answer = self._exact(place, {**given, which: moved})[name]
                except NoExactAnswerError:
                    continue
                if self._agrees(answer, seen, value.dtype):
                    return f"input {key} was misread: {phrase}"
        return None


def _local_name(place: Place, key: str) -> str:
    """The name by which a node knows a value."""
    names: list[str] = [name for name in (*place.node.input, *place.node.output) if name]
    return next(name for name in names if _key(place, name) == key)


def _key(place: Place, name: str) -> str:
    found = place.scope.find(name)
    return found[1] if found else name


def _misreadings(array: Array, dtype: str | None) -> list[tuple[Array, str]]:
    itemsize = array.dtype.itemsize
    if itemsize == 1 or array.size == 0 or dtype:
        return []
    moved = [(misplaced(array, *swap), swap_phrase(array.dtype.name, itemsize, *swap))
             for swap in SWAPS if swap[0] <= 2 * itemsize]  # fmt: skip
    return [(one, phrase) for one, phrase in moved if one is not None and not same(one, array)]


def same(one: Array, other: Array) -> bool:
    """Whether two arrays of one order have equal shapes, dtypes and bytes."""
    alike = one.shape == other.shape and one.dtype == other.dtype
    return alike and one.tobytes() == other.tobytes()


def scaled(bounds: Bounds, reference: Array, dtype: str | None = None) -> Bounds:
    """The bounds of values within a model: the absolute one is of the largest finite value."""
    if reference.dtype.kind not in "fc":
        return bounds
    name = dtype or reference.dtype.name
    absolute, relative = bounds.get(name, (0.0, 0.0))
    sizes = np.abs(reference[np.isfinite(reference)].astype(np.complex128))
    return {name: (absolute * float(sizes.max(initial=0.0)), relative)}


def _summaries(reference: Array, candidate: Array) -> dict[str, Any]:
    worst = _worst(reference, candidate)
    return {"reference": summary(reference, worst), "candidate": summary(candidate, worst)}


def _worst(reference: Array, candidate: Array) -> int:
    """The flat index of the first element that is not equal; 0 where there is none."""
    if reference.shape != candidate.shape or not reference.size:
        return 0
    return int(np.argmax(np.ravel(reference != candidate)))


def summary(array: Array, start: int = 0) -> dict[str, Any]:
    """An array in a few words: dtype, shape, extremes, and some values from a flat index on."""
    flat = np.ravel(array)
    return {
        "dtype": array.dtype.name if array.dtype.kind != "U" else "str",
        "shape": list(array.shape),
        "range": _extremes(flat),
        "from": start,
        "values": [_text(one) for one in flat[start : start + SHOWN]],
    }


def _extremes(flat: Array) -> list[str] | None:
    if flat.dtype.kind not in "iuf" or not flat.size:
        return None
    measure: list[Callable[[Array], Any]] = [np.nanmin, np.nanmax]
    if np.all(np.isnan(flat)):
        return None
    return [_text(one(flat)) for one in measure]


def _text(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, np.inexact) else str(value)
