"""With real ONNX files: the ONNX Runtime backend and the seeding of weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zport_agent.backends import open_backend
from zport_agent.errors import ModelFileError, ProcessingError, UnsupportedError
from zport_zoo.__main__ import main as zoo_main
from zport_zoo.seeding import seed_weights

onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
helper = onnx.helper


def value(name: str, *shape: int) -> Any:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], **more: Any) -> Path:
    graph = helper.make_graph(nodes, "g", inputs, outputs, more.pop("initializer", []))
    opset = helper.make_opsetid("", more.pop("opset", 13))
    model = helper.make_model(graph, opset_imports=[opset], ir_version=more.pop("ir", 7))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def light(tmp_path: Path) -> Path:
    """Convolution, normalization, shortcut and classifier, their weights constants."""
    shapes = {
        "w": (4, 4, 3, 3),
        "s": (4,),
        "b": (4,),
        "m": (4,),
        "v": (4,),
        "k": (10, 4),
        "d": (10,),
    }
    sizes = [
        helper.make_tensor(f"{name}_shape", onnx.TensorProto.INT64, [len(shape)], shape)
        for name, shape in shapes.items()
    ]
    nodes = [helper.make_node("ConstantOfShape", [f"{name}_shape"], [name]) for name in shapes]
    nodes += [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        helper.make_node("Add", ["x", "n"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "k", "d"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"]),
    ]
    inputs = [value("x", 1, 4, 8, 8)]
    inputs += [
        helper.make_tensor_value_info(size.name, onnx.TensorProto.INT64, size.dims)
        for size in sizes
    ]
    path = tmp_path / "light.onnx"
    return save(path, nodes, inputs, [value("y", 1, 10)], initializer=sizes, ir=3, opset=9)


def test_seeding_is_repeatable_and_complete(light: Path) -> None:
    first = seed_weights(light, 2026)
    assert first == seed_weights(light, 2026) != seed_weights(light, 2027)
    model = onnx.load_model_from_string(first)
    onnx.checker.check_model(model)
    assert not any(node.op_type == "ConstantOfShape" for node in model.graph.node)
    assert [entry.name for entry in model.graph.input] == ["x"]
    assert {tensor.name for tensor in model.graph.initializer} == set("wsbmvkd")


def test_seeded_values(light: Path) -> None:
    model = onnx.load_model_from_string(seed_weights(light, 2026))
    raw = {tensor.name: tensor.raw_data for tensor in model.graph.initializer}
    weights = {name: np.frombuffer(data, "<f4") for name, data in raw.items()}
    assert weights["w"].std() == pytest.approx((2 / 36) ** 0.5, rel=0.15)
    assert abs(weights["w"].mean()) < 0.08
    assert weights["s"] == pytest.approx(0.5, abs=0.18)
    assert weights["v"] == pytest.approx(1.0, abs=0.35)
    assert np.abs(weights["k"]).max() < 0.04
    # Fixed for every machine: the generator, the arithmetic and the byte order are.
    assert raw["w"][:8].hex() == "f27390bec868fabd"


@pytest.mark.parametrize("content", [None, b"", b"not onnx", b"\x08\x07\x12"])
def test_seeding_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    source = tmp_path / "in.onnx"
    if content is not None:
        source.write_bytes(content)
    assert zoo_main(["seed", str(source), str(tmp_path / "out.onnx"), "--seed", "1"]) == 4
    assert "in.onnx" in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()


def test_seeding_an_unknown_use(tmp_path: Path) -> None:
    size = helper.make_tensor("n", onnx.TensorProto.INT64, [1], [4])
    nodes = [
        helper.make_node("ConstantOfShape", ["n"], ["w"]),
        helper.make_node("Pow", ["x", "w"], ["y"]),
    ]
    source = save(tmp_path / "a.onnx", nodes, [value("x", 4)], [value("y", 4)], initializer=[size])
    with pytest.raises(UnsupportedError, match="input 1 of Pow"):
        seed_weights(source, 1)


@pytest.fixture
def backend() -> Any:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    return open_backend("ONNXRuntime")


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    return save(tmp_path / "double.onnx", nodes, [value("x", 2)], [value("y", 2)])


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_either_byte_order_is_read_right(backend: Any, doubling: Path, dtype: str) -> None:
    backend.load(doubling, threads=1)
    assert [(s.name, s.dtype, s.shape) for s in backend.inputs()] == [("x", "float32", (2,))]
    outputs = backend.predict({"x": np.array([1, 3], dtype)})
    assert outputs["y"].tolist() == [2, 6]


def test_a_cut_short_model(backend: Any, doubling: Path) -> None:
    doubling.write_bytes(doubling.read_bytes()[:40])
    with pytest.raises(ModelFileError, match=r"double.onnx: ONNX Runtime .* cannot read"):
        backend.load(doubling, threads=1)


def test_wrong_inputs(backend: Any, doubling: Path) -> None:
    backend.load(doubling, threads=1)
    with pytest.raises(ProcessingError, match="refused the inputs"):
        backend.predict({"x": np.zeros(3, np.float32)})


@pytest.mark.parametrize("what", [{"op": "NoSuchOperator"}, {"opset": 99}])
def test_an_unsupported_model(backend: Any, tmp_path: Path, what: dict[str, Any]) -> None:
    nodes = [helper.make_node(what.get("op", "Neg"), ["x"], ["y"])]
    opset = what.get("opset", 13)
    path = save(tmp_path / "a.onnx", nodes, [value("x", 2)], [value("y", 2)], opset=opset)
    with pytest.raises(UnsupportedError, match="cannot run this model"):
        backend.load(path, threads=1)
