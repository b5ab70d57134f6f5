"""One model over HTTP: the Open Inference Protocol's paths, tensors and errors, and its health."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Doubler
from zport_agent.backends import TensorSpec
from zport_agent.cli import main
from zport_agent.errors import UnsupportedError
from zport_agent.http import oip
from zport_agent.http.server import Handler, ModelServer
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
    status, answer = ask.infer(DOUBLE, outputs=[{"name": "n"}], id=None)
    assert "id" not in answer
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
        ({"datatype": []}, "inputs.x: datatype: expected one of"),
        ({"datatype": "FP16", "data": [1, 2, 70000.0]}, "inputs.x: data: a number does not fit"),
        ({"data": [1, 2, 1e39]}, "inputs.x: data: a number does not fit FP32"),
        ({"datatype": "UINT64", "data": [-1, 2, 1 << 63]}, "inputs.x: data:"),
        ({"datatype": "UINT64", "data": [0.5, 2, 3]}, "inputs.x: data: not what UINT64 holds"),
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
    for outputs in ([{"name": "q"}], 5, ["y"], {"name": "y"}):
        status, answer = ask.infer(DOUBLE, outputs=outputs)
        assert (status, answer["error"][:17]) == (400, "outputs: expected")


def test_numbers_that_fit_only_uint64_beside_those_that_fit_int64() -> None:
    entry = {"name": "x", "datatype": "UINT64", "shape": [2], "data": [1, (1 << 63) + 1]}
    found = oip.inputs_of({"inputs": [entry]}, [TensorSpec("x", "uint64", (None,))])["x"]
    assert found.tolist() == entry["data"]


def test_what_a_model_does_not_tell_of_its_tensors_is_told_by_one_of_them() -> None:
    specs = [TensorSpec("rate", "int64", ()), TensorSpec("sound", None, None)]
    inputs = {"rate": np.array(16000), "sound": np.zeros((2, 3), np.float32)}
    told = oip.metadata(specs, inputs, {})["inputs"]
    assert told == [
        {"name": "rate", "datatype": "INT64", "shape": []},
        {"name": "sound", "datatype": "FP32", "shape": [-1, -1]},
    ]


def test_texts_are_told_as_texts() -> None:
    array = np.array([b"a", "\u00e4", b"b"], dtype=object)
    assert oip.outputs_of({"y": array}, [])[0]["data"] == ["a", "\u00e4", "b"]
    with pytest.raises(UnsupportedError, match="no UTF-8"):
        oip.outputs_of({"y": np.array([b"\xff"], dtype=object)}, [])


def test_what_is_not_there(ask: Client) -> None:
    for path in ("/", "/v1", "/v2/none", "/v2/models", "/v2/models/other", "/v2/models/doubler/x",
                 "/v2/models/doubler/versions/2"):  # fmt: skip
        assert ask(path)[0] == 404, path
    assert ask("/v2/models/other/infer", {"inputs": [DOUBLE]})[0] == 404
    # The connection is still in step.
    assert ask.infer(DOUBLE)[0] == 200


def raw(server: ModelServer, *lines: str, body: bytes = b"") -> bytes:
    """All that comes on one connection for what is sent as it is."""
    head = "\r\n".join([*lines, "Host: x", "", ""]).encode()
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


SECOND = b"GET /v2/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
LIVE, INFER = "GET /v2/health/live HTTP/1.1", "POST /v2/models/doubler/infer HTTP/1.1"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([INFER], 411),
        ([INFER, "Transfer-Encoding: chunked", "Content-Length: 2"], 411),
        ([LIVE, "Transfer-Encoding: chunked"], 411),
        ([INFER, "Content-Length: 2", "Content-Length: 3"], 400),
        ([INFER, "Content-Length: 2, 2"], 400),
        ([INFER, "Content-Length: +2"], 400),
        ([INFER, "Content-Length: -1"], 400),
        ([INFER, "Content-Length: ²"], 400),
        ([INFER, f"Content-Length: {1 << 40}"], 413),
        ([LIVE, f"Content-Length: {'9' * 5000}"], 413),
    ],
)
def test_where_the_end_of_a_body_is_not_known_the_connection_ends(
    server: ModelServer, job: Job, lines: list[str], status: int
) -> None:
    server.load(job)
    answers = raw(server, *lines, body=SECOND)
    assert answers.startswith(f"HTTP/1.1 {status} ".encode())
    assert answers.count(b"HTTP/1.1") == 1
    assert b"Connection: close\r\n" in answers


def test_a_body_that_nobody_asked_for_is_no_request(server: ModelServer) -> None:
    answers = raw(server, LIVE, f"Content-Length: {len(SECOND)}", body=SECOND + SECOND)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404"]


def test_a_client_that_falls_silent_is_told(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(f"{INFER}\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 0.2 s" in answer


def test_a_path_that_is_no_url(server: ModelServer) -> None:
    assert raw(server, "GET http://[ HTTP/1.1").startswith(b"HTTP/1.1 400 ")


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
