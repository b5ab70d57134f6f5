"""TensorFlow Lite on its target: what a model's file holds is little-endian, and so much is known.

Models are written here, table by table, by the numbers that the fields have in TensorFlow's
schema.fbs.
"""

import tempfile
import unittest
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType

TYPES = {
    "<f4": 0, "<f2": 1, "<i4": 2, "<u1": 3, "<i8": 4, "|b1": 6, "<i2": 7, "<c8": 8, "<i1": 9,
    "<f8": 10, "<c16": 11, "<u8": 12, "<u4": 15, "<u2": 16,
}  # fmt: skip
FLOAT32, INT32, INT64, STRING, RESOURCE = 0, 2, 4, 5, 13
ADD, LSH_PROJECTION, GATHER, CALL_ONCE = 0, 15, 36, 129
HASHTABLE, HASHTABLE_FIND, HASHTABLE_IMPORT, BUCKETIZE = 136, 137, 138, 147
DENSE = 2
"""Of LSH_PROJECTION's kinds."""


@dataclass(frozen=True)
class Tensor:
    """A tensor; with ``data``, as a file has it, a constant one."""

    name: str
    kind: int
    shape: Sequence[int]
    data: bytes | None = None


@dataclass(frozen=True)
class Node:
    """An operator; ``options`` are its table's number in the schema, and the table."""

    code: int
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: tuple[int, dict[int, Any]] | None = None


@dataclass(frozen=True)
class Graph:
    """A subgraph."""

    tensors: Sequence[Tensor]
    inputs: Sequence[int]
    outputs: Sequence[int]
    nodes: Sequence[Node]


class Integer(int):
    """An integer whose field has ``width`` bytes."""

    width: int

    def __new__(cls, value: int, width: int) -> "Integer":
        new = super().__new__(cls, value)
        new.width = width
        return new


def byte(value: int) -> Integer:
    """A field of one byte."""
    return Integer(value, 1)


def number(value: int) -> Integer:
    """A field of four bytes."""
    return Integer(value, 4)


def long(value: int) -> Integer:
    """A field of eight bytes."""
    return Integer(value, 8)


def write(builder: Any, value: Any) -> int:
    """A table (a dict by number of field), text, bytes, floats, integers or a list of tables."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, bytes):
        builder.StartVector(1, len(value), 16)
        builder.head -= len(value)
        builder.Bytes[builder.head : builder.head + len(value)] = value
        return int(builder.EndVector())
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, list):
        places = [write(builder, one) for one in value]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return int(builder.EndVector())
    inner = {
        field: one if isinstance(one, Integer) else write(builder, one)
        for field, one in value.items()
    }
    builder.StartObject(max(inner, default=0) + 1)
    put = {1: builder.PrependInt8, 4: builder.PrependInt32, 8: builder.PrependInt64}
    for field, one in inner.items():
        if isinstance(one, Integer):
            put[one.width](one)
        else:
            builder.PrependUOffsetTRelative(one)
        builder.Slot(field)
    return int(builder.EndObject())


def ints(values: Sequence[int]) -> np.ndarray:
    """A vector of integers."""
    return np.array(values, "<i4")


def model(*graphs: Graph, beside: bool = False) -> bytes:
    """A model's file. With ``beside`` its constants lie behind the flatbuffer, as in large ones."""
    nodes = [node for graph in graphs for node in graph.nodes]
    codes = sorted({node.code for node in nodes})
    data = [t.data for graph in graphs for t in graph.tensors if t.data is not None]
    buffers: list[dict[int, Any]] = [{}, *({0: one} for one in data)]
    if beside:
        # All offsets have their place in the file already, so that its size does not change.
        buffers = [{}, *({1: long(2), 2: long(len(one))} for one in data)]
    for _ in range(2):
        builder = flatbuffers.Builder(1 << 16)
        used = iter(range(1, len(data) + 1))
        tables = [_graph(graph, codes, used) for graph in graphs]
        kinds = [{0: byte(min(code, 127)), 3: number(code)} for code in codes]
        top = {0: number(3), 1: kinds, 2: tables, 4: buffers}
        builder.Finish(write(builder, top), b"TFL3")
        file = bytes(builder.Output())
        if beside:
            at = len(file)
            for buffer, one in zip(buffers[1:], data, strict=True):
                buffer[1] = long(at)
                at += len(one)
    return file + b"".join(data) if beside else file


def _graph(graph: Graph, codes: list[int], used: Any) -> dict[int, Any]:
    tensors = [
        {
            0: ints(tensor.shape),
            1: byte(tensor.kind),
            2: number(0 if tensor.data is None else next(used)),
            3: tensor.name,
        }
        for tensor in graph.tensors
    ]
    nodes = []
    for node in graph.nodes:
        table = {0: number(codes.index(node.code)), 1: ints(node.inputs), 2: ints(node.outputs)}
        if node.options:
            table |= {3: byte(node.options[0]), 4: node.options[1]}
        nodes.append(table)
    return {0: tensors, 1: ints(graph.inputs), 2: ints(graph.outputs), 3: nodes}


def texts(*all_texts: bytes) -> bytes:
    """Constant text: how many, where each begins and the last ends, and they themselves."""
    places = np.cumsum([4 * (len(all_texts) + 2), *map(len, all_texts)])
    return np.array([len(all_texts), *places], "<i4").tobytes() + b"".join(all_texts)


def constants(*, beside: bool = False) -> bytes:
    """A model whose outputs are constants of every type, beside an addition."""
    kept = [Tensor(name, kind, [3], numbers(name).tobytes()) for name, kind in TYPES.items()]
    kept.append(Tensor("text", STRING, [2], texts(b"big", b"endian")))
    first = [Tensor("x", FLOAT32, [2]), Tensor("y", FLOAT32, [2])]
    tensors = [*first, *kept]
    outputs = range(1, len(tensors))
    return model(Graph(tensors, [0], outputs, [Node(ADD, [0, 0], [1], (11, {}))]), beside=beside)


def numbers(dtype: str) -> np.ndarray:
    """What every constant holds."""
    return np.array([1, 0, 77], dtype)


def run(content: bytes, *given: Any) -> list[np.ndarray]:
    """The outputs of a model that is given in memory."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    for detail, one in zip(interpreter.get_input_details(), given, strict=True):
        interpreter.set_tensor(detail["index"], one)
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


class Constants(unittest.TestCase):
    """They mean the same, wherever the model is."""

    def check(self, interpreter: Interpreter) -> None:
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, np.array([1.5, -2], np.float32))
        interpreter.invoke()
        details = {one["name"]: one["index"] for one in interpreter.get_output_details()}
        np.testing.assert_array_equal(interpreter.get_tensor(details["y"]), [3, -4])
        for name in TYPES:
            found = interpreter.get_tensor(details[name])
            np.testing.assert_array_equal(found, numbers(name), name)
        self.assertEqual(interpreter.get_tensor(details["text"]).tolist(), [b"big", b"endian"])

    def test_in_memory(self) -> None:
        content = constants()
        before = bytes(bytearray(content))
        for _ in range(2):
            self.check(Interpreter(model_content=content))
        self.assertEqual(content, before, "the caller's bytes are left alone")

    def test_in_a_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            path.write_bytes(constants())
            self.check(Interpreter(str(path)))

    def test_beside_the_flatbuffer(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            path.write_bytes(constants(beside=True))
            self.check(Interpreter(str(path)))

    def test_with_the_reference_kernels(self) -> None:
        kernels = OpResolverType.BUILTIN_REF
        self.check(Interpreter(model_content=constants(), experimental_op_resolver_type=kernels))


class Operators(unittest.TestCase):
    """Those that read numbers or text in a way of their own."""

    def test_bucketize(self) -> None:
        tensors = [Tensor("x", FLOAT32, [5]), Tensor("y", INT32, [5])]
        options = (115, {0: np.array([-1, 0, 2.5, 300], "<f4")})
        content = model(Graph(tensors, [0], [1], [Node(BUCKETIZE, [0], [1], options)]))
        for _ in range(2):
            (found,) = run(content, np.array([-2, -1, 2, 2.5, 1e6], np.float32))
            self.assertEqual(found.tolist(), [0, 1, 2, 3, 4])

    def test_hashes_of_numbers(self) -> None:
        # The numbers are those of TensorFlow's own lsh_projection_test.cc.
        seeds = np.array([0.123, 0.456, -0.321, 1.234, 5.678, -4.321], "<f4")
        tensors = [
            Tensor("seeds", FLOAT32, [3, 2], seeds.tobytes()),
            Tensor("x", INT32, [5]),
            Tensor("weights", FLOAT32, [5], np.ones(5, "<f4").tobytes()),
            Tensor("y", INT32, [6]),
        ]
        node = Node(LSH_PROJECTION, [0, 1, 2], [3], (4, {0: byte(DENSE)}))
        given = np.array([12345, 54321, 67890, 9876, -12345678], np.int32)
        (found,) = run(model(Graph(tensors, [1], [3], [node])), given)
        self.assertEqual(found.tolist(), [0, 0, 0, 1, 0, 0])

    def test_constant_text_is_gathered(self) -> None:
        tensors = [
            Tensor("words", STRING, [3], texts(b"a", b"longer", b"")),
            Tensor("x", INT32, [3]),
            Tensor("y", STRING, [3]),
        ]
        content = model(Graph(tensors, [1], [2], [Node(GATHER, [0, 1], [2], (23, {}))]))
        (found,) = run(content, np.array([2, 1, 0], np.int32))
        self.assertEqual(found.tolist(), [b"", b"longer", b"a"])

    def test_hash_table_of_text(self) -> None:
        options = (107, {0: number(7), 1: byte(STRING), 2: byte(INT64)})
        handle = Tensor("table", RESOURCE, [1])
        keys = Tensor("keys", STRING, [2], texts(b"z", b"power"))
        values = Tensor("values", INT64, [2], np.array([390, 64], "<i8").tobytes())
        first = Graph([handle, keys, values], [], [], [
            Node(HASHTABLE, [], [0], options), Node(HASHTABLE_IMPORT, [0, 1, 2], [], (109, {})),
        ])  # fmt: skip
        default = Tensor("default", INT64, [1], np.array([-1], "<i8").tobytes())
        tensors = [handle, Tensor("x", STRING, [3]), default, Tensor("y", INT64, [3])]
        main = Graph(tensors, [1], [3], [
            Node(CALL_ONCE, [], [], (103, {0: number(1)})),
            Node(HASHTABLE, [], [0], options),
            Node(HASHTABLE_FIND, [0, 1, 2], [3], (108, {})),
        ])  # fmt: skip
        (found,) = run(model(main, first), np.array([b"power", b"arm", b"z"]))
        self.assertEqual(found.tolist(), [64, -1, 390])


class Arrays(unittest.TestCase):
    """What Python hands over."""

    def test_either_byte_order(self) -> None:
        for order in "<>":
            found = run(constants(), np.array([1.5, -2], f"{order}f4"))
            np.testing.assert_array_equal(found[0], [3, -4])

    def test_a_single_text(self) -> None:
        content = model(Graph([Tensor("word", STRING, [])], [0], [0], []))
        for given in (np.array("zé"), np.array("zé".encode()), np.array("zé", dtype=object)):
            (found,) = run(content, given)
            self.assertEqual(found.tolist(), "zé".encode())


if __name__ == "__main__":
    unittest.main()
