"""Models whose stored numbers are used by an operator, a fusion or a packed kernel.

Optimizers read such numbers, compute with them and write others in their place. What comes out is
computed again here with 64-bit numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from byte_order_cases import Case
from element_types import TYPES
from onnx_writer import Attribute, Graph, Tensor, node, raw_content, value

Array = np.ndarray
MICROSOFT, ML = "com.microsoft", "ai.onnx.ml"
ONES = 1e-5
"""Relative and absolute difference that sums of 32-bit numbers may have."""
MAKERS: dict[str, Callable[[], Case]] = {}


def numbers(*shape: int, seed: int = 1) -> Array:
    """Numbers between -1 and 1 that 32-bit floats hold, the same on every machine."""
    count = int(np.prod(shape))
    mixed = (np.arange(count, dtype="u8") * np.uint64(2654435761 * seed) >> np.uint64(7)) % 4096
    return (mixed.astype("f8") / 2048 - 1).reshape(shape)


def stored(name: str, array: Array, kind: str = "float") -> bytes:
    """An initializer with raw, so little-endian data."""
    of = TYPES[kind]
    flat = array.ravel().tolist()
    return Tensor(of.kind, array.shape, raw_content(of.raw(flat))).encode(name)


def floats(array: Array) -> Array:
    """An input of 32-bit floats."""
    return array.astype("f4")


def case(
    name: str,
    nodes: Sequence[bytes],
    inputs: dict[str, Array],
    tensors: Sequence[bytes],
    expected: Array,
    *,
    tolerance: float = ONES,
    domains: dict[str, int] | None = None,
    portable: bool = True,
) -> Case:
    """A model with one output ``y``."""
    kinds = {np.dtype(one.shown): one.kind for one in TYPES.values() if one.shown}
    graph = Graph(
        nodes=tuple(nodes),
        inputs=tuple(value(n, kinds[a.dtype], a.shape) for n, a in inputs.items()),
        outputs=(value("y", kinds[expected.dtype], expected.shape),),
        initializers=tuple(tensors),
    )
    model = graph.model(domains or {})
    return Case(name, model, inputs, [expected], tolerance=tolerance, portable=portable,
                smallest=64)  # fmt: skip


def maker(function: Callable[[], Case]) -> Callable[[], Case]:
    """Registers a case under the name of its function."""
    MAKERS[function.__name__.replace("_", "-")] = function
    return function


def convolve(x: Array, w: Array) -> Array:
    """A convolution without padding."""
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, w)


X = numbers(1, 16, 6, 6, seed=3)
W = numbers(16, 16, 3, 3, seed=5)
B = numbers(16, seed=7)


@maker
def conv() -> Case:
    """Weights are packed in blocks where the processor has kernels for that."""
    wanted = convolve(X, W) + B.reshape(1, 16, 1, 1)
    return case("conv", [node("Conv", ["x", "w", "b"], ["y"])], {"x": floats(X)},
                [stored("w", W), stored("b", B)], floats(wanted), tolerance=1e-4,
                portable=False)  # fmt: skip


@maker
def conv_batchnorm() -> Case:
    """The four tensors of the normalization are multiplied into the weights."""
    scale, shift, mean, variance = B + 2, B / 2, B / 4, np.abs(B) + 0.5
    row = (1, 16, 1, 1)
    wanted = (convolve(X, W) - mean.reshape(row)) / np.sqrt(variance.reshape(row) + 1e-5)
    wanted = wanted * scale.reshape(row) + shift.reshape(row)
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"]),
    ]
    tensors = [stored("w", W), stored("s", scale), stored("b", shift), stored("m", mean),
               stored("v", variance)]  # fmt: skip
    return case("conv-batchnorm", nodes, {"x": floats(X)}, tensors, floats(wanted),
                tolerance=1e-4, portable=False)  # fmt: skip


@maker
def conv_mul_add_relu() -> Case:
    """Factor and summand go into weights and bias."""
    wanted = np.maximum(convolve(X, W) * B.reshape(16, 1, 1) + B[::-1].reshape(16, 1, 1), 0)
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Mul", ["c", "s"], ["d"]),
        node("Add", ["d", "t"], ["e"]),
        node("Relu", ["e"], ["y"]),
    ]
    tensors = [stored("w", W), stored("s", B.reshape(16, 1, 1)),
               stored("t", B[::-1].reshape(16, 1, 1))]  # fmt: skip
    return case("conv-mul-add-relu", nodes, {"x": floats(X)}, tensors, floats(wanted),
                tolerance=1e-4, portable=False)  # fmt: skip


def multiplied(name: str, kind: str, operator: str, **attributes: Attribute) -> Case:
    """A product with a stored matrix, which is packed, and a stored summand."""
    left, right, bias = numbers(3, 40, seed=3), numbers(40, 24, seed=5), numbers(24, seed=9)
    if kind == "float16":
        left, right, bias = np.round(left * 64) / 64, np.round(right * 64) / 64, bias * 0
    if attributes.get("transB"):
        right = right.T
    wanted = left @ (right.T if attributes.get("transB") else right) + bias
    dtype = TYPES[kind].shown or ""
    nodes = (
        [node("Gemm", ["x", "w", "b"], ["y"], **attributes)]
        if operator == "Gemm"
        else [node("MatMul", ["x", "w"], ["p"]), node("Add", ["p", "b"], ["y"])]
    )
    tensors = [stored("w", right, kind), stored("b", bias, kind)]
    tolerance = {"float": ONES, "double": 1e-12, "float16": 2e-2}[kind]
    return case(name, nodes, {"x": left.astype(dtype)}, tensors, wanted.astype(dtype),
                tolerance=tolerance)  # fmt: skip


MAKERS["matmul-float"] = lambda: multiplied("matmul-float", "float", "MatMul")
MAKERS["matmul-double"] = lambda: multiplied("matmul-double", "double", "MatMul")
MAKERS["matmul-float16"] = lambda: multiplied("matmul-float16", "float16", "MatMul")
MAKERS["gemm-float"] = lambda: multiplied("gemm-float", "float", "Gemm")
MAKERS["gemm-turned"] = lambda: multiplied("gemm-turned", "float", "Gemm", transB=1)
MAKERS["gemm-double"] = lambda: multiplied("gemm-double", "double", "Gemm")


@maker
def reshape_chain() -> Case:
    """Shape, Gather, Concat and Reshape become one Reshape with a shape that is written anew."""
    x = numbers(2, 3, 8)
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Unsqueeze", ["n", "axes"], ["m"]),
        node("Concat", ["m", "rest"], ["t"], axis=0),
        node("Reshape", ["x", "t"], ["y"]),
    ]
    tensors = [stored("zero", np.array(0), "int64"), stored("axes", np.array([0]), "int64"),
               stored("rest", np.array([6, -1]), "int64")]  # fmt: skip
    return case("reshape-chain", nodes, {"x": floats(x)}, tensors, floats(x.reshape(2, 6, 4)),
                tolerance=0)  # fmt: skip


def indexed(kind: str) -> Case:
    """Indices as stored numbers, of both widths."""
    x, places = numbers(300, 4), np.array([1, -2, 258, 0])
    return case(f"gather-{kind}", [node("Gather", ["x", "i"], ["y"], axis=0)], {"x": floats(x)},
                [stored("i", places, kind)], floats(x[places]), tolerance=0)  # fmt: skip


MAKERS["gather-int32"] = lambda: indexed("int32")
MAKERS["gather-int64"] = lambda: indexed("int64")


def sliced(kind: str) -> Case:
    """Where a slice begins, ends, and how it steps, of both widths."""
    x = numbers(20, 300)
    nodes = [node("Slice", ["x", "from", "to", "axes", "steps"], ["y"])]
    bounds = {"from": [2, 290], "to": [9, 5], "axes": [0, 1], "steps": [3, -2]}
    tensors = [stored(name, np.array(bound), kind) for name, bound in bounds.items()]
    return case(f"slice-{kind}", nodes, {"x": floats(x)}, tensors,
                floats(x[2:9:3, 290:5:-2]), tolerance=0)  # fmt: skip


MAKERS["slice-int32"] = lambda: sliced("int32")
MAKERS["slice-int64"] = lambda: sliced("int64")


def clipped(kind: str) -> Case:
    """Two bounds, which an optimizer compares with others."""
    dtype = TYPES[kind].shown or ""
    x = np.arange(0, 600, 7).astype(dtype)
    nodes = [node("Clip", ["x", "low", "high"], ["y"])]
    tensors = [stored("low", np.array(3), kind), stored("high", np.array(258), kind)]
    return case(f"clip-{kind}", nodes, {"x": x}, tensors, np.clip(x, 3, 258).astype(dtype),
                tolerance=0)  # fmt: skip


for _kind in ("float", "double", "float16", "int32", "int64", "uint32", "uint64"):
    MAKERS[f"clip-{_kind}"] = lambda kind=_kind: clipped(kind)


@maker
def pad_tile_expand() -> Case:
    """Three operators that read sizes, one after the other."""
    x = numbers(2, 3)
    nodes = [
        node("Pad", ["x", "pads", "filler"], ["p"]),
        node("Tile", ["p", "times"], ["t"]),
        node("Expand", ["t", "shape"], ["y"]),
    ]
    tensors = [stored("pads", np.array([1, 0, 0, 2]), "int64"), stored("filler", np.array(0.625)),
               stored("times", np.array([1, 2]), "int64"),
               stored("shape", np.array([2, 1, 1]), "int64")]  # fmt: skip
    padded = np.pad(x, ((1, 0), (0, 2)), constant_values=0.625)
    wanted = np.broadcast_to(np.tile(padded, (1, 2)), (2, 3, 10))
    return case("pad-tile-expand", nodes, {"x": floats(x)}, tensors, floats(wanted),
                tolerance=0)  # fmt: skip


def resized(name: str, kind: str, sizes: Array) -> Case:
    """Factors as floats, or sizes as integers."""
    x = numbers(1, 1, 4, 4)
    given = ["x", "", "n"] if kind == "float" else ["x", "", "", "n"]
    nodes = [node("Resize", given, ["y"], mode="nearest", nearest_mode="floor",
                  coordinate_transformation_mode="asymmetric")]  # fmt: skip
    wanted = x.repeat(2, axis=2).repeat(3, axis=3)
    return case(name, nodes, {"x": floats(x)}, [stored("n", sizes, kind)], floats(wanted),
                tolerance=0)  # fmt: skip


MAKERS["resize-scales"] = lambda: resized("resize-scales", "float", np.array([1.0, 1.0, 2.0, 3.0]))
MAKERS["resize-sizes"] = lambda: resized("resize-sizes", "int64", np.array([1, 1, 8, 12]))
