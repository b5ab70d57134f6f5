"""Gives a model without weights realistic ones, the same on every machine.

ONNX's light test models have each weight replaced by a ConstantOfShape node. Every such node is
replaced by an initializer of the same name: convolution and matrix weights He-normal by their
fan-in (arXiv:1502.01852), batch normalization near the identity. Where the result of a batch
normalization is added to a shortcut its scale is near one half, or the sum would grow with
every block. The last layer before a softmax is smaller, so that the softmax is not one-hot.

The values come from the raw 64-bit output of PCG64, which NumPy promises to keep (NEP 19), by
integer and correctly rounded arithmetic only: neither libm nor the byte order can change them.
"""

import argparse
import math
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from zport_agent.arrays import Array
from zport_agent.errors import AgentError, ModelFileError, UnsupportedError
from zport_agent.output import write_bytes

Shape: TypeAlias = tuple[int, ...]

# From this IR version on an initializer need not be a graph input, so it can be folded.
_FREE_INITIALIZERS = 4

_SHORTCUTS = ("Add", "Sum")

# The usual deviation of a classifier's last layer before training. He's, three times larger
# in ResNet-50, makes the softmax one-hot, because nothing normalizes the activations before it.
_CLASSIFIER_DEVIATION = 0.01


def seed_weights(source: Path, out: Path, seed: int) -> int:
    """Write ``source`` with weights to ``out`` and return how many values were made.

    Equal source, seed and versions of onnx and protobuf give equal bytes. Raises ModelFileError
    when the source is not ONNX or has nothing to seed, UnsupportedError when a weight is used
    in a way this module knows no realistic size for.
    """
    model = _read(source)
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    constants = [n for n in graph.node if n.op_type == "ConstantOfShape" and n.input[0] in stored]
    if not constants:
        raise ModelFileError(f"{source}: no ConstantOfShape weight in it; there is nothing to seed")
    weights = [_weight(graph, node, stored[node.input[0]], seed) for node in constants]
    _replace(graph.input, [value for value in graph.input if value.name not in stored])
    _replace(graph.node, [node for node in graph.node if node not in constants])
    _replace(graph.initializer, [*_still_used(graph), *weights])
    model.ir_version = max(model.ir_version, _FREE_INITIALIZERS)
    write_bytes(out, model.SerializeToString(deterministic=True))
    return sum(math.prod(weight.dims) for weight in weights)


def _read(source: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise UnsupportedError(f"seeding needs the onnx package ({error})") from None
    try:
        return onnx.load_model_from_string(source.read_bytes())
    except OSError as error:
        raise ModelFileError(f"{source}: {error.strerror}; fetch it first") from None
    except Exception as error:
        raise ModelFileError(f"{source}: not a whole ONNX file: {error}") from None


def _replace(repeated: Any, items: list[Any]) -> None:
    del repeated[:]
    repeated.extend(items)


def _still_used(graph: Any) -> list[Any]:
    """Initializers that a remaining node reads; the constants' shapes are no longer."""
    used = {name for node in graph.node for name in node.input}
    return [tensor for tensor in graph.initializer if tensor.name in used]


def _weight(graph: Any, node: Any, sizes: Any, seed: int) -> Any:
    from onnx import TensorProto, numpy_helper

    name = node.output[0]
    shape = tuple(int(size) for size in numpy_helper.to_array(sizes))
    values = _distribution(graph, name, shape)(_normal(name, shape, seed))
    # raw_data is little-endian by ONNX's definition (onnx.proto, TensorProto.raw_data).
    data = values.astype("<f4").tobytes()
    return TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, raw_data=data)


def _normal(name: str, shape: Shape, seed: int) -> Array:
    """Nearly normal values of mean 0 and variance 1, float64, of the given shape.

    The sum of four 16-bit integers, one draw of 64 bits each; |value| <= 3.47.
    """
    entropy = [seed, zlib.crc32(name.encode())]
    bits = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(math.prod(shape))
    raw = np.asarray(bits, dtype=np.uint64)
    total = sum((raw >> np.uint64(16 * k)) & np.uint64(0xFFFF) for k in range(4))
    deviation = math.sqrt(4 * (2.0**32 - 1) / 12)
    return ((np.asarray(total, dtype=np.float64) - 2 * 65535) / deviation).reshape(shape)


def _distribution(graph: Any, name: str, shape: Shape) -> Callable[[Array], Array]:
    """What turns standard normal values into a weight that fits the node that reads it."""
    for node in graph.node:
        if name in node.input:
            position = list(node.input).index(name)
            return _by_role(graph, node, position, shape)
    raise UnsupportedError(f"weight '{name}' is read by no node; its size cannot be chosen")


def _by_role(graph: Any, node: Any, position: int, shape: Shape) -> Callable[[Array], Array]:
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
        last = _feeds(graph, node, ("Softmax",))
        deviation = _CLASSIFIER_DEVIATION if last else math.sqrt(2 / _fan_in(node, shape))
        return lambda z: deviation * z
    raise UnsupportedError(f"no realistic size is known for input {position} of {node.op_type}")


def _fan_in(node: Any, shape: Shape) -> int:
    """How many products add up to one output."""
    if node.op_type == "Conv":
        return math.prod(shape[1:])
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return shape[1] if transposed else shape[0]


def _feeds(graph: Any, node: Any, types: tuple[str, ...]) -> bool:
    """Whether a node of one of these types reads what ``node`` gives."""
    return any(node.output[0] in n.input and n.op_type in types for n in graph.node)


def main(arguments: list[str] | None = None) -> int:
    """``python -m zport_agent.seeding IN OUT --seed N``."""
    parser = argparse.ArgumentParser(
        prog="python -m zport_agent.seeding",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="IN", help="an ONNX file without weights")
    parser.add_argument("out", type=Path, metavar="OUT", help="the ONNX file to write")
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="0 or more")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error("--seed: expected 0 or more")
    try:
        count = seed_weights(options.source, options.out, options.seed)
    except AgentError as error:
        print(f"seeding: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{options.out}: {count} values from seed {options.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
