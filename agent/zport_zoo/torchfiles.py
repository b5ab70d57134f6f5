"""The same networks as PyTorch's files: TorchScript (``.pt``) and torch.export (``.pt2``).

A graph is the ONNX one, operator by operator, as a graph of torch.fx: weights, inputs and outputs
keep their numbers and names, so that a network answers alike in either format. PyTorch itself
writes the file.
"""

import importlib
import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from zport_agent.errors import UnsupportedError

_EPSILON = 1e-5
"""Of ONNX's BatchNormalization where a node states none."""
_ALIKE = {
    "Add": "add", "MatMul": "matmul", "Mul": "mul", "Relu": "relu", "Sigmoid": "sigmoid",
}  # fmt: skip
"""Operators that take the same in PyTorch, by its name of them."""


def torchscript(data: bytes) -> bytes:
    """A model in ONNX's format, as a TorchScript archive. Raises UnsupportedError when an operator
    of it is not known here."""
    torch = _torch()
    module, inputs = _module(data)
    # A dict of tensors is not among the outputs that strict tracing takes.
    script = torch.jit.trace(module, inputs, strict=False, check_trace=False)
    file = io.BytesIO()
    torch.jit.save(script, file)
    return file.getvalue()


def exported(data: bytes) -> bytes:
    """A model in ONNX's format, as an archive of torch.export. Raises as torchscript does."""
    torch = _torch()
    module, inputs = _module(data)
    file = io.BytesIO()
    torch.export.save(torch.export.export(module, inputs), file)
    return _undated(file)


FORMATS: Mapping[str, Callable[[bytes], bytes]] = {".pt": torchscript, ".pt2": exported}
"""By the ending of the file's name."""


def _undated(file: io.BytesIO) -> bytes:
    """The same archive, whose entries do not say when they were written."""
    copy = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name))
    return copy.getvalue()


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise UnsupportedError(f"making PyTorch's files needs PyTorch ({error})") from None


class _Node(NamedTuple):
    """An ONNX operator: its type, its inputs in the new graph, their shapes, its attributes."""

    kind: str
    inputs: list[Any]
    shapes: list[tuple[int, ...]]
    attributes: dict[str, Any]


def _module(data: bytes) -> tuple[Any, tuple[Any, ...]]:
    """The model as a module, and zeros for its inputs."""
    import onnx
    from onnx import helper, numpy_helper

    torch, fx = _torch(), importlib.import_module("torch.fx")
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(data), strict_mode=True)
    root, graph = torch.nn.Module(), fx.Graph()
    shapes = {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]
    }
    values: dict[str, Any] = {entry.name: graph.placeholder(entry.name)
                              for entry in model.graph.input}  # fmt: skip
    for tensor in model.graph.initializer:
        array = np.array(numpy_helper.to_array(tensor))
        shapes[tensor.name] = array.shape
        values[tensor.name] = _Stored(array, tensor.name)
    call = _Calls(torch, graph, root)
    for node in model.graph.node:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        given = _Node(node.op_type, [values[name] for name in node.input],
                      [shapes[name] for name in node.input], attributes)  # fmt: skip
        values[node.output[0]] = call.of(given)
    graph.output({entry.name: values[entry.name] for entry in model.graph.output})
    zeros = tuple(
        torch.zeros(shapes[entry.name],
                    dtype=torch.int64 if entry.type.tensor_type.elem_type == onnx.TensorProto.INT64
                    else torch.float32)
        for entry in model.graph.input
    )  # fmt: skip
    return fx.GraphModule(root, graph).eval(), zeros


class _Stored(NamedTuple):
    """A tensor of the model's own."""

    array: Any
    name: str


class _Calls:
    """Adds PyTorch's functions to a graph, and the weights they need to its module."""

    def __init__(self, torch: Any, graph: Any, root: Any) -> None:
        self.torch, self.graph, self.root = torch, graph, root

    def of(self, node: _Node) -> Any:
        """What an ONNX operator with one output gives."""
        if node.kind in _ALIKE:
            return self._call(getattr(self.torch, _ALIKE[node.kind]), *node.inputs)
        translate = getattr(self, f"_{node.kind.lower()}", None)
        if translate is None:
            raise UnsupportedError(f"PyTorch's files: the operator {node.kind} is not translated")
        return translate(node)

    def _call(self, function: Any, *arguments: Any, **named: Any) -> Any:
        return self.graph.call_function(function, tuple(map(self._loaded, arguments)), named)

    def _loaded(self, value: Any) -> Any:
        if not isinstance(value, _Stored):
            return value
        if not hasattr(self.root, value.name):
            self.root.register_buffer(value.name, self.torch.from_numpy(value.array))
        return self.graph.get_attr(value.name)

    def _identity(self, node: _Node) -> Any:
        return node.inputs[0]

    def _clip(self, node: _Node) -> Any:
        x, least, most = node.inputs
        return self._call(self.torch.clamp, x, float(least.array), float(most.array))

    def _softmax(self, node: _Node) -> Any:
        return self._call(self.torch.softmax, node.inputs[0], node.attributes["axis"])

    def _argmax(self, node: _Node) -> Any:
        keep = bool(node.attributes.get("keepdims", 1))
        return self._call(self.torch.argmax, node.inputs[0], node.attributes["axis"], keep)

    def _flatten(self, node: _Node) -> Any:
        return self._call(self.torch.flatten, node.inputs[0], 1)

    def _reshape(self, node: _Node) -> Any:
        x, shape = node.inputs
        return self._call(self.torch.reshape, x, shape.array.tolist())

    def _transpose(self, node: _Node) -> Any:
        return self._call(self.torch.permute, node.inputs[0], list(node.attributes["perm"]))

    def _concat(self, node: _Node) -> Any:
        return self._call(self.torch.cat, node.inputs, node.attributes["axis"])

    def _gather(self, node: _Node) -> Any:
        x, indices = node.inputs
        axis = node.attributes.get("axis", 0)
        if axis == 0:
            return self._call(self.torch.nn.functional.embedding, indices, x)
        return self._call(self.torch.index_select, x, axis, indices)

    def _globalaveragepool(self, node: _Node) -> Any:
        axes = list(range(2, len(node.shapes[0])))
        return self._call(self.torch.mean, node.inputs[0], axes, True)

    def _batchnormalization(self, node: _Node) -> Any:
        x, scale, offset, mean, variance = node.inputs
        epsilon = node.attributes.get("epsilon", _EPSILON)
        return self._call(self.torch.nn.functional.batch_norm, x, mean, variance, scale, offset,
                          False, 0.0, epsilon)  # fmt: skip

    def _conv(self, node: _Node) -> Any:
        x, weight, *bias = node.inputs
        kernels, strides = node.shapes[1][2:], list(node.attributes["strides"])
        function = {1: self.torch.conv1d, 2: self.torch.conv2d, 3: self.torch.conv3d}[len(kernels)]
        before, after = _pads(node, kernels, strides)
        if before != after:
            x = self._padded(x, before, after)
            before = [0] * len(kernels)
        return self._call(function, x, weight, bias[0] if bias else None, strides, before,
                          [1] * len(kernels), node.attributes.get("group", 1))  # fmt: skip

    def _maxpool(self, node: _Node) -> Any:
        kernels, strides = list(node.attributes["kernel_shape"]), list(node.attributes["strides"])
        before, after = _pads(node, kernels, strides)
        if before != after:
            raise UnsupportedError("PyTorch's files: MaxPool with other padding before than after")
        return self._call(self.torch.max_pool2d, node.inputs[0], kernels, strides, before)

    def _padded(self, x: Any, before: list[int], after: list[int]) -> Any:
        """Zeros around the axes after the channels; PyTorch counts axes from the last."""
        pairs = [size for pair in zip(reversed(before), reversed(after), strict=True)
                 for size in pair]  # fmt: skip
        return self._call(self.torch.nn.functional.pad, x, pairs)


def _pads(node: _Node, kernels: Any, strides: list[int]) -> tuple[list[int], list[int]]:
    """Zeros before and after each axis: as stated, or as many as keep the size (SAME_UPPER)."""
    sizes, count = node.shapes[0][2:], len(kernels)
    automatic = node.attributes.get("auto_pad", b"NOTSET").decode()
    if automatic == "SAME_UPPER":
        total = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(sizes, strides, kernels, strict=True)
        ]
        before = [one // 2 for one in total]
        return before, [one - less for one, less in zip(total, before, strict=True)]
    pads = list(node.attributes.get("pads", [0] * (2 * count)))
    return pads[:count], pads[count:]
