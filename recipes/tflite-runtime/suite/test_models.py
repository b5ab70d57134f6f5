"""The models of TensorFlow's own tests answer here what they answer on amd64."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from run_models import find_models, run
from tflite_runtime.interpreter import OpResolverType

FOLDER = Path(__file__).parent
MODELS = find_models(FOLDER / "tensorflow")
KERNELS = {"optimized": OpResolverType.BUILTIN, "reference": OpResolverType.BUILTIN_REF}
RELATIVE, ABSOLUTE, STEPS = 1e-5, 1e-5, 1
"""How near floats have to come, and how many steps quantized numbers may be apart."""


def expectations() -> dict[str, list[np.ndarray]]:
    """The outputs of each model, in order."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    with np.load(FOLDER / "expected.npz", allow_pickle=False) as archive:
        for name in archive.files:
            found[name.rpartition("/")[0]].append(archive[name])
    return found


EXPECTED = expectations()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", EXPECTED)
def test_answers(name: str, kernels: str) -> None:
    """They are those of the file; a byte may be a step apart, where sums are rounded to it."""
    found = run(MODELS[name], KERNELS[kernels])
    assert len(found) == len(EXPECTED[name])
    for one, wanted in zip(found, EXPECTED[name], strict=True):
        assert one.shape == wanted.shape
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(one, wanted, RELATIVE, ABSOLUTE)
        elif wanted.dtype.itemsize == 1 and wanted.dtype.kind in "iu":
            np.testing.assert_allclose(one.astype(int), wanted.astype(int), 0, STEPS)
        else:
            np.testing.assert_array_equal(one, wanted)
