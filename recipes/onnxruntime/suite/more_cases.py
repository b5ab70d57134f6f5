"""More users of stored numbers: quantized and recurrent layers, fused patterns, trees, texts."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
from byte_order_cases import Case
from consumer_cases import (
    MAKERS,
    MICROSOFT,
    ML,
    Array,
    case,
    convolve,
    floats,
    maker,
    numbers,
    stored,
)
from element_types import TYPES
from onnx_writer import node


def dequantized(kind: str, scale: str) -> Case:
    """Scales of two widths; a zero point of the numbers' own type."""
    of = TYPES[kind]
    stored_numbers = np.array(of.numbers(12)[:12], dtype="i8").reshape(3, 4)
    if kind == "int32":
        stored_numbers = stored_numbers % 1000
    zero = np.array([0, 0, 0] if kind == "int32" else [1, 3, 2])
    scales = np.array([0.5, 0.125, 2.0])
    dtype = TYPES[scale].shown or ""
    wanted = (stored_numbers - zero.reshape(3, 1)) * scales.reshape(3, 1)
    nodes = [node("DequantizeLinear", ["w", "s", "z"], ["d"], axis=0),
             node("Add", ["d", "x"], ["y"])]  # fmt: skip
    tensors = [stored("w", stored_numbers, kind), stored("s", scales, scale),
               stored("z", zero, kind)]  # fmt: skip
    return case(f"dequantize-{kind}-{scale}", nodes, {"x": np.zeros((3, 4), dtype)}, tensors,
                wanted.astype(dtype), tolerance=0)  # fmt: skip


for _kind in ("int8", "uint8", "int16", "uint16", "int32", "int4", "uint4"):
    for _scale in ("float", "float16"):
        if (_kind, _scale) not in (("int16", "float16"), ("uint16", "float16")):
            MAKERS[f"dequantize-{_kind}-{_scale}"] = lambda kind=_kind, scale=_scale: dequantized(
                kind, scale
            )


def quantized(kind: str) -> Case:
    """Numbers between two steps, none of them in the middle."""
    x = np.arange(-30, 30).reshape(4, 15) * 0.3 + 0.02
    scale, zero = 0.25, 120 if kind.startswith("u") else 5
    low, high = np.iinfo(TYPES[kind].shown or "").min, np.iinfo(TYPES[kind].shown or "").max
    wanted = np.clip(np.rint(x / scale) + zero, low, high).astype(TYPES[kind].shown)
    tensors = [stored("s", np.array(scale)), stored("z", np.array(zero), kind)]
    return case(f"quantize-{kind}", [node("QuantizeLinear", ["x", "s", "z"], ["y"])],
                {"x": floats(x)}, tensors, wanted, tolerance=0)  # fmt: skip


for _kind in ("int8", "uint8", "int16", "uint16"):
    MAKERS[f"quantize-{_kind}"] = lambda kind=_kind: quantized(kind)


@maker
def qlinear_conv() -> Case:
    """Scales are floats, the bias 32-bit integers; products stay far below saturation."""
    x = np.arange(2 * 16).reshape(1, 2, 4, 4) % 7
    w = np.arange(3 * 2 * 9).reshape(3, 2, 3, 3) % 5 - 2
    bias = np.array([300, -70000, 65537])
    exact = (convolve((x - 1).astype("i8"), w.astype("i8")) + bias.reshape(1, 3, 1, 1)) * 0.5 * 0.25
    wanted = np.clip(np.rint(exact / 512.0) + 128, 0, 255).astype("u1")
    given = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    tensors = [
        stored("xs", np.array(0.5)), stored("xz", np.array(1), "uint8"), stored("w", w, "int8"),
        stored("ws", np.array(0.25)), stored("wz", np.array(0), "int8"),
        stored("ys", np.array(512.0)), stored("yz", np.array(128), "uint8"),
        stored("b", bias, "int32"),
    ]  # fmt: skip
    return case("qlinear-conv", [node("QLinearConv", given, ["y"])], {"x": x.astype("u1")},
                tensors, wanted, tolerance=0)  # fmt: skip


@maker
def qdq_matmul() -> Case:
    """Dequantized weights that the optimizer puts into a quantized product."""
    x = np.arange(24).reshape(4, 6) % 9 * 0.5
    w = np.arange(30).reshape(6, 5) % 7 - 3
    wanted = np.rint((x @ (w * 0.25)) / 0.125).clip(-128, 127) * 0.125
    nodes = [
        node("QuantizeLinear", ["x", "xs", "z"], ["xq"]),
        node("DequantizeLinear", ["xq", "xs", "z"], ["xd"]),
        node("DequantizeLinear", ["w", "ws", "z"], ["wd"]),
        node("MatMul", ["xd", "wd"], ["m"]),
        node("QuantizeLinear", ["m", "ys", "z"], ["mq"]),
        node("DequantizeLinear", ["mq", "ys", "z"], ["y"]),
    ]
    tensors = [stored("xs", np.array(0.5)), stored("ws", np.array(0.25)), stored("w", w, "int8"),
               stored("ys", np.array(0.125)), stored("z", np.array(0), "int8")]  # fmt: skip
    return case("qdq-matmul", nodes, {"x": floats(x)}, tensors, floats(wanted))


@maker
def matmul_integer() -> Case:
    """Products that stay far below saturation."""
    x, w = np.arange(24).reshape(4, 6) % 50, np.arange(30).reshape(6, 5) % 90
    wanted = ((x - 3) @ (w - 7)).astype("i4")
    tensors = [stored("w", w, "uint8"), stored("a", np.array(3), "uint8"),
               stored("b", np.array(7), "uint8")]  # fmt: skip
    return case("matmul-integer", [node("MatMulInteger", ["x", "w", "a", "b"], ["y"])],
                {"x": x.astype("u1")}, tensors, wanted, tolerance=0)  # fmt: skip


@maker
def matmul_four_bits() -> Case:
    """Blocks of 32 four-bit weights with a scale each, two weights a byte."""
    x = numbers(3, 64, seed=3)
    weights = np.arange(8 * 64).reshape(8, 64) * 7 % 16
    scales = np.array([0.25, 0.5, 2.0, 1.0] * 4)
    blobs = (weights[:, ::2] | weights[:, 1::2] << 4).reshape(8, 2, 16)
    dense = (weights - 8) * scales.reshape(8, 2).repeat(32, axis=1)
    nodes = [node("MatMulNBits", ["x", "w", "s"], ["y"], MICROSOFT, K=64, N=8, bits=4,
                  block_size=32)]  # fmt: skip
    return case("matmul-four-bits", nodes, {"x": floats(x)},
                [stored("w", blobs, "uint8"), stored("s", scales)], floats(x @ dense.T),
                tolerance=1e-3, domains={MICROSOFT: 1})  # fmt: skip


@maker
def layer_normalization_pattern() -> Case:
    """Nine operators with small constants that become one."""
    x, scale, shift = numbers(4, 32), numbers(32, seed=5), numbers(32, seed=7)
    mean = x.mean(-1, keepdims=True)
    wanted = (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5) * scale + shift
    nodes = [
        node("ReduceMean", ["x", "axes"], ["m"]),
        node("Sub", ["x", "m"], ["d"]),
        node("Pow", ["d", "two"], ["p"]),
        node("ReduceMean", ["p", "axes"], ["v"]),
        node("Add", ["v", "epsilon"], ["e"]),
        node("Sqrt", ["e"], ["r"]),
        node("Div", ["d", "r"], ["n"]),
        node("Mul", ["n", "scale"], ["s"]),
        node("Add", ["s", "shift"], ["y"]),
    ]
    tensors = [stored("axes", np.array([-1]), "int64"), stored("two", np.array(2.0)),
               stored("epsilon", np.array(1e-5)), stored("scale", scale),
               stored("shift", shift)]  # fmt: skip
    return case("layer-normalization-pattern", nodes, {"x": floats(x)}, tensors, floats(wanted))


@maker
def gelu_pattern() -> Case:
    """The optimizer compares stored numbers with sqrt(2), 1 and 0.5."""
    x, bias = numbers(4, 32) * 3, numbers(32, seed=5)
    moved = x + bias
    wanted = moved * 0.5 * (1 + np.vectorize(erf)(moved / sqrt(2)))
    nodes = [
        node("Add", ["x", "b"], ["a"]),
        node("Div", ["a", "root"], ["d"]),
        node("Erf", ["d"], ["e"]),
        node("Add", ["e", "one"], ["f"]),
        node("Mul", ["a", "f"], ["g"]),
        node("Mul", ["g", "half"], ["y"]),
    ]
    tensors = [stored("b", bias), stored("root", np.array(sqrt(2))), stored("one", np.array(1.0)),
               stored("half", np.array(0.5))]  # fmt: skip
    return case("gelu-pattern", nodes, {"x": floats(x)}, tensors, floats(wanted))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


@maker
def lstm() -> Case:
    """Both matrices are packed."""
    x, b = numbers(3, 2, 8), numbers(1, 128, seed=7)
    w, r = numbers(1, 64, 8, seed=3), numbers(1, 64, 16, seed=5)
    state = cell = np.zeros((2, 16))
    states = []
    for step in x:
        gates = step @ w[0].T + state @ r[0].T + b[0, :64] + b[0, 64:]
        i, o, f, c = np.split(gates, 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
        state = sigmoid(o) * np.tanh(cell)
        states.append(state)
    wanted = np.stack(states)[:, np.newaxis]
    return case("lstm", [node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=16)],
                {"x": floats(x)}, [stored("w", w), stored("r", r), stored("b", b)],
                floats(wanted))  # fmt: skip


@maker
def cast_chain() -> Case:
    """Constants that are folded through three types."""
    w = np.array([1.0, -2.5, 300.0, 65.0])
    nodes = [
        node("Cast", ["w"], ["a"], to=1),
        node("Cast", ["a"], ["b"], to=11),
        node("Cast", ["b"], ["c"], to=7),
        node("Add", ["c", "x"], ["y"]),
    ]
    return case("cast-chain", nodes, {"x": np.array([1, 1, 1, 1])}, [stored("w", w, "float16")],
                np.array([2, -1, 301, 66]), tolerance=0)  # fmt: skip


@maker
def range_where_onehot() -> Case:
    """Constants that are computed at loading, and a comparison with them."""
    x = np.arange(0, 12)
    nodes = [
        node("Range", ["from", "to", "step"], ["r"]),
        node("Less", ["x", "limit"], ["l"]),
        node("Where", ["l", "x", "r"], ["w"]),
        node("OneHot", ["w", "depth", "values"], ["y"]),
    ]
    tensors = [stored("from", np.array(0), "int64"), stored("to", np.array(24), "int64"),
               stored("step", np.array(2), "int64"), stored("limit", np.array(5), "int64"),
               stored("depth", np.array(24), "int64"),
               stored("values", np.array([-1, 258]), "int64")]  # fmt: skip
    rows = np.where(x < 5, x, np.arange(0, 24, 2))
    wanted = np.where(np.arange(24) == rows[:, np.newaxis], 258, -1)
    return case("range-where-onehot", nodes, {"x": x}, tensors, wanted, tolerance=0)


@maker
def tree_ensemble() -> Case:
    """A tree whose numbers are an operator's own lists."""
    x = np.array([[0.25, 3.0], [0.75, 1.0], [0.75, 5.0]])
    nodes = [
        node("TreeEnsembleRegressor", ["x"], ["y"], ML, n_targets=1,
             nodes_treeids=[0] * 5, nodes_nodeids=[0, 1, 2, 3, 4],
             nodes_featureids=[0, 0, 1, 0, 0], nodes_values=[0.5, 0.0, 2.5, 0.0, 0.0],
             nodes_modes=["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
             nodes_truenodeids=[1, 0, 3, 0, 0], nodes_falsenodeids=[2, 0, 4, 0, 0],
             target_treeids=[0] * 3, target_nodeids=[1, 3, 4], target_ids=[0] * 3,
             target_weights=[1.5, -258.0, 0.1]),
    ]  # fmt: skip
    wanted = np.array([[1.5], [-258.0], [0.1]])
    return case("tree-ensemble", nodes, {"x": floats(x)}, [], floats(wanted), domains={ML: 3})


@maker
def label_encoder() -> Case:
    """Keys and values as tensors of an operator."""
    keys, values = TYPES["int64"], TYPES["double"]
    nodes = [node("LabelEncoder", ["x"], ["y"], ML, keys_tensor=keys.raw_tensor([1, 258, -7]),
                  values_tensor=values.raw_tensor([0.1, 2.5, -3.0]),
                  default_tensor=values.raw_tensor([9.75]))]  # fmt: skip
    return case("label-encoder", nodes, {"x": np.array([258, -7, 5, 1])}, [],
                np.array([2.5, -3.0, 9.75, 0.1]), tolerance=0, domains={ML: 4})  # fmt: skip
