"""Products of unsigned and signed bytes at their ends, whose sums of two exceed 16 bits.

Processors with AVX2 and no VNNI add two of them in 16 bits and saturate. There the reference may be
wrong where the target is right: exact integers decide.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from byte_order_cases import Case
from consumer_cases import case, convolve, stored
from onnx_writer import node
from sessions import LEVELS, as_is, check, write_model

K = 64
X = np.full((3, K), 255)
W = np.where(np.arange(K * 8).reshape(K, 8) % 8 < 4, 127, -128)
PLANES = np.full((1, 16, 5, 5), 255)
KERNELS = np.where(np.arange(8 * 16 * 9).reshape(8, 16, 3, 3) % 144 < 72, 127, -128)


def matmul_integer() -> Case:
    """Sums as they are."""
    return case("matmul-integer", [node("MatMulInteger", ["x", "w"], ["y"])],
                {"x": X.astype("u1")}, [stored("w", W, "int8")], (X @ W).astype("i4"),
                tolerance=0)  # fmt: skip


def scaled(name: str, operator: str, x: np.ndarray, w: np.ndarray, sums: np.ndarray) -> Case:
    """Sums that are scaled back to a byte."""
    scale = 2.0**14
    wanted = np.clip(np.rint(sums / scale) + 128, 0, 255).astype("u1")
    given = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    one, nothing = np.array(1.0), np.array(0)
    tensors = [
        stored("xs", one), stored("xz", nothing, "uint8"), stored("w", w, "int8"),
        stored("ws", one), stored("wz", nothing, "int8"), stored("ys", np.array(scale)),
        stored("yz", np.array(128), "uint8"),
    ]  # fmt: skip
    return case(name, [node(operator, given, ["y"])], {"x": x.astype("u1")}, tensors, wanted,
                tolerance=0)  # fmt: skip


def qlinear_matmul() -> Case:
    """A product of matrices."""
    return scaled("qlinear-matmul", "QLinearMatMul", X, W, X @ W)


def qlinear_conv() -> Case:
    """A convolution."""
    sums = convolve(PLANES, KERNELS)
    return scaled("qlinear-conv", "QLinearConv", PLANES, KERNELS, sums)


def dynamic_quantization() -> Case:
    """Floats that are quantized to the ends of the range, multiplied and scaled again."""
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        node("MatMulInteger", ["q", "w", "z"], ["p"]),
        node("Cast", ["p"], ["f"], to=1),
        node("Mul", ["s", "ws"], ["t"]),
        node("Mul", ["f", "t"], ["y"]),
    ]
    return case("dynamic-quantization", nodes, {"x": X.astype("f4")},
                [stored("w", W, "int8"), stored("ws", np.array(0.5))],
                (X @ W * 0.5).astype("f4"))  # fmt: skip


MAKERS: tuple[Callable[[], Case], ...] = (
    matmul_integer, qlinear_matmul, qlinear_conv, dynamic_quantization,
)  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_products_of_bytes(make: Callable[[], Case], level: str, tmp_path: Path) -> None:
    """The sums are exact."""
    made = make()
    check(made, as_is(write_model(made, tmp_path), level, made))
