"""Draws some of upstream's tests, the same on every machine; the recipe's own tests are all run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

UPSTREAM = Path(__file__).with_name("test")
ONE_OF = {
    "test_binary_ufuncs": 160,
    "test_linalg": 40,
    "test_nn": 80,
    "test_ops": 250,
    "test_quantized_op": 3,
    "test_quantized_tensor": 2,
    "test_reductions": 80,
    "test_shape_ops": 20,
    "test_sort_and_select": 10,
    "test_spectral_ops": 20,
    "test_tensor_creation_ops": 20,
    "test_torch": 20,
    "test_type_promotion": 10,
    "test_unary_ufuncs": 250,
}
"""Of so many tests of a module one is run: all these take an emulated machine half an hour."""
ALL = ("test_complex", "test_dlpack", "test_numpy_interop", "test_segment_reductions")
OTHERS = 8


def is_drawn(item: pytest.Item) -> bool:
    """Whether a test is run. What decides is its name alone."""
    module = item.path.stem
    if UPSTREAM not in item.path.parents or module in ALL:
        return True
    name = item.nodeid.removeprefix("test/").encode()
    return int(hashlib.sha256(name).hexdigest(), 16) % ONE_OF.get(module, OTHERS) == 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not drawn."""
    drawn = [item for item in items if is_drawn(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(drawn)])
    items[:] = drawn
