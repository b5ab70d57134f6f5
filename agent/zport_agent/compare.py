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


@dataclass
class Comparison:
    """One output. Errors are in the output's own unit and over finite elements only.

    ``not_finite`` counts elements where NaN or infinity does not match; ``argmax`` tells in
    how many rows of the last axis both have their largest element at the same place.
    """

    name: str
    verdict: Literal["pass", "differs"] = "pass"
    reasons: list[str] = field(default_factory=list)
    elements: int = 0
    outside: int = 0
    largest_absolute: float | None = None
    largest_relative: float | None = None
    not_finite: int = 0
    argmax: dict[str, int] | None = None
    hint: str | None = None

    def differs(self, reason: str) -> None:
        """Note why it differs."""
        self.verdict = "differs"
        self.reasons.append(reason)


def compare_arrays(
    name: str, reference: Array, candidate: Array, absolute: float, relative: float
) -> Comparison:
    """Compare one output: shapes and dtypes (but for byte order) must be equal,
    floats within ``|c - r| <= absolute + relative * |r|``, integers and booleans exact.
    """
    result = Comparison(name)
    reference, candidate = to_native(reference), to_native(candidate)
    if reference.dtype != candidate.dtype:
        result.differs(f"dtype {candidate.dtype}, the reference has {reference.dtype}")
    if reference.shape != candidate.shape:
        result.differs(f"shape {list(candidate.shape)}, the reference has {list(reference.shape)}")
    if result.reasons:
        return result
    _measure(result, reference, candidate)
    outside = _outside(reference, candidate, absolute, relative)
    result.elements, result.outside = int(reference.size), int(np.count_nonzero(outside))
    if result.outside:
        result.differs(f"{result.outside} of {result.elements} elements are outside the tolerance")
        result.hint = _swap_hint(reference, candidate, absolute, relative)
    return result


def _wide(array: Array) -> Array:
    """Float64 (or complex128): differences of two float32 are exact in it."""
    # Swapped bytes may be signalling NaNs, of which the conversion warns.
    with np.errstate(invalid="ignore"):
        return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _outside(reference: Array, candidate: Array, absolute: float, relative: float) -> Array:
    """Booleans, the arrays' shape: which elements are too far apart."""
    if reference.dtype.kind in "biu":
        return np.asarray(reference != candidate)
    r, c = _wide(reference), _wide(candidate)
    with np.errstate(all="ignore"):
        near = np.abs(c - r) <= absolute + relative * np.abs(r)
    same = (r == c) | (np.isnan(r) & np.isnan(c))
    both_finite = np.isfinite(r) & np.isfinite(c)
    return np.asarray(~np.where(both_finite, near, same))


def _measure(result: Comparison, reference: Array, candidate: Array) -> None:
    r, c = _wide(reference), _wide(candidate)
    finite = np.isfinite(r) & np.isfinite(c)
    matching = (r == c) | (np.isnan(r) & np.isnan(c))
    result.not_finite = int(np.count_nonzero(~finite & ~matching))
    with np.errstate(over="ignore"):
        error = np.abs(c[finite] - r[finite])
        size = np.abs(r[finite])
        result.largest_absolute = _largest_of(error)
        result.largest_relative = _largest_of(error[size > 0] / size[size > 0])
    if reference.dtype.kind == "f" and reference.ndim and reference.shape[-1] > 1 and r.size:
        agree = np.argmax(r, axis=-1) == np.argmax(c, axis=-1)
        result.argmax = {"rows": int(agree.size), "agree": int(np.count_nonzero(agree))}


def _largest_of(errors: Array) -> float | None:
    """The largest, no larger than JSON can say; None of none."""
    return min(float(errors.max()), sys.float_info.max) if errors.size else None


def _swap_hint(reference: Array, candidate: Array, absolute: float, relative: float) -> str | None:
    """Say so if the candidate agrees once the bytes of each element are reversed."""
    if reference.dtype.itemsize == 1:
        return None
    if np.any(_outside(reference, candidate.byteswap(), absolute, relative)):
        return None
    return f"looks like swapped {reference.dtype.name}: with its bytes reversed it agrees"


def compare_sets(
    reference: Mapping[str, Array],
    candidate: Mapping[str, Array],
    absolute: float,
    relative: float,
) -> dict[str, Any]:
    """Compare all outputs of two runs by name; one that only one side has differs."""
    outputs = []
    for name in [*reference, *(name for name in candidate if name not in reference)]:
        if name in reference and name in candidate:
            result = compare_arrays(name, reference[name], candidate[name], absolute, relative)
        else:
            result = Comparison(name)
            result.differs(f"only in the {'reference' if name in reference else 'candidate'}")
        outputs.append(result)
    if not outputs:
        raise UsageError("neither side holds an array; there is nothing to compare")
    verdict = "pass" if all(output.verdict == "pass" for output in outputs) else "differs"
    return {
        "schema": 1,
        "verdict": verdict,
        "absolute": absolute,
        "relative": relative,
        "largest_absolute": _largest(output.largest_absolute for output in outputs),
        "largest_relative": _largest(output.largest_relative for output in outputs),
        "outputs": [asdict(output) for output in outputs],
    }


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def compare_files(
    reference: Path, candidate: Path, absolute: float, relative: float
) -> dict[str, Any]:
    """Compare two ``.npz`` files. Raises UsageError when one cannot be read."""
    return compare_sets(read_npz(reference), read_npz(candidate), absolute, relative)


def compare_batch(pairs: Path) -> list[dict[str, Any]]:
    """Compare each pair of a JSON list of {reference, candidate, absolute, relative}.

    Paths are relative to the list's folder; other keys of a pair are kept in its result. A pair
    that cannot be read gets the verdict ``unreadable`` and a ``message``; the others go on.
    Raises UsageError when the list itself is not as described.
    """
    return [_compare_pair(pair, pairs.parent) for pair in _read_pairs(pairs)]


def _compare_pair(pair: dict[str, Any], folder: Path) -> dict[str, Any]:
    reference, candidate = folder / pair["reference"], folder / pair["candidate"]
    try:
        return pair | compare_files(reference, candidate, pair["absolute"], pair["relative"])
    except UsageError as error:
        return pair | {"schema": 1, "verdict": "unreadable", "message": str(error), "outputs": []}


def _read_pairs(path: Path) -> list[dict[str, Any]]:
    wanted = "expected a JSON list of {reference, candidate, absolute, relative}"
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
    bounds = [pair.get(key) for key in ("absolute", "relative")]
    return names and all(isinstance(bound, int | float) and bound >= 0 for bound in bounds)


def render(result: dict[str, Any]) -> str:
    """One comparison as text, a line an output."""
    lines = [
        f"{result['verdict']}  (absolute {result['absolute']:g}, relative {result['relative']:g})"
    ]
    for output in result["outputs"]:
        error = output["largest_absolute"]
        size = "" if error is None else f"largest error {error:.2e}"
        notes = [size, *output["reasons"], output["hint"] or ""]
        lines.append(f"  {output['verdict']:<8}{output['name']}  {'; '.join(filter(None, notes))}")
    return "\n".join(lines)
