"""Models built in code: they are what they say, always the same, and their numbers are sound."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zport_agent.errors import ModelFileError, UnsupportedError, UsageError
from zport_zoo.__main__ import main
from zport_zoo.architectures import ARCHITECTURES, build
from zport_zoo.layers import Network
from zport_zoo.swapping import in_ours
from zport_zoo.weights import normal, uniform

onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
from onnx.reference import ReferenceEvaluator  # noqa: E402

SMALL: dict[str, dict[str, int]] = {
    "resnet8": {},
    "mobilenet-v1": {"size": 32, "percent": 25, "classes": 2},
    "unet3d": {"size": 8, "levels": 3},
    "dlrm": {"rows": 20, "batch": 2},
    "keyword-spotting": {},
    "wake-word": {},
    "autoencoder": {},
    "forest": {"rows": 3, "trees": 5, "depth": 3},
    "boosting": {"rows": 3, "trees": 5, "depth": 3},
    "linear": {"rows": 3},
}
PARAMETERS = {"resnet50": 25_610_000, "mobilenet-v1": 4_254_000, "ssd-mobilenet": 6_800_000}
"""What the networks are known to have; the last with its anchors."""


def parameters(model: Any) -> int:
    stored = model.graph.initializer
    return sum(int(np.prod(t.dims)) for t in stored if t.data_type == onnx.TensorProto.FLOAT)


@pytest.mark.parametrize(("name", "options"), SMALL.items(), ids=list(SMALL))
def test_declared_shapes_are_those_that_come_out(name: str, options: dict[str, int]) -> None:
    model = onnx.load_model_from_string(build(name, 7, options))
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    chance = np.random.default_rng(1)
    inputs = {}
    for entry in model.graph.input:
        shape = [d.dim_value for d in entry.type.tensor_type.shape.dim]
        whole = entry.type.tensor_type.elem_type == onnx.TensorProto.INT64
        values = chance.integers(0, 20, shape) if whole else chance.normal(size=shape)
        inputs[entry.name] = values if whole else values.astype(np.float32)
    outputs = ReferenceEvaluator(model).run(None, inputs)
    for entry, output in zip(model.graph.output, outputs, strict=True):
        assert list(output.shape) == [d.dim_value for d in entry.type.tensor_type.shape.dim]
        assert np.isfinite(output).all()
        assert 1e-4 < np.abs(output).max() < 100, "activations neither vanish nor explode"


@pytest.mark.parametrize("name", PARAMETERS)
def test_full_size(name: str) -> None:
    model = onnx.load_model_from_string(build(name, 7, {}))
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    assert parameters(model) == pytest.approx(PARAMETERS[name], rel=0.02)


def test_bert_has_its_shape() -> None:
    model = onnx.load_model_from_string(build("bert-large", 7, {"layers": 1, "tokens": 8}))
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    assert [entry.name for entry in model.graph.input] == ["input_ids", "input_mask", "segment_ids"]
    # One of BERT-large's layers has 12.6 million weights, its vocabulary 31.3.
    assert parameters(model) == pytest.approx(12.6e6 + 31.3e6, rel=0.01)


def test_the_same_bytes_each_time_and_others_for_another_seed() -> None:
    assert build("resnet8", 7, {}) == build("resnet8", 7, {}) != build("resnet8", 8, {})


def test_values_are_fixed_for_every_machine() -> None:
    """By their bytes: the generator, the arithmetic and the order are all given."""
    found = normal("w", (2,), 2026), uniform("w", (2,), 2026)
    assert [values.astype("<f8").tobytes().hex() for values in found] == [
        "36919902e526f3bff7f0242f9699e0bf",
        "68c2c47a0f22b03f4c59632b5177e53f",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "resnet51", "OUT", "--seed", "1"], "no architecture 'resnet51'; known are"),
        (["build", "resnet8", "OUT", "--seed", "1", "--option", "layers=2"], "its options are cla"),
        (["build", "forest", "OUT", "--seed", "1"], "missing a required argument: 'rows'"),
        (["seed", "absent.onnx", "OUT", "--seed", "1"], "absent.onnx: No such file"),
        (["swap", "absent.onnx", "OUT"], "absent.onnx: No such file"),
    ],
)
def test_what_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    out = tmp_path / "out.onnx"
    assert main([str(out) if one == "OUT" else one for one in arguments]) != 0
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("flag", [["--seed", "-1"], ["--seed", "x"], ["--option", "layers"]])
def test_flags_that_are_no_numbers(tmp_path: Path, flag: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["build", "resnet8", str(tmp_path / "out.onnx"), *flag])
    assert caught.value.code == 2


def test_every_architecture_has_a_sentence() -> None:
    assert all(function.__doc__ for function in ARCHITECTURES.values())
    with pytest.raises(UsageError):
        build("", 1, {})


def as_written_elsewhere(data: bytes) -> bytes:
    """The model as a program on a big-endian machine writes it that stores arrays as they are."""
    model = onnx.load_model_from_string(data)
    for tensor in model.graph.initializer:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        tensor.raw_data = np.frombuffer(tensor.raw_data, dtype).byteswap().tobytes()
    return bytes(model.SerializeToString(deterministic=True))


def test_a_big_endian_file_becomes_a_right_one(tmp_path: Path) -> None:
    right = build("resnet8", 7, {})
    source = tmp_path / "big.onnx"
    source.write_bytes(as_written_elsewhere(right))
    assert source.read_bytes() != right
    assert in_ours(source) == right


def test_numbers_in_attributes_are_converted_too(tmp_path: Path) -> None:
    net = Network("constant", 1)
    net.output("y", net.node("Constant", [], (2,), value=onnx.numpy_helper.from_array(
        np.array([1, 2], np.float32))))  # fmt: skip
    right = onnx.load_model_from_string(net.serialized())
    wrong = onnx.load_model_from_string(net.serialized())
    stored = wrong.graph.node[0].attribute[0].t
    stored.raw_data = np.array([1, 2], ">f4").tobytes()
    (tmp_path / "big.onnx").write_bytes(wrong.SerializeToString())
    assert onnx.load_model_from_string(in_ours(tmp_path / "big.onnx")) == right


def test_what_is_not_converted_is_refused(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(build("resnet8", 7, {}))
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    path = tmp_path / "outside.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedError, match="lie in another file"):
        in_ours(path)
    path.write_bytes(b"not a model")
    with pytest.raises(ModelFileError, match="not a whole ONNX file"):
        in_ours(path)
