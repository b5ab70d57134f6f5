"""Three-way comparison of the outputs that ``pytest --outputs=FOLDER test_backend.py`` kept.

``python3 compare_outputs.py TARGET REFERENCE [--all]`` compares two machines' folders with
each other and with the test data, which the onnx package has computed in exact or 64-bit
arithmetic. One line a test that differs; ``--all`` tells of equal ones and of those that round
otherwise too. The status is 1 where the target is wrong and where nobody can tell.

=============  ================================================================================
``equal``      every bit
``rounding``   both are close to the data, see :func:`close`
``reference``  the reference is not, the target is: it is the reference that is wrong
``target``     the target is not, the reference is
``both``       neither is: the data, or an operator that both lack
``random``     the data cannot tell: the operator draws numbers
``absent``     one machine has no output of the test
=============  ================================================================================
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from backend_outputs import load

RELATIVE = 1e-3
"""onnx's own, of tests that name no other."""
OF_LARGEST = 1e-5
"""Sums lose so much of their largest summand: where it cancels, all of the number may go."""
RANDOM = ("test_bernoulli", "test_training_dropout")
BAD = ("target", "both", "absent")

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """A test, how its outputs differ, and by how much at most: absolute, relative, in steps."""

    name: str
    verdict: str
    absolute: float = 0.0
    relative: float = 0.0
    steps: float = 0.0

    def __str__(self) -> str:
        size = f"{self.absolute:9.2e} abs  {self.relative:9.2e} rel  {self.steps:9.3g} steps"
        return f"{self.verdict:<10}{size}  {self.name}"


def compare(name: str, target: Arrays, reference: Arrays) -> Comparison:
    """Compare a test's outputs on two machines; the data that both carry decides."""
    given = sorted(key for key in {*target, *reference} if key.startswith("given"))
    if all(same(target.get(key), reference.get(key)) for key in given):
        return Comparison(name, "equal")
    sizes = [
        size(target[key], reference[key]) for key in given if {key} <= {*target} & {*reference}
    ]
    absolute, relative, steps = (max(column) for column in zip(*sizes, strict=True))
    verdict = judge(name, is_right(target), is_right(reference))
    return Comparison(name, verdict, absolute, relative, steps)


def judge(name: str, target: bool, reference: bool) -> str:
    """The verdict on a test whose outputs differ, by who agrees with the data."""
    if name.startswith(RANDOM):
        return "random"
    return {
        (True, True): "rounding",
        (True, False): "reference",
        (False, True): "target",
        (False, False): "both",
    }[target, reference]


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether both are there and equal, NaN to NaN."""
    if one is None or other is None or one.dtype != other.dtype or one.shape != other.shape:
        return False
    numeric = one.dtype.kind in "fc"
    return bool(np.array_equal(one, other, equal_nan=numeric))


def is_right(arrays: Arrays) -> bool:
    """Whether the outputs agree with the test's data, within its usual tolerance."""
    wanted = {key.removeprefix("wanted"): a for key, a in arrays.items() if "wanted" in key}
    given = {key.removeprefix("given"): a for key, a in arrays.items() if "given" in key}
    return wanted.keys() == given.keys() and all(close(given[key], wanted[key]) for key in wanted)


def close(given: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether the arrays agree: integers and texts in everything."""
    if given.shape != wanted.shape:
        return False
    if given.dtype.kind not in "fc":
        return bool((given == wanted).all())
    finite = np.abs(wanted[np.isfinite(wanted)])
    absolute = OF_LARGEST * float(finite.max(initial=0.0))
    return bool(np.allclose(given, wanted, RELATIVE, absolute, equal_nan=True))


def size(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """The largest difference: absolute, relative, and in steps of the type's numbers."""
    if one.shape != other.shape or one.dtype.kind not in "fiub" or not one.size:
        return np.inf, np.inf, np.inf
    with np.errstate(all="ignore"):
        a, b = one.astype("f8"), other.astype("f8")
        apart = np.where((a == b) | np.isnan(a) & np.isnan(b), 0.0, np.abs(a - b))
        relative = np.where(apart == 0, 0.0, apart / np.maximum(np.abs(a), np.abs(b)))
        if one.dtype.kind == "f":
            larger = np.maximum(np.abs(one), np.abs(other))
            steps = np.where(apart == 0, 0.0, apart / np.spacing(larger).astype("f8"))
        else:
            steps = apart
    return tuple(float(np.nan_to_num(x.max(), nan=np.inf)) for x in (apart, relative, steps))  # type: ignore[return-value]


def compare_folders(target: Path, reference: Path) -> list[Comparison]:
    """Every test that either folder has."""
    names = sorted({path.stem for folder in (target, reference) for path in folder.glob("*.npz")})
    found = []
    for name in names:
        files = [folder / f"{name}.npz" for folder in (target, reference)]
        if all(file.exists() for file in files):
            found.append(compare(name, *map(load, files)))
        else:
            found.append(Comparison(name, "absent"))
    return found


def main(target: Path, reference: Path, *, everything: bool) -> int:
    """The command; returns its exit status."""
    found = compare_folders(target, reference)
    for one in sorted(found, key=lambda one: (one.verdict, -one.steps, one.name)):
        if everything or one.verdict not in ("equal", "rounding"):
            print(one)
    counts = Counter(one.verdict for one in found)
    print(f"{len(found)} tests: {', '.join(f'{n} {v}' for v, n in counts.most_common())}")
    return 1 if any(counts[verdict] for verdict in BAD) else 0


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("--")]
    if len(folders) != 2:
        sys.exit(__doc__)
    sys.exit(main(*folders, everything="--all" in sys.argv))
