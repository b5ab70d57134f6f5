"""One run: what it writes, in which byte order, and how each failure is told."""

import ast
import hashlib
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zport_agent.cli import main

GRAPH = b"weights of a model that doubles\n"

Document = dict[str, Any]
Write = Callable[[Any], Path]


class Predict:
    """Runs the verb on a document; keeps the exit code, the message and the folder written to."""

    def __init__(self, write: Write, files: Path, out: Path, capsys: Any) -> None:
        self.files, self.out = files, out
        self._write, self._capsys = write, capsys

    def __call__(self, document: Document, *more: str) -> tuple[int, str]:
        model = self._write(document)
        return self.folder(model, *more)

    def folder(self, model: Path, *more: str) -> tuple[int, str]:
        folders = ["--model", str(model), "--files", str(self.files), "--out", str(self.out)]
        code = main(["predict", *folders, *more])
        return code, self._capsys.readouterr().err

    def written(self) -> list[str]:
        return sorted(path.name for path in self.out.iterdir())


@pytest.fixture
def predict(
    write: Write, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Predict:
    return Predict(write, files, tmp_path / "out", capsys)


def test_outputs_and_result(predict: Predict, document: Document) -> None:
    assert predict(document) == (0, "")
    with np.load(predict.out / "outputs.npz") as outputs:
        assert outputs["0/y"].tolist() == [2, 4, 6]
        assert outputs["1/y"].tolist() == [8, 10]
        assert outputs["1/n"].shape == () and outputs["1/n"] == 2
    result = json.loads((predict.out / "result.json").read_text())
    assert result["features"] == [[{"sum": 12.0}], [{"sum": 18.0}]]
    assert set(result["seconds"]) == {"load", "preprocess", "predict", "postprocess"}
    assert result["model"]["files"][0]["pinned"] is True
    assert result["info"]["framework"]["name"] == "numpy"
    assert predict.written() == ["outputs.npz", "result.json"]


def header(archive: zipfile.ZipFile, member: str) -> str:
    """The dtype an .npy header in an archive states, in its own words."""
    with archive.open(member) as stream:
        text = stream.read(128)[10:].decode("latin-1")
    return str(ast.literal_eval(text[: text.index("}") + 1])["descr"])


def test_byte_order_is_stated_and_little(predict: Predict, document: Document) -> None:
    assert predict(document) == (0, "")
    with zipfile.ZipFile(predict.out / "outputs.npz") as archive:
        assert header(archive, "0/y.npy") == header(archive, "1/y.npy") == "<f4"
        assert header(archive, "1/n.npy") == "<i8"
        assert archive.read("1/y.npy")[-8:] == bytes.fromhex("00000041 00002041")
    result = json.loads((predict.out / "result.json").read_text())
    assert {entry["dtype"] for entry in result["inputs"]} == {"<f4"}
    # 4.0f and 5.0f in little-endian, though the file they came from is big-endian.
    little = bytes.fromhex("00008040 0000a040")
    assert result["inputs"][1]["sha256"] == hashlib.sha256(little).hexdigest()


def test_the_same_run_gives_the_same_bytes(predict: Predict, document: Document) -> None:
    assert predict(document) == (0, "")
    first = (predict.out / "outputs.npz").read_bytes()
    assert predict(document) == (0, "")
    assert (predict.out / "outputs.npz").read_bytes() == first


PRE = "import numpy as np\ndef preprocess(ctx, data):\n"


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        ("preprocess", PRE + "    raise KeyError('colour')\n", "raised KeyError: 'colour'"),
        ("preprocess", PRE + "    raise SystemExit(3)\n", "raised SystemExit: 3"),
        ("preprocess", "def preprocess(ctx, data)\n", "preprocess raised SyntaxError"),
        ("preprocess", "import no_such_module\n", "raised ModuleNotFoundError"),
        ("preprocess", "x = 1\n", "defines no preprocess(ctx, data)"),
        ("preprocess", PRE + "    return 'text'\n", "gave a str; expected a NumPy array"),
        ("preprocess", PRE + "    return (np.zeros(1), np.zeros(1))\n", "gave 2 arrays"),
        ("preprocess", PRE + "    return {'z': np.zeros(1)}\n", "gave z; the model takes x"),
        ("preprocess", PRE + "    return np.zeros(2)\n", "'x' as float64[2]; the model takes"),
        ("preprocess", PRE + "    return np.zeros((2, 2), '<f4')\n", "'x' as float32[2, 2]"),
        ("postprocess", "def postprocess(ctx, data):\n    return 1 / 0\n", "ZeroDivisionError"),
        ("postprocess", "def postprocess(ctx, data):\n    return 'x'\n", "expected a list of JSON"),
        ("postprocess", "def postprocess(ctx, data):\n    return ['{']\n", "what is not JSON"),
        (
            "postprocess",
            "def postprocess(ctx, data):\n    return [float('nan')]\n",
            "what is not JSON",
        ),
    ],
)
def test_the_manifests_python_fails(
    predict: Predict, document: Document, step: str, text: str, expected: str
) -> None:
    document[step] = text
    code, message = predict(document)
    assert code == 5
    assert expected in message and "manifest.yml" in message
    assert message.count("\n") == 1
    assert predict.written() == []


def test_lines_are_those_of_the_manifest(
    predict: Predict, write: Write, document: Document
) -> None:
    del document["preprocess"]
    model = write(document)
    with (model / "manifest.yml").open("a") as file:
        file.write("preprocess: |\n  import json\n  def preprocess(ctx, data):\n")
        file.write("      return json.loads('{')\n")
    last = len((model / "manifest.yml").read_text().splitlines())
    code, message = predict.folder(model)
    assert code == 5
    assert f"manifest.yml, line {last}: preprocess raised" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"weights of", "pins"), (b"", "is empty"), (None, "No such file")],
)
def test_model_file(
    predict: Predict, document: Document, content: bytes | None, expected: str
) -> None:
    if content is None:
        (predict.files / "graph.bin").unlink()
    else:
        (predict.files / "graph.bin").write_bytes(content)
    code, message = predict(document)
    assert code == 4
    assert expected in message and "graph.bin" in message


def test_an_md5_pin_is_checked(predict: Predict, document: Document) -> None:
    document["model"]["graph_checksum"] = "0" * 32
    assert predict(document)[0] == 4
    document["model"]["graph_checksum"] = hashlib.md5(GRAPH).hexdigest()
    assert predict(document)[0] == 0


@pytest.mark.parametrize(
    ("change", "code", "expected"),
    [
        ({"framework": {"name": "paddle"}}, 6, "'paddle' has no backend"),
        ({"preprocess": ""}, 3, "preprocess: missing"),
        ({"zport": {"weights": "trained", "inputs": ["c.npy"]}}, 3, "zport.inputs[0]: expected"),
        ({"zport": None}, 3, "zport: missing"),
    ],
)
def test_exit_codes(
    predict: Predict, document: Document, change: Document, code: int, expected: str
) -> None:
    found, message = predict(document | change)
    assert found == code
    assert expected in message


def test_an_absent_framework(
    predict: Predict, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zport_agent.backends.onnxruntime", None)
    document["framework"]["name"] = "ONNXRuntime"
    code, message = predict(document)
    assert code == 6
    assert "cannot be imported here" in message


def test_a_failed_run_leaves_no_older_result(predict: Predict, document: Document) -> None:
    assert predict(document)[0] == 0
    (predict.files / "graph.bin").write_bytes(b"other")
    assert predict(document)[0] == 4
    assert predict.written() == []


def test_out_is_a_file(predict: Predict, document: Document) -> None:
    predict.out.write_text("")
    code, message = predict(document)
    assert code == 2
    assert "name a folder" in message


@pytest.mark.parametrize("threads", ["0", "-1", "two"])
def test_threads(predict: Predict, document: Document, threads: str) -> None:
    with pytest.raises(SystemExit) as caught:
        predict(document, "--threads", threads)
    assert caught.value.code == 2
