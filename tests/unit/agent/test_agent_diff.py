"""Exposing, observing and locating, with onnx.reference in the place of a framework."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from zport_agent.arrays import read_npz, write_npz
from zport_agent.cli import main
from zport_agent.cli.diff import parse_ranges
from zport_agent.diff import expose as expose_module
from zport_agent.diff.evaluate import constant, exact
from zport_agent.diff.expose import make_probes, read_probes, survey
from zport_agent.diff.onnxgraph import places, read_model
from zport_agent.diff.weights import array_of
from zport_agent.errors import ModelFileError, UsageError
from zport_agent.tolerance import default_bounds

onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
reference_of = pytest.importorskip("onnx.reference")
helper, TensorProto = onnx.helper, onnx.TensorProto
FLOAT = TensorProto.FLOAT
Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def made() -> ModuleType:
    """The small models that real frameworks get wrong."""
    path = Path(__file__).resolve().parents[2] / "fixtures" / "diff" / "make_models.py"
    spec = importlib.util.spec_from_file_location("make_models", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Sides:
    """A work folder in which onnx.reference is both sides; a change makes one of them wrong."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = model
        self.survey = survey(model, folder, seed=3)
        self.inputs = read_npz(folder / "inputs.npz")

    def probes(self) -> list[Any]:
        return make_probes(self.model, self.folder, self.survey["passes"], "disabled", "probe")

    def run(self, side: str, change: Change | None = None) -> None:
        (self.folder / side).mkdir(exist_ok=True)
        for probe in self.probes():
            evaluator = reference_of.ReferenceEvaluator(str(self.folder / probe.file))
            given = {name: self.inputs[name] for name in evaluator.input_names}
            keys = {value["output"]: value["key"] for value in probe.values}
            answers = zip(evaluator.output_names, evaluator.run(None, given), strict=True)
            values = {keys[name]: np.asarray(answer) for name, answer in answers}
            changed = change(values) if change else values
            stored = {name: changed[key] for name, key in keys.items()}
            write_npz(self.folder / side / f"{probe.file}.disabled.npz", stored)

    def locate(self, *, alone: bool = False) -> dict[str, Any]:
        request = {
            "model": str(self.model), "inputs": "inputs.npz",
            "probes": json.loads((self.folder / "probe.json").read_text()), "context": [],
            "reference": None if alone else "reference", "candidate": "candidate",
            "bounds": default_bounds(),
        }  # fmt: skip
        (self.folder / "request.json").write_text(json.dumps(request))
        out = self.folder / "located.json"
        status = main(["locate", "--request", str(self.folder / "request.json"), "--out", str(out)])
        located: dict[str, Any] = json.loads(out.read_text())
        assert status == (1 if located["found"] else 0)
        return located


def save(folder: Path, nodes: list[Any], outputs: dict[str, Any], **more: Any) -> Path:
    inputs = more.pop("inputs", {"x": (FLOAT, [2, 3])})
    values = [
        [helper.make_tensor_value_info(name, *kind) for name, kind in side.items()]
        for side in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "g", *values, more.pop("weights", []))
    opset = [helper.make_opsetid("", more.pop("opset", 17))]
    path = folder / "model.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )
    return path


def changed(key: str, change: Callable[[Any], Any]) -> Change:
    return lambda values: {**values, key: change(values[key])}


def located(
    folder: Path, model: Path, candidate: Change | None, reference: Change | None = None
) -> dict[str, Any]:
    sides = Sides(folder, model)
    sides.run("reference", reference)
    sides.run("candidate", candidate)
    return sides.locate()


def test_equal_sides(tmp_path: Path, made: ModuleType) -> None:
    found = located(tmp_path, made.agreeing(tmp_path), None)
    assert found["found"] is None and found["unequal"] is None and found["flagged"] is None
    assert found["compared"] == 4


def test_a_swapped_weight_is_named(tmp_path: Path, made: ModuleType) -> None:
    model = made.external_weights(tmp_path)
    assert survey(model, tmp_path, None)["external"] == ["external_weights.bin"]
    found = located(tmp_path, model, changed("weights", lambda weights: weights.byteswap()))
    operator = found["found"]
    assert (operator["node"], operator["op_type"], operator["kind"]) == (
        "conv1", "Conv", "initializer",
    )  # fmt: skip
    assert operator["wrong"] == ["candidate"]
    assert "swapped float32" in operator["hint"]
    assert [(one["name"], one["kind"], one["equal"]) for one in operator["inputs"]] == [
        ("positive", "value", True),
        ("weights", "initializer", False),
    ]
    assert operator["domain"] == "ai.onnx" and operator["opset"] == 13


def test_a_swapped_output_is_judged_by_exact_arithmetic(tmp_path: Path, made: ModuleType) -> None:
    found = located(
        tmp_path, made.agreeing(tmp_path), changed("filtered", lambda values: values.byteswap())
    )
    assert found["found"]["wrong"] == ["candidate"]
    assert found["found"]["judge"].startswith("exact arithmetic")
    assert "swapped float32" in found["found"]["hint"]


def test_what_a_constant_stands_for(tmp_path: Path, made: ModuleType) -> None:
    """Sparse ones too, which onnx.reference cannot evaluate."""
    model = read_model(made.sparse_constant(tmp_path), external=False)
    dense = constant(model.graph.node[0], tmp_path)
    assert dense.dtype == np.float32 and dense.shape == (3, 4)
    assert {int(at): float(dense.flat[at]) for at in np.flatnonzero(dense)} == {
        1: 1.5, 4: -2.25, 11: 3.125,
    }  # fmt: skip
    for attribute, value in (("value_float", 1.5), ("value_ints", [1, 2]), ("value_string", "a")):
        node = helper.make_node("Constant", [], ["c"], **{attribute: value})
        assert constant(node, tmp_path).tolist() == value


def test_the_reference_may_be_the_one_that_is_wrong(tmp_path: Path) -> None:
    """As where a machine saturates products of 8 bits in 16."""
    weights = [
        helper.make_tensor("a", TensorProto.UINT8, [1, 2], [255, 255]),
        helper.make_tensor("b", TensorProto.INT8, [2, 1], [127, 127]),
    ]
    nodes = [helper.make_node("MatMulInteger", ["a", "b"], ["y"], name="product")]
    model = save(
        tmp_path, nodes, {"y": (TensorProto.INT32, [1, 1])}, weights=weights, inputs={}
    )  # fmt: skip
    saturated = changed("y", lambda y: np.full_like(y, 32767))
    found = located(tmp_path, model, None, saturated)["found"]
    assert found["wrong"] == ["reference"]
    assert found["exact"]["y"]["values"] == [str(2 * 255 * 127)]


def test_where_exact_arithmetic_agrees_with_neither_nobody_is_blamed(tmp_path: Path) -> None:
    """It may be the evaluator that is wrong."""
    nodes = [helper.make_node("Neg", ["x"], ["y"], name="n")]
    model = save(tmp_path, nodes, {"y": (FLOAT, [2, 3])})
    found = located(
        tmp_path, model, changed("y", lambda y: y + 1), changed("y", lambda y: y + 2)
    )["found"]  # fmt: skip
    assert found["wrong"] == [] and "agrees with neither" in found["unknown"]


@pytest.mark.parametrize("opset", [9, 13, 17])
def test_normalization_is_evaluated_as_at_inference(tmp_path: Path, opset: int) -> None:
    weights = [
        helper.make_tensor(name, FLOAT, [3], numbers)
        for name, numbers in (
            ("scale", [1, 2, 3]), ("bias", [0, 1, 0]), ("mean", [5, 5, 5]), ("variance", [1, 4, 9]),
        )
    ]  # fmt: skip
    nodes = [
        helper.make_node("BatchNormalization", ["x", "scale", "bias", "mean", "variance"], ["y"])
    ]
    model = read_model(
        save(tmp_path, nodes, {"y": (FLOAT, [2, 3])}, weights=weights, opset=opset), external=False
    )
    x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    given = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in weights} | {"x": x}
    y = exact(model, places(model)[0], given, tmp_path)["y"]
    assert y == pytest.approx((x - 5) + np.array([0, 1, 0]), abs=1e-4)


def test_the_largest_of_each_channel(tmp_path: Path) -> None:
    shape = (FLOAT, [1, 2, 4])
    nodes = [helper.make_node("GlobalMaxPool", ["x"], ["y"])]
    model = read_model(
        save(tmp_path, nodes, {"y": (FLOAT, [1, 2, 1])}, inputs={"x": shape}), external=False
    )
    x = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    assert exact(model, places(model)[0], {"x": x}, tmp_path)["y"].tolist() == [[[3], [7]]]


def test_a_difference_that_only_grows_blames_nobody(tmp_path: Path) -> None:
    """Each side answers right for what it was given, which was within the tolerance."""
    nodes = [
        helper.make_node("Neg", ["x"], ["n"], name="first"),
        helper.make_node("Exp", ["n"], ["y"], name="grows"),
    ]
    model = save(tmp_path, nodes, {"y": (FLOAT, [2, 3])})
    noisy = np.float32(1) + np.float32(9e-5)

    def noise(values: dict[str, Any]) -> dict[str, Any]:
        n = (values["n"] * 9 * noisy).astype(np.float32)
        return {"n": n, "y": np.exp(n)}

    def clean(values: dict[str, Any]) -> dict[str, Any]:
        n = (values["n"] * 9).astype(np.float32)
        return {"n": n, "y": np.exp(n)}

    sides = Sides(tmp_path, model)
    # The first operator is as wrong on both sides, so it does not differ.
    sides.run("reference", clean)
    sides.run("candidate", noise)
    found = sides.locate()
    assert found["flagged"] == 1
    assert found["found"]["node"] == "grows"
    assert (found["found"]["wrong"], found["found"]["unknown"]) == ([], None)
    assert found["unequal"]["node"] == "first"


def test_a_misread_input_is_recognized(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["x", "x"], ["y"], name="square")]
    model = save(tmp_path, nodes, {"y": (FLOAT, [2, 3])})
    sides = Sides(tmp_path, model)
    x = sides.inputs["x"]
    sides.run("reference")
    with np.errstate(all="ignore"):
        sides.run("candidate", lambda _: {"y": x.byteswap() * x.byteswap()})
    found = sides.locate()["found"]
    assert found["wrong"] == ["candidate"]
    assert found["hint"].startswith("input x was misread: looks like swapped float32")


def test_an_operator_that_is_random_is_not_judged(tmp_path: Path) -> None:
    nodes = [helper.make_node("RandomNormalLike", ["x"], ["y"], name="dice", seed=1.0)]
    model = save(tmp_path, nodes, {"y": (FLOAT, [2, 3])})
    found = located(tmp_path, model, changed("y", lambda y: y + 1))["found"]
    assert found["wrong"] == [] and "random" in found["unknown"]


def test_shape_and_dtype_differ(tmp_path: Path) -> None:
    nodes = [helper.make_node("Neg", ["x"], ["y"], name="n")]
    model = save(tmp_path, nodes, {"y": (FLOAT, [2, 3])})
    found = located(tmp_path, model, changed("y", lambda y: y.reshape(3, 2)))["found"]
    assert found["wrong"] == ["candidate"] and "shape" in found["comparison"]["reasons"][0]


def test_one_side_alone_against_exact_arithmetic(tmp_path: Path, made: ModuleType) -> None:
    sides = Sides(tmp_path, made.external_weights(tmp_path))
    sides.run("candidate")
    assert sides.locate(alone=True)["found"] is None
    sides.run("candidate", changed("filtered", lambda values: values * 2))
    found = sides.locate(alone=True)["found"]
    assert (found["node"], found["wrong"]) == ("conv1", ["candidate"])
    sides.run("candidate", changed("weights", lambda values: values.byteswap()))
    found = sides.locate(alone=True)["found"]
    assert (found["kind"], found["wrong"]) == ("initializer", ["candidate"])
    assert [(one["name"], one["equal"]) for one in found["inputs"]] == [
        ("positive", None),
        ("weights", False),
    ]
    assert found["outputs"] == []


def branches() -> list[Any]:
    then = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Abs", ["n"], ["t"], name="abs")],
        "then", [], [helper.make_tensor_value_info("t", FLOAT, [2, 3])],
    )  # fmt: skip
    other = helper.make_graph(
        [helper.make_node("Exp", ["x"], ["e"], name="exp")],
        "else", [], [helper.make_tensor_value_info("e", FLOAT, [2, 3])],
    )  # fmt: skip
    condition = helper.make_tensor("", TensorProto.BOOL, [], [True])
    return [
        helper.make_node("Constant", [], ["c"], value=condition),
        helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]


def test_values_in_branches(tmp_path: Path) -> None:
    model = save(tmp_path, branches(), {"y": (FLOAT, [2, 3])})
    operators = survey(model, tmp_path, None)["operators"]
    assert [(one["op_type"], one["scope"]) for one in operators] == [
        ("Constant", None), ("Exp", "If_1.else_branch"), ("Neg", "If_1.then_branch"),
        ("Abs", "If_1.then_branch"), ("If", None),
    ]  # fmt: skip
    key = "If_1.then_branch/t"
    found = located(tmp_path, model, changed(key, lambda t: t + 1))["found"]
    assert (found["node"], found["scope"], found["wrong"]) == (
        "abs", "If_1.then_branch", ["candidate"],
    )  # fmt: skip


def test_a_branch_that_did_not_run_gives_nothing(tmp_path: Path) -> None:
    sides = Sides(tmp_path, save(tmp_path, branches(), {"y": (FLOAT, [2, 3])}))
    seen: dict[str, Any] = {}
    sides.run("reference", lambda values: seen.update(values) or values)
    assert list(seen) == [
        "c", "If_1.else_branch/e", "If_1.then_branch/n", "If_1.then_branch/t", "y",
    ]  # fmt: skip
    assert seen["If_1.else_branch/e"].shape == (0,)
    assert seen["If_1.then_branch/n"].shape == (2, 3)


def test_a_branch_that_did_not_run_is_not_looked_at(tmp_path: Path) -> None:
    sides = Sides(tmp_path, save(tmp_path, branches(), {"y": (FLOAT, [2, 3])}))
    sides.run("candidate")
    found = sides.locate(alone=True)
    # Not exp, which is in the other branch, and not If itself, which nothing can evaluate.
    assert (found["found"], found["compared"]) == (None, 3)


def test_values_in_a_loop_are_those_of_all_iterations(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["v", "step"], ["w"], name="add"),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", FLOAT, [2, 3]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", FLOAT, [2, 3]),
        ],
    )
    weights = [
        helper.make_tensor("times", TensorProto.INT64, [], [3]),
        helper.make_tensor("begin", TensorProto.BOOL, [], [True]),
        helper.make_tensor("step", FLOAT, [], [1.0]),
    ]
    nodes = [helper.make_node("Loop", ["times", "begin", "x"], ["y"], body=body)]
    model = save(tmp_path, nodes, {"y": (FLOAT, [2, 3])}, weights=weights)
    sides = Sides(tmp_path, model)
    seen: dict[str, Any] = {}
    sides.run("reference", lambda values: seen.update(values) or values)
    # ONNX stacks the iterations' values; onnx.reference puts them one after the other.
    assert seen["Loop_0.body/w"].size == 3 * 2 * 3
    sides.run("candidate", changed("Loop_0.body/w", lambda w: w + 1))
    found = sides.locate()["found"]
    assert found["node"] == "add" and "loop" in found["unknown"]


def test_bfloat16_is_widened_and_named(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["b"], to=TensorProto.BFLOAT16),
        helper.make_node("Cast", ["b"], ["y"], to=FLOAT),
    ]
    model = save(tmp_path, nodes, {"y": (FLOAT, [2, 3])})
    [probe] = make_probes(model, tmp_path, [(0, 1)], "disabled", "p")
    assert [(value["key"], value["dtype"]) for value in probe.values] == [
        ("b", "bfloat16"),
        ("y", None),
    ]
    exposed = onnx.load(tmp_path / probe.file)
    assert [node.op_type for node in exposed.graph.node] == ["Cast", "Cast", "Cast", "Identity"]


@pytest.mark.parametrize(
    ("kind", "numbers", "dtype"),
    [("INT4", [-8, 7], "int8"), ("UINT4", [0, 15], "uint8"), ("BFLOAT16", [-2, 0.5], "float32")],
)
def test_weights_are_widened_as_probes_are(
    tmp_path: Path, kind: str, numbers: list[float], dtype: str
) -> None:
    tensor = helper.make_tensor("w", TensorProto.DataType.Value(kind), [2], numbers)
    array = array_of(tensor, tmp_path)
    assert (array.dtype.name, array.tolist()) == (dtype, numbers)


def test_weights_that_are_elsewhere_and_absent(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", FLOAT, [2], [1, 2])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="absent.bin")
    with pytest.raises(ModelFileError, match=r"the data of 'w': .*absent\.bin"):
        array_of(tensor, tmp_path)


def test_a_probe_is_cut_after_its_last_node(tmp_path: Path, made: ModuleType) -> None:
    model = made.agreeing(tmp_path)
    [probe] = make_probes(model, tmp_path, [(0, 0)], "disabled", "p")
    exposed = onnx.load(tmp_path / probe.file)
    assert [node.op_type for node in exposed.graph.node] == ["Relu", "Identity"]
    assert not exposed.graph.initializer


def test_passes(tmp_path: Path, made: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made.agreeing(tmp_path)
    assert survey(model, tmp_path, None)["passes"] == [(0, 2)]
    monkeypatch.setattr(expose_module, "PASS_NODES", 2)
    assert survey(model, tmp_path, None)["passes"] == [(0, 1), (2, 2)]
    monkeypatch.setattr(expose_module, "PASS_BYTES", 1)
    assert survey(model, tmp_path, None)["passes"] == [(0, 0), (1, 1), (2, 2)]


def test_random_inputs_are_the_seeds(tmp_path: Path) -> None:
    kinds = {
        "x": (FLOAT, [2, "n"]), "i": (TensorProto.INT64, [3]), "s": (TensorProto.STRING, [2]),
    }  # fmt: skip
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds]
    outputs = {f"{name}_out": kind for name, kind in kinds.items()}
    model = save(tmp_path, nodes, outputs, inputs=kinds)
    survey(model, tmp_path, 1)
    first = (tmp_path / "inputs.npz").read_bytes()
    arrays = read_npz(tmp_path / "inputs.npz")
    assert {name: (array.shape, array.dtype.kind) for name, array in arrays.items()} == {
        "x": ((2, 1), "f"), "i": ((3,), "i"), "s": ((2,), "U"),
    }  # fmt: skip
    survey(model, tmp_path, 1)
    assert (tmp_path / "inputs.npz").read_bytes() == first
    survey(model, tmp_path, 2)
    assert (tmp_path / "inputs.npz").read_bytes() != first


@pytest.mark.parametrize("content", [None, b"", b"not onnx", b"\x08\x07\x12"])
def test_what_is_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    model = tmp_path / "in.onnx"
    if content is not None:
        model.write_bytes(content)
    assert main(["survey", "--model", str(model), "--out", str(tmp_path)]) == 4
    assert "in.onnx" in capsys.readouterr().err
    assert not (tmp_path / "survey.json").exists()


@pytest.mark.parametrize("text", ["", "1", "a-b", "3-2", "1-2-3", "1-2,"])
def test_bad_ranges(text: str) -> None:
    with pytest.raises(UsageError, match="--nodes"):
        parse_ranges(text)
    assert parse_ranges("0-9,10-10") == [(0, 9), (10, 10)]


def test_nodes_that_the_model_has_not(tmp_path: Path, made: ModuleType) -> None:
    model = made.agreeing(tmp_path)
    with pytest.raises(UsageError, match="no node 9: it has 3, counted from 0"):
        make_probes(model, tmp_path, [(0, 9)], "disabled", "p")


@pytest.mark.parametrize("content", [None, "{"])
def test_what_is_no_list_of_probes(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "probes.json").write_text(content)
    with pytest.raises(UsageError, match=r"probes\.json: not a list of probes"):
        read_probes(tmp_path / "probes.json")


@pytest.mark.parametrize("seed", ["-1", "1.5", "x"])
def test_bad_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: str) -> None:
    with pytest.raises(SystemExit):
        main(["survey", "--model", "m.onnx", "--out", str(tmp_path), "--seed", seed])
    assert "--seed: expected a whole number from 0, found" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"reference": "a", "candidate": "b"}'])
def test_a_bad_request(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    request = tmp_path / "request.json"
    request.write_text(text)
    assert main(["locate", "--request", str(request), "--out", str(tmp_path / "o.json")]) == 2
    assert "not a request" in capsys.readouterr().err


def test_nodes_know_their_top(tmp_path: Path) -> None:
    model = read_model(save(tmp_path, branches(), {"y": (FLOAT, [2, 3])}), external=False)
    assert [place.top for place in places(model)] == [0, 1, 1, 1, 1]
