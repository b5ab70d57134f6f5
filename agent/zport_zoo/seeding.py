"""Gives ONNX's light test models realistic weights.

Such a model has each weight replaced by a ConstantOfShape node. Every such node is replaced by an
initializer of the same name: convolution and matrix weights He-normal by their fan-in
(arXiv:1502.01852), batch normalization and per-channel scales near the identity. Where the result
of a batch normalization is added to a shortcut its scale is near one half, or the sum would grow
with every block. The last layer before a softmax is smaller, so that the softmax is not one-hot.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from zport_agent.errors import ModelFileError, UnsupportedError
from zport_zoo.graphs import read_model, replace
from zport_zoo.weights import Array, Shape, he_deviation, normal, tensor

Distribution: TypeAlias = Callable[[Array], Array]

# From this IR version on an initializer need not be a graph input, so it can be folded.
_FREE_INITIALIZERS = 4

_SHORTCUTS = ("Add", "Sum")
_RESHAPING = ("Unsqueeze", "Reshape", "Squeeze")

# The usual deviation of a classifier's last layer before training. He's, three times larger
# in ResNet-50, makes the softmax one-hot, because nothing normalizes the activations before it.
_CLASSIFIER_DEVIATION = 0.01


def seed_weights(source: Path, seed: int) -> bytes:
    """The model in ``source`` with weights.

    Equal source, seed and versions of onnx and protobuf give equal bytes. Raises ModelFileError
    when the source is not ONNX or has nothing to seed, UnsupportedError when a weight is used
    in a way this module knows no realistic size for.
    """
    model = read_model(source)
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    constants = [n for n in graph.node if n.op_type == "ConstantOfShape" and n.input[0] in stored]
    if not constants:
        raise ModelFileError(f"{source}: no ConstantOfShape weight in it; there is nothing to seed")
    weights = [_weight(graph, node, stored[node.input[0]], seed) for node in constants]
    replace(graph.input, [value for value in graph.input if value.name not in stored])
    replace(graph.node, [node for node in graph.node if node not in constants])
    replace(graph.initializer, [*_still_used(graph), *weights])
    model.ir_version = max(model.ir_version, _FREE_INITIALIZERS)
    return bytes(model.SerializeToString(deterministic=True))


def _still_used(graph: Any) -> list[Any]:
    """Initializers that a remaining node reads; the constants' shapes are no longer."""
    used = {name for node in graph.node for name in node.input}
    return [tensor for tensor in graph.initializer if tensor.name in used]


def _weight(graph: Any, node: Any, sizes: Any, seed: int) -> Any:
    from onnx import numpy_helper

    name = node.output[0]
    shape = tuple(int(size) for size in numpy_helper.to_array(sizes))
    values = _distribution(graph, name, shape)(normal(name, shape, seed))
    return tensor(name, values.astype("float32"))


def _distribution(graph: Any, name: str, shape: Shape) -> Distribution:
    """What turns standard normal values into a weight that fits the node that reads it."""
    for node in graph.node:
        if name in node.input:
            if node.op_type in _RESHAPING:
                return _distribution(graph, node.output[0], shape)
            return _by_role(graph, node, list(node.input).index(name), shape)
    raise UnsupportedError(f"weight '{name}' is read by no node; its size cannot be chosen")


def _by_role(graph: Any, node: Any, position: int, shape: Shape) -> Distribution:
    if node.op_type == "BatchNormalization":
        scale = 0.5 if _feeds(graph, node, _SHORTCUTS) else 1.0
        return (
            lambda z: scale * (1 + 0.1 * z),
            lambda z: 0.05 * z,
            lambda z: 0.05 * z,
            lambda z: 1 + 0.1 * z,
        )[position - 1]
    if node.op_type in ("Conv", "Gemm") and position == 2:
        return lambda z: 0.01 * z
    if node.op_type in ("Conv", "Gemm", "MatMul") and position == 1:
        if _feeds(graph, node, ("Softmax",)):
            return lambda z: _CLASSIFIER_DEVIATION * z
        deviation = he_deviation(_fan_in(node, shape))
        # Nothing halves the variance after a grouped layer without a rectifier.
        if any(a.name == "group" and a.i > 1 for a in node.attribute):
            deviation /= 1 if _is_rectified(graph, node) else math.sqrt(2)
        return lambda z: deviation * z
    # Caffe's Scale layer, after a normalization without one: a factor and an offset a channel.
    if node.op_type == "Mul":
        return lambda z: 1 + 0.1 * z
    if node.op_type == "Add":
        return lambda z: 0.05 * z
    raise UnsupportedError(f"no realistic size is known for input {position} of {node.op_type}")


def _fan_in(node: Any, shape: Shape) -> int:
    """How many products add up to one output."""
    if node.op_type == "Conv":
        return math.prod(shape[1:])
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return shape[-1] if transposed else shape[-2]


def _feeds(graph: Any, node: Any, types: tuple[str, ...]) -> bool:
    """Whether a node of one of these types reads what ``node`` gives."""
    return any(node.output[0] in n.input and n.op_type in types for n in graph.node)


def _is_rectified(graph: Any, node: Any) -> bool:
    """Whether a rectifier follows, with or without a normalization between."""
    after = [n for n in graph.node if node.output[0] in n.input]
    return any(
        n.op_type == "Relu" or (n.op_type == "BatchNormalization" and _feeds(graph, n, ("Relu",)))
        for n in after
    )
