"""One model over HTTP, by the Open Inference Protocol, version 2: JSON over REST.

The server answers that it lives at once, and that it is ready when the model has answered the
manifest's first input. Requests carry tensors as the model takes them: preprocess is not called.
"""

import contextlib
import json
import re
import sys
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from zport_agent import __version__
from zport_agent.errors import AgentError, ProcessingError, UsageError
from zport_agent.http import oip
from zport_agent.http.oip import RequestError
from zport_agent.pipeline import Job, Pipeline, open_pipeline

LARGEST = 256 << 20
"""Bytes of a request at most."""
PATIENCE = 60
"""Seconds that a client may be silent."""

Answer = tuple[HTTPStatus, dict[str, Any]]


class NotFoundError(RequestError):
    """The path names nothing here."""


class LoadingError(RequestError):
    """There is no model yet."""


class NoLengthError(RequestError):
    """Nothing says, in a way that is understood here, how long the body is."""


class TooLongError(RequestError):
    """The body is longer than any that is read."""


class SilentError(RequestError):
    """The client has not sent all of the body."""


class ModelServer(ThreadingHTTPServer):
    """Answers for one model; ``pipeline`` is None until it is ready."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        try:
            super().__init__(("", port), Handler)
        except OSError as error:
            raise UsageError(f"--port {port}: {error.strerror}") from None
        self.pipeline: Pipeline | None = None
        self.metadata: dict[str, Any] = {}
        # Backends hold one model and do not say that two threads may run it.
        self.turn = threading.Lock()

    def load(self, job: Job) -> Pipeline:
        """Open the model and have it answer its first input. Raises any AgentError."""
        pipeline = open_pipeline(job)
        inputs = pipeline.prepare(0)
        outputs = pipeline.predict(inputs)
        manifest = pipeline.manifest
        self.metadata = {
            "name": manifest.name,
            "versions": [manifest.version],
            "platform": pipeline.backend.name,
            **oip.metadata(pipeline.specs, inputs, outputs),
        }
        self.pipeline = pipeline
        return pipeline

    def get(self, path: list[str]) -> Answer:
        """What a path says."""
        match path:
            case []:
                about = {"name": "zport-agent", "version": __version__, "extensions": []}
                return HTTPStatus.OK, about
            case ["health", "live"]:
                return HTTPStatus.OK, {"live": True}
            case ["health", "ready"]:
                return self._readiness({})
            case ["models", name, *rest]:
                if self._below(name, rest) == ["ready"]:
                    return self._readiness({"name": name})
                if not self._below(name, rest):
                    return HTTPStatus.OK, self.metadata
        raise NotFoundError("no such path")

    def post(self, path: list[str], request: Any) -> Answer:
        """The model's answer to a request."""
        match path:
            case ["models", name, *rest] if self._below(name, rest) == ["infer"]:
                return HTTPStatus.OK, self._infer(request)
        raise NotFoundError("no such path")

    def _readiness(self, about: dict[str, Any]) -> Answer:
        ready = self.pipeline is not None
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return status, about | {"ready": ready}

    def _below(self, name: str, rest: list[str]) -> list[str]:
        """What follows the model and its version in a path."""
        if self.pipeline is None:
            raise LoadingError("the model is being loaded")
        manifest = self.pipeline.manifest
        if name != manifest.name:
            raise NotFoundError(f"no model {name}, there is {manifest.name}")
        if rest[:1] == ["versions"]:
            if rest[1:2] != [manifest.version]:
                raise NotFoundError(f"{name} has the version {manifest.version} alone")
            return rest[2:]
        return rest

    def _infer(self, request: Any) -> dict[str, Any]:
        pipeline = self.pipeline
        assert pipeline is not None
        inputs = oip.inputs_of(request, pipeline.specs)
        wanted = oip.wanted_of(request)
        with self.turn:
            outputs = pipeline.predict(inputs)
        named = {"id": str(request["id"])} if request.get("id") is not None else {}
        return {
            "model_name": pipeline.manifest.name,
            "model_version": pipeline.manifest.version,
            **named,
            "outputs": oip.outputs_of(outputs, wanted),
        }


STATUSES: dict[type[Exception], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    LoadingError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoLengthError: HTTPStatus.LENGTH_REQUIRED,
    TooLongError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    SilentError: HTTPStatus.REQUEST_TIMEOUT,
    RequestError: HTTPStatus.BAD_REQUEST,
    ProcessingError: HTTPStatus.BAD_REQUEST,
    AgentError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""How failures are told; the first that fits."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = f"zport-agent/{__version__}"
    timeout = PATIENCE
    server: ModelServer

    def do_GET(self) -> None:
        """Health and metadata."""
        self._answer(lambda _: self.server.get(self._path()))

    def do_POST(self) -> None:
        """Inference."""
        self._answer(lambda body: self.server.post(self._path(), self._request(body)))

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Nothing: a probe every second would fill the log."""

    def _path(self) -> list[str]:
        try:
            path = urlsplit(self.path).path
        except ValueError as error:
            raise RequestError(f"path: {error}") from None
        version, *rest = [unquote(one) for one in path.strip("/").split("/")]
        if version != "v2":
            raise NotFoundError("paths begin with /v2")
        return rest

    def _body(self) -> bytes:
        """The request's body. It is read whatever the path: the connection may go on after it.

        Raises RequestError where its end is not known; the connection then ends with the answer,
        for what a proxy takes for the rest of this request must not be read as the next one
        (RFC 9112, section 6.3).
        """
        try:
            return self.rfile.read(self._length())
        except RequestError:
            self.close_connection = True
            raise
        except OSError:
            self.close_connection = True
            raise SilentError(f"the body did not come whole within {self.timeout} s") from None

    def _length(self) -> int:
        lengths = set(self.headers.get_all("Content-Length", []))
        if "Transfer-Encoding" in self.headers:
            raise NoLengthError("Transfer-Encoding: bodies are read by Content-Length alone")
        if not lengths and self.command == "POST":
            raise NoLengthError("Content-Length: expected the body's length")
        if len(lengths) > 1:
            raise RequestError("Content-Length: expected one number")
        text = next(iter(lengths), "0")
        if not re.fullmatch("[0-9]+", text):
            raise RequestError(f"Content-Length: expected a number, found '{text[:20]}'")
        if len(text) > len(str(LARGEST)) or int(text) > LARGEST:
            raise TooLongError(f"Content-Length: expected a number up to {LARGEST}")
        return int(text)

    def _request(self, body: bytes) -> Any:
        if "Inference-Header-Content-Length" in self.headers:
            raise RequestError("binary tensors are not served: send JSON alone")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"not JSON: {error}") from None

    def _answer(self, work: Callable[[bytes], Answer]) -> None:
        try:
            status, answer = work(self._body())
            body = _json(answer)
        except (RequestError, AgentError) as error:
            status = next(code for kind, code in STATUSES.items() if isinstance(error, kind))
            body = _json({"error": str(error)})
        except Exception as error:
            traceback.print_exc()
            status, body = HTTPStatus.INTERNAL_SERVER_ERROR, _json({"error": repr(error)})
        # A client that has left is nobody's failure.
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, allow_nan=False).encode()


def serve_http(job: Job, port: int) -> None:
    """Serve a model until the process ends. Raises any AgentError when it cannot be loaded."""
    with ModelServer(port) as server:
        listening = threading.Thread(target=server.serve_forever, daemon=True)
        listening.start()
        try:
            model = server.load(job).manifest
            print(f"{model.name} {model.version} is ready on port {server.server_port}")
            sys.stdout.flush()
            listening.join()
        finally:
            server.shutdown()
