"""A small model folder and a backend in NumPy, so the agent's own code runs without a framework."""

import hashlib
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "agent"))

from zport_agent import backends  # noqa: E402

PREPROCESS = """\
import numpy as np

def preprocess(ctx, data):
    return np.load(data)
"""

POSTPROCESS = """\
import json

def postprocess(ctx, data):
    return [json.dumps({"sum": float(data[0].sum())})]
"""

GRAPH = b"weights of a model that doubles\n"


class Doubler:
    """y = 2x, float32 of any length; refuses what a real framework would misread."""

    name = "numpy"
    version = np.__version__

    def load(self, path: Path, threads: int) -> None:
        assert path.read_bytes() == GRAPH
        assert threads >= 1

    def inputs(self) -> list[backends.TensorSpec]:
        return [backends.TensorSpec("x", "float32", (None,))]

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "y": (2 * inputs["x"]).astype(np.float32),
            "n": np.array(inputs["x"].size, np.int64),
        }


@pytest.fixture
def document() -> dict[str, Any]:
    """A whole manifest as data, to be changed by a test."""
    return {
        "name": "doubler",
        "version": "1.0",
        "framework": {"name": "numpy", "version": ">=1"},
        "inputs": [{"type": "vector", "element_type": "float32"}],
        "outputs": [{"type": "vector", "element_type": "float32"}],
        "preprocess": PREPROCESS,
        "postprocess": POSTPROCESS,
        "model": {
            "base_url": "https://example.org/models",
            "graph_path": "folder/graph.bin",
            "graph_checksum": f"sha256:{hashlib.sha256(GRAPH).hexdigest()}",
        },
        "zport": {"weights": "trained", "byte_order": "little", "inputs": ["a.npy", "b.npy"]},
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes a document (or text) as ``manifest.yml`` of a model folder with two inputs."""

    def write_document(document: Any) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        text = document if isinstance(document, str) else yaml.safe_dump(document)
        (folder / "manifest.yml").write_text(text, encoding="utf-8")
        # One input in each byte order: the answers must not tell them apart.
        np.save(folder / "a.npy", np.array([1, 2, 3], dtype="<f4"))
        np.save(folder / "b.npy", np.array([4, 5], dtype=">f4"))
        return folder

    return write_document


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder of fetched model files."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "graph.bin").write_bytes(GRAPH)
    return folder


@pytest.fixture(autouse=True)
def doubler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes ``framework.name: numpy`` known to the agent."""
    module = types.ModuleType("doubler_backend")
    module.Doubler = Doubler  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "doubler_backend", module)
    monkeypatch.setitem(backends.BACKENDS, "numpy", "doubler_backend:Doubler")
