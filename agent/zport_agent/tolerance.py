"""How far an output may be from its reference, by the name of its dtype: one table.

An element is near enough where ``|candidate - reference| <= absolute + relative * |reference|``.
The toolkit on the host reads this module too, so it imports nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias


class Bound(NamedTuple):
    """One row: the bounds, in the output's own unit, and why they are what they are."""

    absolute: float
    relative: float
    reason: str


Bounds: TypeAlias = Mapping[str, tuple[float, float]]
"""(absolute, relative) by dtype name; integers, booleans and strings that it lacks are exact."""

_SUMS = "sums in another order and fused multiply-adds move the last {bits} of {digits} bits"
EXACT = Bound(0.0, 0.0, "no rounding is left to the machine, so every difference is a defect")

DEFAULTS: Mapping[str, Bound] = {
    "float32": Bound(1e-5, 1e-4, _SUMS.format(bits="ten", digits=24)),
    "float64": Bound(1e-9, 1e-7, "as float32, or it was float32 until the model's last cast: "
                                 "then the manifest says so"),
    "float16": Bound(1e-3, 1e-2, _SUMS.format(bits="three", digits=11)),
    "bfloat16": Bound(1e-2, 8e-2, _SUMS.format(bits="three", digits=8)),
    "complex64": Bound(1e-5, 1e-4, "as float32, of the complex numbers' distance"),
    "complex128": Bound(1e-9, 1e-7, "as float64, of the complex numbers' distance"),
    "bool": EXACT, "str": EXACT,
    "int8": EXACT, "int16": EXACT, "int32": EXACT, "int64": EXACT,
    "uint8": EXACT, "uint16": EXACT, "uint32": EXACT, "uint64": EXACT,
}  # fmt: skip
"""The tolerance of an output unless its model's manifest says another, with a reason."""


def default_bounds() -> dict[str, tuple[float, float]]:
    """The table without its reasons."""
    return {name: (bound.absolute, bound.relative) for name, bound in DEFAULTS.items()}


def bounds_from(absolute: float, relative: float) -> dict[str, tuple[float, float]]:
    """Bounds stated for float32: other floating dtypes have the looser of these and their own."""
    bounds = default_bounds()
    for name, (own_absolute, own_relative) in bounds.items():
        if "float" in name or "complex" in name:
            bounds[name] = max(absolute, own_absolute), max(relative, own_relative)
    return bounds | {"float32": (absolute, relative)}
