"""A network being built: layers add nodes and seeded weights to an ONNX graph.

Every tensor carries its whole shape, so a layer needs no more than its input and what it makes of
it. Images are NCHW. Activations keep their size from layer to layer: weights are He-normal,
normalizations near the identity, and what is added to a shortcut is halved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from zport_zoo.weights import Array, Shape, he_deviation, normal, tensor

OPSET = 17
IR_VERSION = 8
PRODUCER = "zport"
_CLASSIFIER_DEVIATION = 0.01
"""Of a classifier's last layer before training: its softmax is then not one-hot."""


@dataclass(frozen=True)
class Tensor:
    """A value of the graph: its name, shape and dtype (NumPy's name)."""

    name: str
    shape: Shape
    dtype: str = "float32"

    @property
    def channels(self) -> int:
        """The size of the second axis."""
        return self.shape[1]


Padding = Literal["same", "valid"] | int


class Network:
    """An ONNX model in the making; the layers' names count up, so weights keep theirs."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.seed = seed
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._domains = {"": OPSET}

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> Tensor:
        """A model input."""
        self._inputs.append(_value(name, shape, dtype))
        return Tensor(name, shape, dtype)

    def output(self, name: str, x: Tensor) -> None:
        """A model output, called ``name``."""
        self.node("Identity", [x], x.shape, x.dtype, name=name)
        self._outputs.append(_value(name, x.shape, x.dtype))

    def node(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        shape: Shape,
        dtype: str = "float32",
        *,
        name: str | None = None,
        domain: tuple[str, int] | None = None,
        **attributes: Any,
    ) -> Tensor:
        """Add an operator with one output of that shape and dtype."""
        return self.nodes(kind, inputs, [(shape, dtype)], name=name, domain=domain, **attributes)[0]

    def nodes(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        results: Sequence[tuple[Shape, str]],
        *,
        name: str | None = None,
        domain: tuple[str, int] | None = None,
        **attributes: Any,
    ) -> list[Tensor]:
        """Add an operator with several outputs."""
        from onnx import helper

        base = name or f"{kind.lower()}_{len(self._nodes)}"
        names = [base] if len(results) == 1 else [f"{base}_{i}" for i in range(len(results))]
        if domain:
            self._domains[domain[0]] = domain[1]
            attributes["domain"] = domain[0]
        self._nodes.append(helper.make_node(kind, [x.name for x in inputs], names, **attributes))
        return [Tensor(n, *result) for n, result in zip(names, results, strict=True)]

    def weight(self, shape: Shape, deviation: float, mean: float = 0.0) -> Tensor:
        """A seeded weight, float32, normal with that mean and deviation."""
        name = f"weight_{len(self._weights)}"
        return self.constant(mean + deviation * normal(name, shape, self.seed), "float32")

    def constant(self, values: Any, dtype: str = "int64") -> Tensor:
        """A stored tensor with these values."""
        array: Array = np.asarray(values, dtype=dtype)
        name = f"weight_{len(self._weights)}"
        self._weights.append(tensor(name, array))
        return Tensor(name, array.shape, dtype)

    def convolution(
        self,
        x: Tensor,
        channels: int,
        kernel: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        groups: int = 1,
        padding: Padding = "same",
        bias: bool = False,
    ) -> Tensor:
        """Convolution over all axes after the channels, as many as ``x`` has."""
        kernels, strides = _per_axis(x, kernel), _per_axis(x, stride)
        shape = (channels, x.channels // groups, *kernels)
        weights = [self.weight(shape, he_deviation(int(np.prod(shape[1:]))))]
        weights += [self.weight((channels,), 0.01)] if bias else []
        attributes = _padding(padding, kernels) | {"strides": strides, "group": groups}
        out = (x.shape[0], channels, *_windows(x, kernels, strides, padding))
        return self.node("Conv", [x, *weights], out, kernel_shape=kernels, **attributes)

    def depthwise(self, x: Tensor, kernel: int | Sequence[int], stride: int | Sequence[int] = 1,
                  padding: Padding = "same") -> Tensor:  # fmt: skip
        """Convolution of every channel by itself."""
        return self.convolution(x, x.channels, kernel, stride, x.channels, padding)

    def upsample(self, x: Tensor, channels: int, factor: int) -> Tensor:
        """Transposed convolution whose windows do not overlap."""
        kernels = _per_axis(x, factor)
        # One product of each input channel adds up to an output, whatever the kernel's size.
        weight = self.weight((x.channels, channels, *kernels), he_deviation(x.channels))
        out = (x.shape[0], channels, *(size * factor for size in x.shape[2:]))
        return self.node("ConvTranspose", [x, weight], out, kernel_shape=kernels, strides=kernels)

    def batch_norm(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """Batch normalization near the identity times ``scale``."""
        size = (x.channels,)
        weights = [
            self.weight(size, 0.1 * scale, scale),
            self.weight(size, 0.05),
            self.weight(size, 0.05),
            self.weight(size, 0.1, 1.0),
        ]
        return self.node("BatchNormalization", [x, *weights], x.shape)

    def dense(self, x: Tensor, size: int, deviation: float | None = None) -> Tensor:
        """Matrix product over the last axis, and a bias."""
        fan_in = x.shape[-1]
        weight = self.weight((fan_in, size), deviation or he_deviation(fan_in))
        bias = self.weight((size,), 0.01)
        product = self.node("MatMul", [x, weight], (*x.shape[:-1], size))
        return self.node("Add", [product, bias], product.shape)

    def classifier(self, x: Tensor, classes: int) -> Tensor:
        """Probabilities of classes."""
        scores = self.dense(x, classes, _CLASSIFIER_DEVIATION)
        return self.node("Softmax", [scores], scores.shape, axis=-1)

    def pool(self, kind: Literal["Max", "Average"], x: Tensor, kernel: int | Sequence[int],
             stride: int | Sequence[int] = 1, padding: Padding = "same") -> Tensor:  # fmt: skip
        """Largest or mean value of each window."""
        kernels, strides = _per_axis(x, kernel), _per_axis(x, stride)
        out = (*x.shape[:2], *_windows(x, kernels, strides, padding))
        attributes = _padding(padding, kernels) | {"strides": strides}
        return self.node(f"{kind}Pool", [x], out, kernel_shape=kernels, **attributes)

    def global_average(self, x: Tensor) -> Tensor:
        """The mean of each channel: shape (batch, channels)."""
        ones = (1,) * len(x.shape[2:])
        mean = self.node("GlobalAveragePool", [x], (*x.shape[:2], *ones))
        return self.node("Flatten", [mean], x.shape[:2], axis=1)

    def each(self, kind: str, *inputs: Tensor, **attributes: Any) -> Tensor:
        """An operator on each element: the result has the first input's shape and dtype."""
        return self.node(kind, inputs, inputs[0].shape, inputs[0].dtype, **attributes)

    def relu(self, x: Tensor, largest: float | None = None) -> Tensor:
        """The rectifier, cut at ``largest`` if that is given."""
        if largest is None:
            return self.each("Relu", x)
        limits = self.constant(0.0, "float32"), self.constant(largest, "float32")
        return self.each("Clip", x, *limits)

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """The same elements in another shape."""
        return self.node("Reshape", [x, self.constant(shape)], shape, x.dtype)

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        """The axes in another order."""
        shape = tuple(x.shape[axis] for axis in order)
        return self.node("Transpose", [x], shape, x.dtype, perm=list(order))

    def concatenate(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors one after the other along an axis."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.node("Concat", parts, tuple(shape), parts[0].dtype, axis=axis)

    def gather(self, x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
        """Rows of ``x`` by index."""
        shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
        return self.node("Gather", [x, indices], shape, x.dtype, axis=axis)

    def serialized(self) -> bytes:
        """The checked model as ONNX stores it."""
        import onnx
        from onnx import helper

        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, self._weights
        )
        opsets = [helper.make_opsetid(*domain) for domain in self._domains.items()]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name=PRODUCER
        )
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))


def _value(name: str, shape: Shape, dtype: str) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, shape)


def _per_axis(x: Tensor, size: int | Sequence[int]) -> list[int]:
    return [size] * len(x.shape[2:]) if isinstance(size, int) else list(size)


def _padding(padding: Padding, kernels: Sequence[int]) -> dict[str, Any]:
    if isinstance(padding, int):
        return {"pads": [padding] * (2 * len(kernels))}
    return {"auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[padding]}


def _windows(
    x: Tensor, kernels: Sequence[int], strides: Sequence[int], padding: Padding
) -> list[int]:
    """How many windows fit along each axis."""
    if padding == "same":
        return [-(-size // stride) for size, stride in zip(x.shape[2:], strides, strict=True)]
    margin = 0 if padding == "valid" else 2 * padding
    axes = zip(x.shape[2:], kernels, strides, strict=True)
    return [(size + margin - kernel) // stride + 1 for size, kernel, stride in axes]
