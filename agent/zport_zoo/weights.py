"""Weights of a trained network's size from a seed, the same on every machine.

The values come from the raw 64-bit output of PCG64, which NumPy promises to keep (NEP 19), by
integer and correctly rounded arithmetic only: neither libm nor the byte order can change them.
"""

import math
import zlib
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Shape: TypeAlias = tuple[int, ...]


def normal(name: str, shape: Shape, seed: int) -> Array:
    """Nearly normal values of mean 0 and variance 1, float64, of the given shape.

    The sum of four 16-bit integers, one draw of 64 bits each; |value| <= 3.47.
    """
    raw = random_bits(name, math.prod(shape), seed)
    total = sum((raw >> np.uint64(16 * k)) & np.uint64(0xFFFF) for k in range(4))
    deviation = math.sqrt(4 * (2.0**32 - 1) / 12)
    return ((np.asarray(total, dtype=np.float64) - 2 * 65535) / deviation).reshape(shape)


def uniform(name: str, shape: Shape, seed: int) -> Array:
    """Evenly spread values in [0, 1), float64, of the given shape."""
    raw = random_bits(name, math.prod(shape), seed)
    return ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)


def random_bits(name: str, count: int, seed: int) -> Array:
    """``count`` random uint64 for a weight of that name."""
    entropy = [seed, zlib.crc32(name.encode())]
    bits = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(count)
    return np.asarray(bits, dtype=np.uint64)


def he_deviation(fan_in: int) -> float:
    """The deviation with which a layer before a rectifier keeps the variance (arXiv:1502.01852)."""
    return math.sqrt(2 / fan_in)


def tensor(name: str, values: Array) -> Any:
    """An ONNX tensor. raw_data is little-endian by definition (onnx.proto, TensorProto)."""
    from onnx import TensorProto, helper

    little = np.asarray(values, dtype=values.dtype.newbyteorder("<"), order="C")
    kind = helper.np_dtype_to_tensor_dtype(values.dtype.newbyteorder("="))
    return TensorProto(name=name, data_type=kind, dims=values.shape, raw_data=little.tobytes())
