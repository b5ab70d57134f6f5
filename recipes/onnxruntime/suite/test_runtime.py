"""What a session says, what it refuses, and files that are neither models nor inputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from element_types import FLOAT, TYPES
from onnx_writer import Graph, Tensor, node, raw_content, value
from sessions import LEVELS, PROVIDERS, options

FIRST_SESSION = """
import sys
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""
COMPLEX = {"complex64": (14, "<c8"), "complex128": (15, "<c16")}


def test_the_first_session_prints_nothing(tmp_path: Path) -> None:
    """No operator is registered twice: that was said in a thousand lines."""
    path = tmp_path / "model.onnx"
    graph = Graph(
        (node("Abs", ["x"], ["y"]),), (value("x", FLOAT, [1]),), (value("y", FLOAT, [1]),)
    )
    path.write_bytes(graph.model())
    done = subprocess.run(
        [sys.executable, "-c", FIRST_SESSION, path], capture_output=True, text=True, check=True
    )
    assert "Schema error" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers_are_refused(name: str, level: str) -> None:
    """There is no kernel for them; silence would mean that they were read as something else."""
    kind, dtype = COMPLEX[name]
    stored = Tensor(kind, (2,), raw_content(np.array([1 + 2j, 3 - 4j], dtype=dtype).tobytes()))
    graph = Graph(
        nodes=(node("Identity", ["w"], ["y"]),),
        outputs=(value("y", kind, [2]),),
        initializers=(stored.encode("w"),),
    )
    with pytest.raises(Exception, match=r"complex|NOT_IMPLEMENTED|INVALID|[Tt]ype"):
        ort.InferenceSession(graph.model(), options(level), providers=PROVIDERS).run(None, {})


@pytest.mark.parametrize(
    "name", [n for n, kind in TYPES.items() if kind.shown and not kind.is_text]
)
def test_parameters_of_an_adapter(name: str, tmp_path: Path) -> None:
    """A file of parameters keeps them in little-endian order, and gives back what it was given."""
    kind, path = TYPES[name], tmp_path / "parameters.onnx_adapter"
    numbers = kind.expected(kind.numbers(6))
    adapter = ort.AdapterFormat()
    adapter.set_adapter_version(1)
    adapter.set_model_version(1)
    adapter.set_parameters({"w": ort.OrtValue.ortvalue_from_numpy(numbers)})
    adapter.export_adapter(str(path))
    assert kind.raw(kind.numbers(6)) in path.read_bytes()
    # The values are in the adapter's memory: it has to live as long as they do.
    again = ort.AdapterFormat.read_adapter(str(path))
    assert again.get_parameters()["w"].numpy().tolist() == numbers.tolist()
