"""Models of TensorFlow's: what is made of them, and what runs it where TensorFlow is not."""

import sys
import types
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from zport_agent.backends import TensorSpec, open_backend
from zport_agent.backends import tensorflow as backend
from zport_agent.errors import ManifestError, ModelFileError, UnsupportedError
from zport_agent.files import check_files
from zport_agent.manifest import load_manifest
from zport_zoo import converting
from zport_zoo.__main__ import main

from zport.models import MODELS, load_model, model_names, preparation


class Doubling:
    """A runtime that ends the names of tensors as TensorFlow does."""

    name = "doubling"
    version = "1"

    def load(self, path: Path, threads: int) -> None:
        self.path = path

    def inputs(self) -> list[TensorSpec]:
        return [TensorSpec("x:0", "float32", (1,))]

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"z:0": inputs["x:0"] * 2, "a:0": inputs["x:0"]}


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> backend.TensorFlow:
    """The backend as it is where TensorFlow is not and both runtimes are."""
    module = types.ModuleType("doubling")
    module.Doubling = Doubling  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "doubling", module)
    monkeypatch.setattr(backend, "WHOLE", "no_such_module")
    monkeypatch.setattr(backend, "CONVERTED", dict.fromkeys(backend.CONVERTED, "doubling:Doubling"))
    monkeypatch.setattr(backend, "version", lambda name: "1")
    return backend.TensorFlow()


def test_the_converted_file_beside_the_graph_is_run(
    runtime: backend.TensorFlow, tmp_path: Path
) -> None:
    (tmp_path / "net.tflite").write_bytes(b"net")
    runtime.load(tmp_path / "net.pb", 1)
    assert runtime._runtime.path == tmp_path / "net.tflite"
    assert runtime.inputs() == [TensorSpec("x", "float32", (1,))]
    outputs = runtime.predict({"x": np.ones(1, np.float32)})
    assert [(name, float(value[0])) for name, value in outputs.items()] == [("a", 1), ("z", 2)]


@pytest.mark.parametrize("endings", [(), (".tflite", ".onnx")])
def test_it_has_to_be_one(
    runtime: backend.TensorFlow, tmp_path: Path, endings: tuple[str, ...]
) -> None:
    for ending in endings:
        (tmp_path / f"net{ending}").write_bytes(b"net")
    with pytest.raises(ModelFileError, match=rf"(?s)there are {len(endings)} of .*zport\.convert"):
        runtime.load(tmp_path / "net.pb", 1)


def test_without_a_runtime_there_is_no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(backend, "WHOLE", "no_such_module")
    monkeypatch.setattr(backend, "version", version)
    with pytest.raises(UnsupportedError, match="'tensorflow' cannot be imported here"):
        open_backend("tensorflow")


class Planner:
    """Keeps what a step is asked to do, and whose image it is made in."""

    host = "host"

    def agent(self, agent: Any, target: str) -> types.SimpleNamespace:
        return types.SimpleNamespace(step=f"{agent.name} on {target}")

    def model_preparation(
        self, name: str, framework: str, sources: Any, arguments: list[str], tools: str
    ) -> "Planner":
        self.asked = framework, [one.path for one in sources], " ".join(arguments), tools
        return self


def test_a_saved_model_is_converted_in_its_own_agents_image() -> None:
    planner: Any = Planner()
    preparation(load_model(MODELS / "basic-pitch-saved"), planner)
    names = ("saved_model.pb", "variables.data-00000-of-00001", "variables.index")
    assert planner.asked == (
        "tensorflow",
        [f"source/{name}" for name in names],
        "convert /source/saved_model.pb /model/saved_model.tflite",
        "tensorflow on host",
    )


def test_models_in_both_formats_differ_in_the_format_alone() -> None:
    twins = [name for name in model_names() if f"{name}-onnx" in model_names()]
    of_tensorflow = [
        name for name in twins if load_model(MODELS / name).manifest.framework.name == "tensorflow"
    ]
    assert len(of_tensorflow) >= 3
    for name in of_tensorflow:
        lite, onnx = (load_model(MODELS / one).manifest for one in (name, f"{name}-onnx"))
        assert (lite.extension().convert, onnx.extension().convert) == ("tflite", "onnx")
        assert lite.model == onnx.model
        assert (lite.preprocess, lite.postprocess) == (onnx.preprocess, onnx.postprocess)


def test_the_graph_stays_as_it_was_fetched(tmp_path: Path) -> None:
    manifest = load_manifest(MODELS / "facial-expression")
    graph = tmp_path / "emotion_model.hdf5"
    graph.write_bytes(b"something else")
    with pytest.raises(ModelFileError, match="pins 59534287"):
        check_files(manifest, tmp_path)


@pytest.mark.parametrize("own", [{"byte_order": "big"}, {"weights": "seeded", "seed": 1}])
def test_what_is_seeded_or_swapped_is_not_converted(tmp_path: Path, own: dict[str, Any]) -> None:
    document = yaml.safe_load((MODELS / "nudity" / "manifest.yml").read_text())
    document["zport"] |= own
    (tmp_path / "manifest.yml").write_text(yaml.safe_dump(document))
    with pytest.raises(ManifestError, match=r"no 'zport\.convert' with"):
        load_manifest(tmp_path)


def test_counters_in_names_leave_no_trace() -> None:
    onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")

    def model(count: int) -> Any:
        helper, kind = onnx.helper, onnx.TensorProto.FLOAT
        nodes = [
            helper.make_node("Add", ["x:0", f"w__{count}"], [f"sum__{count}"], f"Add__{count}"),
            helper.make_node("Clip", [f"sum__{count}", "", f"b__{count}"], ["y:0"], "clip"),
        ]
        weights = [
            onnx.numpy_helper.from_array(np.float32(value), f"{name}__{count}")
            for name, value in (("b", 2), ("w", 1))
        ]
        ends = [helper.make_tensor_value_info(name, kind, [1]) for name in ("x:0", "y:0")]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights[:: 1 if count else -1])
        return converting._numbered(helper.make_model(graph))

    first, second = model(0), model(41)
    assert first.SerializeToString() == second.SerializeToString()
    onnx.checker.check_model(first)
    assert [list(node.input) for node in first.graph.node][1][1] == ""
    assert [one.name for one in first.graph.output] == ["y:0"]


def test_an_operator_with_a_graph_of_its_own_is_refused() -> None:
    """Its graph uses the outer one's values by name, which would be another one's afterwards."""
    onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
    helper, kind = onnx.helper, onnx.TensorProto
    ends = [helper.make_tensor_value_info(name, kind.FLOAT, [1]) for name in ("x", "y", "z")]
    branch = helper.make_graph([helper.make_node("Neg", ["sum"], ["z"])], "b", [], ends[2:])
    nodes = [
        helper.make_node("Add", ["x", "x"], ["sum"], "add"),
        helper.make_node("If", ["c"], ["y"], "cond", then_branch=branch, else_branch=branch),
    ]
    condition = helper.make_tensor_value_info("c", kind.BOOL, [])
    graph = helper.make_graph(nodes, "g", [ends[0], condition], [ends[1]])
    with pytest.raises(ValueError, match="operator If cond has a graph of its own"):
        converting._numbered(helper.make_model(graph))


def test_another_ending_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["convert", "net.pb", "net.caffemodel"])
    assert "expected a name with .tflite or .onnx" in capsys.readouterr().err
