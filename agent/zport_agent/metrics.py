"""Measures of how two arrays of one shape and dtype differ, and what could explain it.

Arrays are in the processor's own order. A bfloat16 array is one of uint16: its bits.
"""

from typing import Any

import numpy as np

from zport_agent.arrays import Array

SWAPS = tuple((group, unit) for group in (2, 4, 8, 16) for unit in (1, 2, 4, 8) if unit < group)
"""Ways to misplace bytes: within each group of so many, the units of so many are reversed."""


def wide(array: Array) -> Array:
    """Float64 (or complex128): differences of two float32 are exact in it."""
    # Swapped bytes may be signalling NaNs, of which the conversion warns.
    with np.errstate(invalid="ignore"):
        return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def bfloat16_bits(array: Array) -> Array:
    """The bits, uint16, of bfloat16 values that were widened to float32, which is exact."""
    return (array.astype("=f4").view(np.uint32) >> 16).astype(np.uint16)


def ulp_distances(reference: Array, candidate: Array) -> Array:
    """How many steps of their dtype lie between the elements: uint64, both zeros are one number.

    For float16, float32, float64, and bfloat16 as uint16. Means nothing where one is not finite.
    """
    bits = np.dtype(f"=u{reference.dtype.itemsize}")
    sign = np.uint64(1) << np.uint64(bits.itemsize * 8 - 1)
    r, c = (
        np.ascontiguousarray(side).view(bits).astype(np.uint64) for side in (reference, candidate)
    )
    r_size, c_size = r & ~sign, c & ~sign
    apart = np.where(r_size > c_size, r_size - c_size, c_size - r_size)
    return np.where((r & sign) == (c & sign), apart, r_size + c_size)


def ulp_summary(reference: Array, candidate: Array, finite: Array) -> dict[str, Any] | None:
    """Largest and median distance in ULP of the elements that are finite on both sides."""
    if reference.dtype.kind == "c":
        part = reference.dtype.type(0).real.dtype
        reference, candidate = (
            np.ascontiguousarray(side).reshape(-1).view(part) for side in (reference, candidate)
        )
        finite = np.repeat(np.ravel(finite), 2)
    distances = ulp_distances(reference, candidate)[finite]
    if not distances.size:
        return None
    return {"largest": int(distances.max()), "median": float(np.median(distances))}


def cosine(reference: Array, candidate: Array) -> float | None:
    """Cosine similarity of two vectors of finite float64; None where one has no direction."""
    sides = []
    for side in (np.ravel(reference), np.ravel(candidate)):
        largest = np.abs(side).max(initial=0)
        if largest == 0:
            return None
        # So that squares neither overflow nor vanish.
        sides.append(side / largest)
    r, c = sides
    return float(np.clip(np.dot(r, c) / (np.linalg.norm(r) * np.linalg.norm(c)), -1, 1))


def top_agreement(reference: Array, candidate: Array) -> dict[str, int | None] | None:
    """In how many rows the reference's best is the candidate's best, or among its best five.

    Only for score vectors: real floating numbers of shape (rows, classes), two classes or more;
    ``top5`` of more than five. Equal scores count as either.
    """
    scores = reference.dtype.kind == "f" and reference.ndim == 2
    if not scores or reference.size == 0 or reference.shape[1] < 2:
        return None
    classes = reference.shape[1]
    r, c = wide(reference), wide(candidate)
    rows = np.arange(len(r))
    best = r.argmax(axis=1)
    top1 = (best == c.argmax(axis=1)) | (c[rows, best] == c.max(axis=1))
    top5 = (c > c[rows, best][:, np.newaxis]).sum(axis=1) < 5
    return {
        "rows": len(r),
        "top1": int(np.count_nonzero(top1)),
        "top5": int(np.count_nonzero(top5)) if classes > 5 else None,
    }


def misplaced(array: Array, group: int, unit: int) -> Array | None:
    """The array with its units of so many bytes reversed within each group of so many.

    None where its bytes do not make whole groups, or bytes of two arrays would mix.
    """
    data = np.frombuffer(array.tobytes(), np.uint8)
    if array.dtype.kind not in "biufc" or data.size == 0 or data.size % group:
        return None
    moved = data.reshape(-1, group // unit, unit)[:, ::-1]
    return np.frombuffer(moved.tobytes(), array.dtype).reshape(array.shape)


def swap_phrase(dtype: str, itemsize: int, group: int, unit: int) -> str:
    """What a misplacement looks like, in words."""
    if (group, unit) == (itemsize, 1):
        return f"looks like swapped {dtype}: with its bytes reversed it agrees"
    if group == itemsize:
        return f"looks like {dtype} with its {8 * unit}-bit parts in reverse order"
    if unit >= itemsize:
        return f"looks like {dtype} of which each {group // itemsize} neighbours changed places"
    return f"looks like {dtype} swapped as numbers of {8 * group} bits" + (
        f", in units of {8 * unit}" if unit > 1 else ""
    )
