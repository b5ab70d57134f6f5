"""The TensorFlow Lite backend, on an interpreter in NumPy with the real one's methods."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zport_agent.backends import Backend, TensorSpec, open_backend
from zport_agent.errors import ModelFileError, ProcessingError, UnsupportedError

from zport.agents import load_agents
from zport.recipes import load_recipe
from zport.resolve.lock import _is_unindexed
from zport.resolve.requirements import read_pins

FRESH, KEPT = b"fresh", b"kept"


class Summing:
    """Adds what it is given to what it was given before: in a variable that a call resets, or in
    one that only a new interpreter does not have."""

    def __init__(self, model_content: bytes, num_threads: int) -> None:
        if model_content == b"flex":
            raise ValueError("Select TensorFlow op(s) are not supported by this interpreter.")
        if model_content not in (FRESH, KEPT):
            raise ValueError("Model provided has model identifier 'nope'")
        assert num_threads == 2
        self.kept = model_content == KEPT
        self.shape: tuple[int, ...] = (1, 2)
        self.sum, self.allocated = 0.0, False

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{
            "name": "x", "index": 0, "dtype": np.float32, "shape": np.array(self.shape),
            "shape_signature": np.array([1, -1]),
        }]  # fmt: skip

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"name": "y", "index": 1}]

    def _get_ops_details(self) -> list[dict[str, Any]]:
        return [{"op_name": "VAR_HANDLE" if self.kept else "ADD"}]

    def resize_tensor_input(self, index: int, shape: tuple[int, ...]) -> None:
        self.shape, self.allocated = shape, False

    def allocate_tensors(self) -> None:
        if len(self.shape) < 2 or self.shape[1] > 4:
            raise RuntimeError("no memory\nfor so many")
        self.allocated = True

    def reset_all_variables(self) -> None:
        assert self.allocated
        self.sum = self.sum if self.kept else 0.0

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        assert value.dtype.isnative
        if value.shape != self.shape:
            raise ValueError(f"expected {self.shape}")
        self.x = value

    def invoke(self) -> None:
        self.sum += float(self.x.sum())

    def get_tensor(self, index: int) -> np.ndarray:
        return np.full((1, 1), self.sum, np.float32)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bytes], Backend]:
    """A backend that has loaded a model of that content."""
    package, module = types.ModuleType("tflite_runtime"), types.ModuleType("interpreter")
    package.__version__ = "2.14.1"  # type: ignore[attr-defined]
    module.Interpreter = Summing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tflite_runtime", package)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    monkeypatch.delitem(sys.modules, "zport_agent.backends.tflite", raising=False)

    def load(content: bytes) -> Backend:
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        backend = open_backend("TFLite")
        backend.load(path, 2)
        return backend

    return load


def test_what_a_model_takes(loaded: Callable[[bytes], Backend]) -> None:
    backend = loaded(FRESH)
    assert (backend.name, backend.version) == ("tflite", "2.14.1")
    assert backend.inputs() == [TensorSpec("x", "float32", (None, None))]


@pytest.mark.parametrize("content", [FRESH, KEPT])
def test_each_prediction_starts_from_the_first_state(
    loaded: Callable[[bytes], Backend], content: bytes
) -> None:
    backend = loaded(content)
    for _ in range(2):
        answer = backend.predict({"x": np.array([[1, 2]], ">f4")})
        np.testing.assert_array_equal(answer["y"], [[3]])


@pytest.mark.parametrize("content", [FRESH, KEPT])
def test_a_longer_first_axis_is_a_stream(
    loaded: Callable[[bytes], Backend], content: bytes
) -> None:
    steps = np.array([[1, 2, 3], [4, 5, 6], [0, 0, 1]], "<f4")
    answer = loaded(content).predict({"x": steps})
    np.testing.assert_array_equal(answer["y"], [[6], [21], [22]])


def test_refused_inputs_leave_a_usable_model(loaded: Callable[[bytes], Backend]) -> None:
    backend = loaded(KEPT)
    with pytest.raises(ProcessingError, match="refused the inputs: no memory for so many"):
        backend.predict({"x": np.zeros((1, 5), np.float32)})
    assert [spec.name for spec in backend.inputs()] == ["x"]
    np.testing.assert_array_equal(backend.predict({"x": np.ones((1, 2), np.float32)})["y"], [[2]])


def test_a_scalar_is_no_stream(loaded: Callable[[bytes], Backend]) -> None:
    with pytest.raises(ProcessingError, match="refused the inputs"):
        loaded(FRESH).predict({"x": np.float32(1)})


class Counting(Summing):
    """It takes a number beside the stream, and says how often it ran as a number."""

    def get_input_details(self) -> list[dict[str, Any]]:
        by = {"name": "by", "index": 1, "dtype": np.float32, "shape": np.array([], int),
              "shape_signature": np.array([], int)}  # fmt: skip
        return [*super().get_input_details(), by]

    def get_tensor(self, index: int) -> np.ndarray:
        return np.array(self.sum, np.float32)


def test_a_stream_beside_a_scalar(
    loaded: Callable[[bytes], Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["tflite_runtime.interpreter"], "Interpreter", Counting)
    given = {"x": np.ones((3, 2), np.float32), "by": np.array(1, np.float32)}
    with pytest.raises(ProcessingError, match=r"a stream has one length for all inputs.*\[1, 3\]"):
        loaded(FRESH).predict(given)


class Numbering(Summing):
    """Its answer is a number without a dimension."""

    def get_tensor(self, index: int) -> np.ndarray:
        return np.array(self.sum, np.float32)


def test_answers_without_a_dimension_of_a_stream(
    loaded: Callable[[bytes], Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["tflite_runtime.interpreter"], "Interpreter", Numbering)
    answer = loaded(FRESH).predict({"x": np.array([[1, 2], [3, 4]], "<f4")})
    np.testing.assert_array_equal(answer["y"], [3, 10])


class Reading(Summing):
    """It takes texts."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{**super().get_input_details()[0], "dtype": np.bytes_}]


def test_texts(loaded: Callable[[bytes], Backend], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["tflite_runtime.interpreter"], "Interpreter", Reading)
    assert loaded(FRESH).inputs() == [TensorSpec("x", "str", (None, None))]


def test_files_that_cannot_be_loaded(loaded: Callable[[bytes], Backend], tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"model\.tflite: .* cannot read this file"):
        loaded(b"nope")
    with pytest.raises(UnsupportedError, match="cannot run this model: Select TensorFlow"):
        loaded(b"flex")
    backend = loaded(FRESH)
    with pytest.raises(ModelFileError, match=r"absent\.tflite: cannot be read: No such file"):
        backend.load(tmp_path / "absent.tflite", 2)


def test_the_lock_pins_our_own_runtime_by_its_source() -> None:
    agent, recipe = load_agents("tflite")[0], load_recipe("tflite-runtime")
    pin = next(pin for pin in read_pins(agent.lock) if pin.name == recipe.name)
    assert (pin.version, pin.hashes) == (recipe.version, frozenset([recipe.source.sha256]))
    assert _is_unindexed(f"{recipe.name}=={recipe.version}")
    assert not _is_unindexed(f"{recipe.name}==2.14.0")
    assert not _is_unindexed("mlcommons-loadgen==6.0.17")
    assert not _is_unindexed("numpy")
