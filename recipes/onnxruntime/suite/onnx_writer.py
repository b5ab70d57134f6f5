"""Writes ONNX files byte by byte.

The tests do not use the onnx package for that: its helpers have defects of their own on a
big-endian machine (``make_tensor(raw=True)`` keeps the bytes of the machine). Protocol buffers are
little-endian wherever they have a byte order; every number here says so itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

OPSET = 21
IR_VERSION = 10
EXTERNAL = 1
"""TensorProto.DataLocation"""


def varint(number: int) -> bytes:
    """An integer; a negative one as the two's complement of 64 bits."""
    rest, out = number & (1 << 64) - 1, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def integer(field: int, number: int) -> bytes:
    """A field with an integer."""
    return varint(field << 3) + varint(number)


def part(field: int, content: bytes | str) -> bytes:
    """A field with bytes, text or a message."""
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def parts(field: int, contents: Iterable[bytes | str]) -> bytes:
    """A repeated field."""
    return b"".join(part(field, content) for content in contents)


def packed(field: int, numbers: Sequence[int]) -> bytes:
    """A repeated field of integers."""
    return part(field, b"".join(map(varint, numbers)))


def packed_floats(field: int, numbers: Sequence[float]) -> bytes:
    """A repeated field of 32-bit floats."""
    return part(field, struct.pack(f"<{len(numbers)}f", *numbers))


def packed_doubles(field: int, numbers: Sequence[float]) -> bytes:
    """A repeated field of 64-bit floats."""
    return part(field, struct.pack(f"<{len(numbers)}d", *numbers))


@dataclass(frozen=True)
class Tensor:
    """A tensor whose numbers are encoded already: ``content`` is the field that holds them."""

    kind: int
    shape: tuple[int, ...]
    content: bytes

    def encode(self, name: str = "") -> bytes:
        """The message TensorProto."""
        return packed(1, self.shape) + integer(2, self.kind) + part(8, name) + self.content


@dataclass(frozen=True)
class Sparse:
    """Some numbers of a tensor, and where they are; all others are zero."""

    values: Tensor
    indices: Tensor
    shape: tuple[int, ...]

    def encode(self, name: str = "") -> bytes:
        """The message SparseTensorProto."""
        return (
            part(1, self.values.encode(name)) + part(2, self.indices.encode())
            + packed(3, self.shape)
        )  # fmt: skip


def raw_content(data: bytes) -> bytes:
    """Numbers as little-endian bytes."""
    return part(9, data)


def external_content(location: str, offset: int, length: int) -> bytes:
    """Numbers in another file."""
    told = {"location": location, "offset": str(offset), "length": str(length)}
    return parts(13, [part(1, key) + part(2, value) for key, value in told.items()]) + integer(
        14, EXTERNAL
    )


@dataclass(frozen=True)
class Graph:
    """A graph or a subgraph; everything in it is encoded already."""

    nodes: tuple[bytes, ...] = ()
    inputs: tuple[bytes, ...] = ()
    outputs: tuple[bytes, ...] = ()
    initializers: tuple[bytes, ...] = ()
    sparse: tuple[bytes, ...] = ()
    functions: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """The message GraphProto; functions belong to the model."""
        return (
            parts(1, self.nodes) + part(2, "g") + parts(5, self.initializers)
            + parts(11, self.inputs) + parts(12, self.outputs) + parts(15, self.sparse)
        )  # fmt: skip

    def model(self, opsets: Mapping[str, int] | None = None) -> bytes:
        """The message ModelProto; opsets besides ONNX's own are named."""
        wanted = {"": OPSET, **(opsets or {})}
        return (
            integer(1, IR_VERSION) + parts(8, [opset(*one) for one in wanted.items()])
            + part(7, self.encode()) + parts(25, self.functions)
        )  # fmt: skip

    def plus(self, other: Graph) -> Graph:
        """Both graphs in one, this one's nodes first."""
        return replace(
            self,
            **{
                name: (*getattr(self, name), *getattr(other, name))
                for name in self.__dataclass_fields__
            },
        )


Attribute: TypeAlias = (
    "int | float | str | Tensor | Sparse | Graph | Sequence[int] | Sequence[float] | Sequence[str]"
)


def opset(domain: str, version: int) -> bytes:
    """The message OperatorSetIdProto."""
    return part(1, domain) + integer(2, version)


def attribute(name: str, value: Attribute) -> bytes:
    """The message AttributeProto; an empty list has to be left out, for it has no type."""
    if isinstance(value, Tensor | Sparse | Graph):
        content = _message(value)
    elif isinstance(value, int | float | str):
        content = _single(value)
    else:
        content = _list(value)
    return part(1, name) + content


def _message(value: Tensor | Sparse | Graph) -> bytes:
    if isinstance(value, Tensor):
        return part(5, value.encode()) + integer(20, 4)
    if isinstance(value, Graph):
        return part(6, value.encode()) + integer(20, 5)
    return part(22, value.encode()) + integer(20, 11)


def _single(value: int | float | str) -> bytes:
    if isinstance(value, int):
        return integer(3, value) + integer(20, 2)
    if isinstance(value, float):
        return varint(2 << 3 | 5) + struct.pack("<f", value) + integer(20, 1)
    return part(4, value) + integer(20, 3)


def _list(values: Sequence[int] | Sequence[float] | Sequence[str]) -> bytes:
    if isinstance(values[0], int):
        return b"".join(integer(8, int(one)) for one in values) + integer(20, 7)
    if isinstance(values[0], float):
        floats = (varint(7 << 3 | 5) + struct.pack("<f", one) for one in values)
        return b"".join(floats) + integer(20, 6)
    return parts(9, [str(one) for one in values]) + integer(20, 8)


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    domain: str = "",
    **attributes: Attribute,
) -> bytes:
    """The message NodeProto."""
    return (
        parts(1, inputs) + parts(2, outputs) + part(3, f"{operator}-{outputs[0]}")
        + part(4, operator) + parts(5, [attribute(*one) for one in attributes.items()])
        + part(7, domain)
    )  # fmt: skip


def value(name: str, kind: int, shape: Sequence[int | str] | None) -> bytes:
    """The message ValueInfoProto of a tensor."""
    tensor = integer(1, kind)
    if shape is not None:
        dims = [integer(1, n) if isinstance(n, int) else part(2, n) for n in shape]
        tensor += part(2, parts(1, dims))
    return part(1, name) + part(2, part(1, tensor))


def sequence(name: str, kind: int) -> bytes:
    """The message ValueInfoProto of a list of tensors."""
    return part(1, name) + part(2, part(4, part(1, part(1, integer(1, kind)))))


def function(domain: str, name: str, outputs: Sequence[str], nodes: Sequence[bytes]) -> bytes:
    """The message FunctionProto of a function without inputs."""
    return (
        part(1, name) + parts(5, outputs) + parts(7, nodes) + part(9, opset("", OPSET))
        + part(10, domain)
    )  # fmt: skip
