"""onnx on its target: stored tensors are little-endian, and the evaluator's numbers are known."""

import os
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, checker, helper, numpy_helper, parser, shape_inference
from onnx.reference import ReferenceEvaluator

KINDS = {
    TensorProto.FLOAT: "f4",
    TensorProto.DOUBLE: "f8",
    TensorProto.FLOAT16: "f2",
    TensorProto.INT16: "i2",
    TensorProto.INT32: "i4",
    TensorProto.INT64: "i8",
    TensorProto.UINT32: "u4",
    TensorProto.UINT64: "u8",
    TensorProto.COMPLEX64: "c8",
}
NUMBERS = (1, 2, 3, 100)


class Tensors(unittest.TestCase):
    """Raw data of a tensor, which the format wants in little-endian order."""

    def test_written(self) -> None:
        for kind, dtype in KINDS.items():
            tensor = numpy_helper.from_array(np.array(NUMBERS, dtype=dtype))
            assert tensor.data_type == kind
            assert tensor.raw_data == np.array(NUMBERS, dtype=f"<{dtype}").tobytes(), dtype

    def test_read(self) -> None:
        for kind, dtype in KINDS.items():
            raw = np.array(NUMBERS, dtype=f"<{dtype}").tobytes()
            tensor = helper.make_tensor("x", kind, [4], raw, raw=True)
            assert tensor.raw_data == raw
            assert numpy_helper.to_array(tensor).tolist() == list(NUMBERS), dtype
            typed = helper.make_tensor("x", kind, [4], NUMBERS)
            assert numpy_helper.to_array(typed).tolist() == list(NUMBERS), dtype

    def test_small_types(self) -> None:
        raw = bytes.fromhex("803f00c0")
        tensor = helper.make_tensor("x", TensorProto.BFLOAT16, [2], raw, raw=True)
        assert numpy_helper.to_array(tensor).astype(np.float32).tolist() == [1.0, -2.0]
        half = helper.make_tensor("x", TensorProto.INT4, [4], [1, -2, 7, -8])
        assert numpy_helper.to_array(half).astype(np.int32).tolist() == [1, -2, 7, -8]

    def test_external_data(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")  # noqa: PTH118
            options = {"save_as_external_data": True, "location": "w", "size_threshold": 0}
            onnx.save(model_of_weights(), path, **options)
            with open(os.path.join(folder, "w"), "rb") as file:  # noqa: PTH118, PTH123
                assert np.array(NUMBERS, dtype="<f4").tobytes() in file.read()
            (weights,) = onnx.load(path).graph.initializer
            assert numpy_helper.to_array(weights).tolist() == list(NUMBERS)


def model_of_weights() -> onnx.ModelProto:
    """y = x + w, with the numbers as w."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "sum",
        [value("x", TensorProto.FLOAT, [4])],
        [value("y", TensorProto.FLOAT, [4])],
        [numpy_helper.from_array(np.array(NUMBERS, dtype=np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


class Models(unittest.TestCase):
    """The compiled parts: checker, parser, inference; and the evaluator."""

    def test_model(self) -> None:
        model = onnx.load_from_string(model_of_weights().SerializeToString())
        checker.check_model(model, full_check=True)
        given = np.array([0.5, 0, -3, 1], dtype=np.float32)
        (found,) = ReferenceEvaluator(model).run(None, {"x": given})
        assert found.tolist() == [1.5, 2, 0, 101]

    def test_constants_in_shapes(self) -> None:
        """The shape is a tensor of 64-bit numbers that inference reads."""
        graph = parser.parse_graph(
            "g (float[2, 6] x) => (y) <int64[2] s = {3, 4}> { y = Reshape(x, s) }"
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        raw = numpy_helper.from_array(np.array([3, 4], dtype=np.int64), "s")
        model.graph.initializer[0].CopyFrom(raw)
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        shape = inferred.graph.output[0].type.tensor_type.shape.dim
        assert [dim.dim_value for dim in shape] == [3, 4]

    def test_convolution(self) -> None:
        node = parser.parse_node("y = Conv <pads = [1, 1, 1, 1]> (x, w)")
        x = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
        w = np.ones((1, 1, 3, 3), dtype=np.float32)
        (found,) = ReferenceEvaluator(node).run(None, {"x": x, "w": w})
        assert found[0, 0].tolist() == [[8, 15, 12], [21, 36, 27], [20, 33, 24]]


if __name__ == "__main__":
    unittest.main()
