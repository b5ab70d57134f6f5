"""One model over HTTP: the Open Inference Protocol's paths, tensors and errors, and its health."""

import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Doubler
from zport_agent import oip
from zport_agent.cli import main
from zport_agent.errors import UnsupportedError
from zport_agent.http_server import ModelServer
from zport_agent.pipeline import Job

DOUBLE = {"name": "x", "datatype": "FP32", "shape": [3], "data": [1, 2, 3.5]}


class Client:
    """Asks a running server; every request on one connection."""

    def __init__(self, server: ModelServer) -> None:
        self.port = server.server_port
        self.connection = HTTPConnection("127.0.0.1", self.port, timeout=10)

    def __call__(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        text = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        self.connection.request("POST" if text is not None else "GET", path, text, headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def infer(self, *inputs: Any, **more: Any) -> tuple[int, Any]:
        return self("/v2/models/doubler/infer", {"inputs": list(inputs), **more})


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(0) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def job(write: Callable[[Any], Path], document: dict[str, Any], files: Path) -> Job:
    return Job(write(document), files, Path())


@pytest.fixture
def ask(server: ModelServer, job: Job) -> Client:
    server.load(job)
    return Client(server)


def test_it_lives_before_it_is_ready(server: ModelServer, job: Job) -> None:
    ask = Client(server)
    assert ask("/v2/health/live") == (200, {"live": True})
    assert ask("/v2/health/ready") == (503, {"ready": False})
    assert ask("/v2/models/doubler") == (503, {"error": "the model is being loaded"})
    server.load(job)
    assert ask("/v2/health/ready") == (200, {"ready": True})
    assert ask("/v2/models/doubler/ready") == (200, {"name": "doubler", "ready": True})


def test_metadata(ask: Client) -> None:
    assert ask("/v2")[1]["extensions"] == []
    expected = {
        "name": "doubler",
        "versions": ["1.0"],
        "platform": "numpy",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [-1]},
            {"name": "n", "datatype": "INT64", "shape": []},
        ],
    }
    assert ask("/v2/models/doubler") == ask("/v2/models/doubler/versions/1.0") == (200, expected)


def test_inference(ask: Client) -> None:
    status, answer = ask.infer(DOUBLE, id="7")
    assert status == 200
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("doubler", "1.0", "7")
    assert answer["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [3], "data": [2, 4, 7]},
        {"name": "n", "datatype": "INT64", "shape": [], "data": [3]},
    ]
    status, answer = ask.infer(DOUBLE, outputs=[{"name": "n"}])
    assert [one["name"] for one in answer["outputs"]] == ["n"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "z"}, "inputs: expected x, found z"),
        ({"datatype": "FP33"}, "inputs.x: datatype: expected one of"),
        ({"datatype": "FP64"}, "inputs.x: expected datatype FP32, found FP64"),
        ({"shape": [4]}, "inputs.x: data: cannot reshape"),
        ({"shape": [-1]}, "inputs.x: shape:"),
        ({"shape": 3}, "inputs.x: shape:"),
        ({"data": ["a", "b", "c"]}, "inputs.x: data: not what FP32 holds"),
        ({"data": [[1], [2, 3]]}, "inputs.x: data:"),
        ({"data": None}, "inputs.x: data:"),
        ({"datatype": "INT64"}, "inputs.x: data: not what INT64 holds"),
        ({"datatype": "INT8", "data": [1, 2, 300]}, "inputs.x: data: a number does not fit INT8"),
        ({"datatype": "UINT8", "data": [1, 2, -3]}, "inputs.x: data: a number does not fit"),
        ({"datatype": "BOOL"}, "inputs.x: data: not what BOOL holds"),
    ],
)
def test_a_tensor_that_does_not_fit_is_told(ask: Client, change: Any, told: str) -> None:
    status, answer = ask.infer(DOUBLE | change)
    assert status == 400
    assert answer["error"].startswith(told), answer


def test_requests_that_cannot_be_read(ask: Client) -> None:
    path = "/v2/models/doubler/infer"
    for body, told in [("{", "not JSON"), ("[" * 100000, "not JSON"), ("[]", "inputs: expected"),
                       ('{"inputs": [1]}', "inputs: expected a list")]:  # fmt: skip
        status, answer = ask(path, body)
        assert status == 400
        assert told in answer["error"]
    status, answer = ask(path, "{}" + "\0" * 4, **{"Inference-Header-Content-Length": "2"})
    assert (status, "binary" in answer["error"]) == (400, True)
    assert ask.infer(DOUBLE, outputs=[{"name": "q"}])[0] == 400


def test_what_is_not_there(ask: Client) -> None:
    for path in ("/", "/v1", "/v2/none", "/v2/models", "/v2/models/other", "/v2/models/doubler/x",
                 "/v2/models/doubler/versions/2"):  # fmt: skip
        assert ask(path)[0] == 404, path
    assert ask("/v2/models/other/infer", {"inputs": [DOUBLE]})[0] == 404
    # The connection is still in step.
    assert ask.infer(DOUBLE)[0] == 200


def test_a_body_that_is_too_long_is_refused(ask: Client) -> None:
    status, answer = ask("/v2/models/doubler/infer", "x", **{"Content-Length": str(1 << 40)})
    assert (status, "Content-Length" in answer["error"]) == (400, True)


def test_outputs_that_json_cannot_hold(ask: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Doubler, "predict", lambda self, inputs: {"y": np.float32([np.nan])})
    status, answer = ask.infer(DOUBLE)
    assert (status, "NaN" in answer["error"]) == (500, True)


def test_a_framework_that_raises_is_an_error_of_the_server(
    ask: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Doubler, "predict", lambda self, inputs: 1 / 0)
    assert ask.infer(DOUBLE)[0] == 500
    assert ask("/v2/health/ready")[0] == 200


def test_texts_and_other_dtypes() -> None:
    texts = oip.entry_of("t", np.array(["a", "b"]))
    assert texts == {"name": "t", "datatype": "BYTES", "shape": [2]}
    with pytest.raises(UnsupportedError):
        oip.entry_of("c", np.array([1j]))


def test_health(ask: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "--port", str(ask.port)]) == 0
    assert main(["health", "--port", "1"]) == 1
    assert "not well: port 1" in capsys.readouterr().err


def test_health_of_one_that_is_not_ready(
    server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", "--port", str(server.server_port)]) == 1
    assert "answers 503" in capsys.readouterr().err
    assert main(["health", "--live", "--port", str(server.server_port)]) == 0


def test_a_server_that_cannot_serve_says_why_and_ends(
    server: ModelServer, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = str(server.server_port)
    assert main(["http", "--model", str(job.model), "--port", taken]) == 2
    assert f"--port {taken}: Address already in use" in capsys.readouterr().err
    server.shutdown()
    server.server_close()
    assert main(["http", "--model", str(job.model), "--port", taken]) == 4
    assert "graph.bin" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["health", "--port", port])
    assert (ended.value.code, port in capsys.readouterr().err) == (2, True)
