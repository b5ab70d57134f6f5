"""ONNX Runtime on its target: stored numbers are little-endian, and so much is known of the sums.

It needs nothing but the wheel: models are written here, byte by byte. The folder ``suite`` has the
same for every type, form and format.
"""

import os
import struct
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import onnxruntime as ort

FLOAT, INT64, FLOAT16, DOUBLE = 1, 7, 10, 11
STORED = {FLOAT: "<f4", INT64: "<i8", FLOAT16: "<f2", DOUBLE: "<f8"}
NUMBERS = [1.0, -2.0, 300.0, 4.0, 0.0, 1024.0]
LEVELS = (
    ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
)


def varint(number: int) -> bytes:
    """An integer of a protocol buffer."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def integer(field: int, number: int) -> bytes:
    """A field with an integer."""
    return varint(field << 3) + varint(number)


def part(field: int, *contents: bytes | str) -> bytes:
    """A field with bytes, text or a message, as often as there are contents."""
    data = [c.encode() if isinstance(c, str) else c for c in contents]
    return b"".join(varint(field << 3 | 2) + varint(len(d)) + d for d in data)


def tensor(name: str, kind: int, shape: Sequence[int], content: bytes) -> bytes:
    """TensorProto."""
    return b"".join(integer(1, n) for n in shape) + integer(2, kind) + part(8, name) + content


def raw(name: str, kind: int, numbers: Sequence[float] | np.ndarray) -> bytes:
    """TensorProto with raw data."""
    array = np.asarray(numbers).astype(STORED[kind])
    return tensor(name, kind, array.shape, part(9, array.tobytes()))


def external(name: str, kind: int, count: int, file: str, offset: int) -> bytes:
    """TensorProto whose numbers are in a file."""
    size = count * np.dtype(STORED[kind]).itemsize
    told = {"location": file, "offset": str(offset), "length": str(size)}
    entries = [part(1, key) + part(2, text) for key, text in told.items()]
    return tensor(name, kind, [count], part(13, *entries) + integer(14, 1))


def node(operator: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    """NodeProto."""
    return part(1, *inputs) + part(2, output) + part(4, operator) + part(5, *attributes)


def value(name: str, kind: int, rank: int) -> bytes:
    """ValueInfoProto of a tensor with any sizes."""
    shape = part(2, part(1, *[b""] * rank))
    return part(1, name) + part(2, part(1, integer(1, kind) + shape))


def model(
    nodes: Sequence[bytes],
    inputs: Sequence[bytes],
    output: bytes,
    tensors: Sequence[bytes] = (),
    sparse: Sequence[bytes] = (),
) -> bytes:
    """ModelProto."""
    graph = (
        part(1, *nodes) + part(2, "g") + part(5, *tensors) + part(11, *inputs) + part(12, output)
        + part(15, *sparse)
    )  # fmt: skip
    return integer(1, 10) + part(8, part(1, "") + integer(2, 21)) + part(7, graph)


def session(
    path: str | bytes, level: ort.GraphOptimizationLevel, save: str = ""
) -> ort.InferenceSession:
    """A session at a level, which is saved in ORT format if there is a path for that."""
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    if save:
        options.optimized_model_filepath = save
        options.add_session_config_entry("session.save_model_format", "ORT")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@contextmanager
def folder() -> Iterator[str]:
    """A folder for files."""
    with tempfile.TemporaryDirectory() as name:
        yield name


class StoredNumbers(unittest.TestCase):
    """Each form of stored numbers, as it is and through ORT format, at the ends of the levels."""

    def check(self, content: bytes, wanted: Sequence[float], files: dict[str, bytes]) -> None:
        """The model's only output has to be what is wanted."""
        for level in LEVELS:
            with folder() as here:
                path = os.path.join(here, "model.onnx")  # noqa: PTH118
                for name, data in {**files, "model.onnx": content}.items():
                    with open(os.path.join(here, name), "wb") as file:  # noqa: PTH118, PTH123
                        file.write(data)
                saved = os.path.join(here, "saved.ort")  # noqa: PTH118
                given = {"n": np.array([2])}
                for source, save in ((path, saved), (saved, "")):
                    made = session(source, level, save)
                    names = {one.name for one in made.get_inputs()}
                    (found,) = made.run(None, {k: v for k, v in given.items() if k in names})
                    assert found.tolist() == list(wanted), (source, level)

    def test_in_the_model(self) -> None:
        for kind in STORED:
            content = model([node("Identity", ["w"], "y")], [], value("y", kind, 1),
                            [raw("w", kind, NUMBERS)])  # fmt: skip
            self.check(content, NUMBERS, {})

    def test_typed(self) -> None:
        data = part(4, struct.pack("<6f", *NUMBERS))
        content = model([node("Identity", ["w"], "y")], [], value("y", FLOAT, 1),
                        [tensor("w", FLOAT, [6], data)])  # fmt: skip
        self.check(content, NUMBERS, {})

    def test_in_another_file(self) -> None:
        for kind, dtype in STORED.items():
            data = b"\x5a" * 24 + np.array(NUMBERS, dtype=dtype).tobytes()
            content = model([node("Identity", ["w"], "y")], [], value("y", kind, 1),
                            [external("w", kind, 6, "numbers", 24)])  # fmt: skip
            self.check(content, NUMBERS, {"numbers": data})

    def test_sparse(self) -> None:
        for kind in STORED:
            sparse = part(1, raw("w", kind, [7, -2])) + part(2, raw("", INT64, [1, 4]))
            content = model([node("Identity", ["w"], "y")], [], value("y", kind, 1),
                            sparse=[sparse + integer(3, 6)])  # fmt: skip
            self.check(content, [0, 7, 0, 0, -2, 0], {})

    def test_of_an_operator(self) -> None:
        for kind in STORED:
            filler = part(1, "value") + part(5, raw("", kind, [300])) + integer(20, 4)
            content = model([node("ConstantOfShape", ["n"], "y", filler)],
                            [value("n", INT64, 1)], value("y", kind, 1))  # fmt: skip
            self.check(content, [300, 300], {})


class GivenNumbers(unittest.TestCase):
    """Arrays in the order of the machine are taken; in the other one, taken or refused."""

    def test_inputs(self) -> None:
        for kind, dtype in STORED.items():
            content = model([node("Identity", ["x"], "y")], [value("x", kind, 1)],
                            value("y", kind, 1))  # fmt: skip
            made = session(content, LEVELS[0])
            for order in "<>":
                array = np.array(NUMBERS, dtype=order + dtype[1:])
                try:
                    (found,) = made.run(None, {"x": array})
                except Exception:
                    if array.dtype.isnative:
                        raise
                else:
                    assert found.tolist() == NUMBERS, array.dtype


class Sums(unittest.TestCase):
    """Kernels with stored weights, against sums of 64-bit numbers."""

    def test_product(self) -> None:
        x = np.sin(np.arange(3 * 70.0)).reshape(3, 70).astype("f4")
        w = np.cos(np.arange(70 * 33.0)).reshape(70, 33).astype("f4")
        content = model([node("MatMul", ["x", "w"], "y")], [value("x", FLOAT, 2)],
                        value("y", FLOAT, 2), [raw("w", FLOAT, w)])  # fmt: skip
        for level in LEVELS:
            (found,) = session(content, level).run(None, {"x": x})
            np.testing.assert_allclose(found, x.astype("f8") @ w, rtol=1e-5, atol=1e-5)

    def test_convolution(self) -> None:
        x = np.sin(np.arange(16 * 49.0)).reshape(1, 16, 7, 7).astype("f4")
        w = np.cos(np.arange(32 * 16 * 9.0)).reshape(32, 16, 3, 3).astype("f4")
        content = model([node("Conv", ["x", "w"], "y")], [value("x", FLOAT, 4)],
                        value("y", FLOAT, 4), [raw("w", FLOAT, w)])  # fmt: skip
        windows = np.lib.stride_tricks.sliding_window_view(x.astype("f8"), (3, 3), axis=(2, 3))
        wanted = np.einsum("nchwij,ocij->nohw", windows, w)
        for level in LEVELS:
            (found,) = session(content, level).run(None, {"x": x})
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)

    def test_normalization(self) -> None:
        """The mean and the variance of as many values as a volume of 32 by 32 by 32 has."""
        x = (0.1 + np.sin(np.arange(32.0**3)) / 1000).reshape(1, 1, 32, 32, 32).astype("f4")
        content = model([node("InstanceNormalization", ["x", "s", "b"], "y")],
                        [value("x", FLOAT, 5)], value("y", FLOAT, 5),
                        [raw("s", FLOAT, [1]), raw("b", FLOAT, [0])])  # fmt: skip
        exact = x.astype("f8")
        wanted = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-5)
        for level in LEVELS:
            (found,) = session(content, level).run(None, {"x": x})
            np.testing.assert_allclose(found, wanted, atol=1e-4)


class Wheel(unittest.TestCase):
    """It stands by itself, and says nothing."""

    def test_other_libraries(self) -> None:
        """What it is made of is inside it, not the distribution's."""
        session(model([node("Abs", ["x"], "y")], [value("x", FLOAT, 1)], value("y", FLOAT, 1)),
                LEVELS[1])  # fmt: skip
        with open("/proc/self/maps") as file:  # noqa: PTH123
            paths = {line.split()[-1] for line in file if "/lib" in line}
        foreign = ("libonnx", "libprotobuf", "libre2", "libabsl")
        found = [p for p in paths if p.rpartition("/")[2].startswith(foreign)]
        assert all("onnxruntime" in path for path in found), found

    def test_first_session(self) -> None:
        """No operator is registered twice."""
        code = "import sys, onnxruntime as o; o.InferenceSession(bytes.fromhex(sys.argv[1]))"
        content = model([node("Abs", ["x"], "y")], [value("x", FLOAT, 1)], value("y", FLOAT, 1))
        done = subprocess.run([sys.executable, "-c", code, content.hex()], capture_output=True,
                              text=True, check=True)  # fmt: skip
        assert "Schema error" not in done.stderr
        assert done.stdout == ""


if __name__ == "__main__":
    unittest.main()
