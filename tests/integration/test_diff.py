"""zport diff for real: images of two machines, models that one of them is known to get wrong."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import AGENT, ROOT

PATIENCE = 1800
DIFFERS = 11


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small models of the fixtures, written."""
    pytest.importorskip("onnx", reason="the onnx package is not installed")
    path = ROOT / "tests" / "fixtures" / "diff" / "make_models.py"
    spec = importlib.util.spec_from_file_location("make_models", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("models")
    for make in module.MODELS.values():
        make(folder)
    return folder


def diff(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``zport diff`` as a user does; skips where nothing can be built."""
    if os.geteuid() != 0:
        pytest.skip("Buildah and binfmt need root")
    return subprocess.run(
        [sys.executable, "-m", "zport", "diff", *arguments, "--engine", "buildah"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def record_of(model: Path, status: int) -> dict[str, Any]:
    """What is found of a model with Debian's ONNX Runtime, s390x against amd64."""
    done = diff(str(model), "--agent", AGENT, "--json")
    assert done.returncode == status, done.stdout[-2000:] + done.stderr[-2000:]
    record: dict[str, Any] = json.loads(done.stdout)
    assert record["emulated"] == {"reference": False, "candidate": True}
    return record


@pytest.mark.parametrize(
    ("name", "node", "op_type", "kind"),
    [
        ("external_weights", "conv1", "Conv", "initializer"),
        ("sparse_weights", "product", "MatMul", "initializer"),
        ("sparse_constant", "table", "Constant", "output"),
    ],
)
def test_numbers_of_the_other_byte_order_are_found(
    models: Path, name: str, node: str, op_type: str, kind: str
) -> None:
    record = record_of(models / f"{name}.onnx", DIFFERS)
    operator = record["operator"]
    assert (operator["node"], operator["op_type"], operator["kind"]) == (node, op_type, kind)
    assert operator["wrong"] == ["candidate"]
    assert "swapped float32" in operator["hint"]
    assert record["only_optimized"] is False


def test_what_only_the_optimizer_does_is_found(models: Path) -> None:
    record = record_of(models / "merged_constants.onnx", DIFFERS)
    assert record["only_optimized"] is True
    assert record["levels"]["disabled"]["verdict"] == "pass"
    assert record["operator"] is None or record["operator"]["wrong"] == ["candidate"]


def test_a_model_that_both_get_right(models: Path) -> None:
    record = record_of(models / "agreeing.onnx", 0)
    assert (record["verdict"], record["operator"]) == ("pass", None)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not onnx")
    done = diff(str(path), "--agent", AGENT)
    assert done.returncode == 9
    assert "not a whole ONNX file" in done.stderr and "Traceback" not in done.stderr
