"""Compares a candidate's arrays with a reference's: how far apart, and is it a byte swap?"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zport_agent.arrays import Array, read_npz, to_native
from zport_agent.errors import UsageError
from zport_agent.metrics import (
    SWAPS,
    bfloat16_bits,
    cosine,
    misplaced,
    swap_phrase,
    top_agreement,
    ulp_summary,
    wide,
)
from zport_agent.tolerance import Bounds, bounds_from, default_bounds

_FLOATING = "fc"


@dataclass
class Comparison:
    """One output. Errors are in the output's own unit and over elements finite on both sides.

    ``outside`` counts elements outside the tolerance: of integers, booleans and strings, those
    that are not equal. ``not_finite`` counts where NaN or infinity does not match. ``ulp``
    (largest and median, in steps of the dtype) and ``cosine`` are of floating numbers, ``top`` of
    score vectors alone: see :mod:`zport_agent.metrics`.
    """

    name: str
    verdict: Literal["pass", "differs"] = "pass"
    reasons: list[str] = field(default_factory=list)
    dtype: str | None = None
    absolute: float = 0.0
    relative: float = 0.0
    elements: int = 0
    outside: int = 0
    largest_absolute: float | None = None
    largest_relative: float | None = None
    not_finite: int = 0
    ulp: dict[str, Any] | None = None
    cosine: float | None = None
    top: dict[str, int | None] | None = None
    hint: str | None = None

    def differs(self, reason: str) -> None:
        """Note why it differs."""
        self.verdict = "differs"
        self.reasons.append(reason)


def compare_arrays(
    name: str, reference: Array, candidate: Array, bounds: Bounds, dtype: str | None = None
) -> Comparison:
    """Compare one output: shapes and dtypes (but for byte order) must be equal, and elements as
    near as ``bounds`` says for their dtype; what it does not name is exact.

    ``dtype`` names what the numbers were before they were widened: bfloat16, stored as float32.
    """
    reference, candidate = to_native(reference), to_native(candidate)
    kind = dtype or dtype_name(reference)
    absolute, relative = bounds.get(kind, (0.0, 0.0))
    result = Comparison(name, dtype=kind, absolute=absolute, relative=relative)
    if dtype_name(reference) != dtype_name(candidate):
        result.differs(f"dtype {candidate.dtype}, the reference has {reference.dtype}")
    if reference.shape != candidate.shape:
        result.differs(f"shape {list(candidate.shape)}, the reference has {list(reference.shape)}")
    if result.reasons:
        return result
    if reference.dtype.kind in "biufc":
        _measure(result, reference, candidate)
    outside = outside_of(reference, candidate, absolute, relative)
    result.elements, result.outside = int(reference.size), int(np.count_nonzero(outside))
    if result.outside:
        what = "are outside the tolerance" if absolute or relative else "are not equal"
        result.differs(f"{result.outside} of {result.elements} elements {what}")
        result.hint = explanation(reference, candidate, absolute, relative, kind)
    return result


def dtype_name(array: Array) -> str:
    """The dtype's name, the same for strings of all lengths."""
    return "str" if array.dtype.kind == "U" else array.dtype.name


def outside_of(reference: Array, candidate: Array, absolute: float, relative: float) -> Array:
    """Booleans, the arrays' shape: which elements are too far apart."""
    if reference.dtype.kind not in _FLOATING and not (absolute or relative):
        return np.asarray(reference != candidate)
    r, c = wide(reference), wide(candidate)
    with np.errstate(all="ignore"):
        near = np.abs(c - r) <= absolute + relative * np.abs(r)
    same = (r == c) | (np.isnan(r) & np.isnan(c))
    both_finite = np.isfinite(r) & np.isfinite(c)
    return np.asarray(~np.where(both_finite, near, same))


def _measure(result: Comparison, reference: Array, candidate: Array) -> None:
    r, c = wide(reference), wide(candidate)
    finite = np.isfinite(r) & np.isfinite(c)
    matching = (r == c) | (np.isnan(r) & np.isnan(c))
    result.not_finite = int(np.count_nonzero(~finite & ~matching))
    with np.errstate(over="ignore"):
        error = np.abs(c[finite] - r[finite])
        size = np.abs(r[finite])
        result.largest_absolute = _largest_of(error)
        result.largest_relative = _largest_of(error[size > 0] / size[size > 0])
    if reference.dtype.kind not in _FLOATING:
        return
    bits = reference, candidate
    if result.dtype == "bfloat16":
        bits = bfloat16_bits(reference), bfloat16_bits(candidate)
    result.ulp = ulp_summary(*bits, finite)
    if reference.dtype.kind == "f":
        result.cosine = cosine(r[finite], c[finite])
    result.top = top_agreement(reference, candidate)


def _largest_of(errors: Array) -> float | None:
    """The largest, no larger than JSON can say; None of none."""
    return min(float(errors.max()), sys.float_info.max) if errors.size else None


def explanation(
    reference: Array, candidate: Array, absolute: float, relative: float, dtype: str
) -> str | None:
    """What would turn the candidate into the reference: misplaced bytes, values that got lost."""
    if reference.dtype.kind not in "iufc":
        return None
    itemsize = 2 if dtype == "bfloat16" else reference.dtype.itemsize
    reading = bfloat16_bits if dtype == "bfloat16" else np.asarray
    # The plain swap of one element first: it explains most.
    for group, unit in sorted(SWAPS, key=lambda swap: swap != (itemsize, 1)):
        moved = misplaced(reading(candidate), group, unit) if itemsize > 1 else None
        if moved is None:
            continue
        if dtype == "bfloat16":
            moved = (moved.astype(np.uint32) << 16).view(np.float32)
        if not np.any(outside_of(reference, moved, absolute, relative)):
            return swap_phrase(dtype, itemsize, group, unit)
    wrong = outside_of(reference, candidate, absolute, relative)
    if np.all(candidate[wrong] == 0):
        return f"values got lost: all that differ ({np.count_nonzero(wrong)}) are 0 here"
    return None


def compare_sets(
    reference: Mapping[str, Array], candidate: Mapping[str, Array], bounds: Bounds
) -> dict[str, Any]:
    """Compare all outputs of two runs by name; one that only one side has differs."""
    outputs = []
    for name in [*reference, *(name for name in candidate if name not in reference)]:
        if name in reference and name in candidate:
            result = compare_arrays(name, reference[name], candidate[name], bounds)
        else:
            result = Comparison(name)
            result.differs(f"only in the {'reference' if name in reference else 'candidate'}")
        outputs.append(result)
    if not outputs:
        raise UsageError("neither side holds an array; there is nothing to compare")
    verdict = "pass" if all(output.verdict == "pass" for output in outputs) else "differs"
    return {
        "schema": 2,
        "verdict": verdict,
        "largest_absolute": _largest(output.largest_absolute for output in outputs),
        "largest_relative": _largest(output.largest_relative for output in outputs),
        "outputs": [asdict(output) for output in outputs],
    }


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def compare_files(reference: Path, candidate: Path, bounds: Bounds) -> dict[str, Any]:
    """Compare two ``.npz`` files. Raises UsageError when one cannot be read."""
    return compare_sets(read_npz(reference), read_npz(candidate), bounds)


def stated_bounds(absolute: float | None, relative: float | None) -> Bounds:
    """The default bounds, or those that follow from what is stated for float32."""
    own_absolute, own_relative = default_bounds()["float32"]
    if absolute is None and relative is None:
        return default_bounds()
    return bounds_from(
        own_absolute if absolute is None else absolute,
        own_relative if relative is None else relative,
    )


def compare_batch(pairs: Path) -> list[dict[str, Any]]:
    """Compare each pair of a JSON list of {reference, candidate, bounds}.

    Paths are relative to the list's folder; ``bounds`` is [absolute, relative] by dtype name,
    the defaults if left out; other keys of a pair are kept in its result. A pair that cannot be
    read gets the verdict ``unreadable`` and a ``message``; the others go on.
    Raises UsageError when the list itself is not as described.
    """
    return [_compare_pair(pair, pairs.parent) for pair in _read_pairs(pairs)]


def _compare_pair(pair: dict[str, Any], folder: Path) -> dict[str, Any]:
    reference, candidate = folder / pair["reference"], folder / pair["candidate"]
    bounds = {name: (low, high) for name, (low, high) in pair.get("bounds", {}).items()}
    try:
        return pair | compare_files(reference, candidate, bounds or default_bounds())
    except UsageError as error:
        return pair | {"schema": 2, "verdict": "unreadable", "message": str(error), "outputs": []}


def _read_pairs(path: Path) -> list[dict[str, Any]]:
    wanted = "expected a JSON list of {reference, candidate, bounds}"
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; {wanted}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not JSON ({error}); {wanted}") from None
    if not isinstance(pairs, list):
        raise UsageError(f"{path}: {wanted}, found a {type(pairs).__name__}")
    for index, pair in enumerate(pairs):
        if not isinstance(pair, dict) or not _is_pair(pair):
            raise UsageError(f"{path}: [{index}]: {wanted}, found {json.dumps(pair)[:120]}")
    return pairs


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_pair(pair: dict[str, Any]) -> bool:
    names = all(isinstance(pair.get(key), str) for key in ("reference", "candidate"))
    bounds = pair.get("bounds", {})
    return names and isinstance(bounds, dict) and all(map(_is_bound, bounds.values()))


def _is_bound(bound: Any) -> bool:
    numbers = isinstance(bound, list) and len(bound) == 2
    return numbers and all(isinstance(one, int | float) and one >= 0 for one in bound)


def render(result: dict[str, Any]) -> str:
    """One comparison as text, a line an output."""
    lines = [result["verdict"]]
    for output in result["outputs"]:
        notes = [*measures(output), *output["reasons"], output["hint"] or ""]
        lines.append(f"  {output['verdict']:<8}{output['name']}  {'; '.join(filter(None, notes))}")
    return "\n".join(lines)


def measures(output: dict[str, Any]) -> list[str]:
    """An output's numbers in a few words."""
    words = [f"{output['dtype']}"] if output["dtype"] else []
    if output["largest_absolute"] is not None:
        words.append(f"largest error {output['largest_absolute']:.2e}")
    if output["ulp"]:
        words.append(f"ULP {output['ulp']['largest']:g} (median {output['ulp']['median']:g})")
    if output["cosine"] is not None:
        words.append(f"cosine {output['cosine']:.6f}")
    if output["top"]:
        words.append(f"top-1 {output['top']['top1']}/{output['top']['rows']}")
    return words
