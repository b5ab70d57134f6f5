"""What surrounds PyTorch's files and profile; no PyTorch here (tests/integration has it)."""

import sys
from pathlib import Path
from typing import Any

import pytest
from zport_agent.backends import OperatorRun
from zport_agent.pytorch.operators import operators
from zport_zoo.__main__ import main
from zport_zoo.torchfiles import FORMATS


class Event:
    """What Kineto's events answer."""

    def __init__(self, **answers: Any) -> None:
        for name, answer in answers.items():
            setattr(self, name, lambda answer=answer: answer)


def test_operators_of_a_profile() -> None:
    event = Event(
        name="aten::conv1d", start_ns=1_700_000_000_000_000_123, duration_ns=45,
        dtypes=["float", "float", "ScalarList", "Scalar", ""],
        shapes=[[1, 3, 8], [4, 3, 3], [], [], []],
    )  # fmt: skip
    told = {"zport.inputs": ["float[1,3,8]", "float[4,3,3]"]}
    expected = OperatorRun("aten::conv1d", "aten::conv1d", 1_700_000_000_000_000_123, 45, told)
    assert list(operators([event])) == [expected]


@pytest.mark.parametrize("ending", FORMATS)
def test_making_a_file_without_pytorch(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="the onnx package is not installed")
    monkeypatch.setitem(sys.modules, "torch", None)
    out = tmp_path / f"net{ending}"
    assert main(["build", "autoencoder", str(out), "--seed", "7"]) == 6
    assert "making PyTorch's files needs PyTorch" in capsys.readouterr().err
    assert not out.exists()
