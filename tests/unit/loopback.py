"""A real HTTP server on loopback, told what to answer."""

from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class Server(ThreadingHTTPServer):
    """Serves ``files`` by path. ``script`` are answers that come first, one a request.

    ``asked`` are the requests so far: path and Range header.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.script: deque[Answer] = deque()
        self.asked: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))
        content = self.server.files.get(self.path)
        if content is None:
            refuse(404)(self, b"")
        elif self.server.script:
            self.server.script.popleft()(self, content)
        else:
            ranged(self, content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def send(handler: BaseHTTPRequestHandler, code: int, content: bytes, length: int) -> None:
    handler.send_response(code)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(content)


def ranged(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """As a good server answers: from where it is asked, and 416 for past the end."""
    wanted = handler.headers["Range"]
    if not wanted:
        return send(handler, 200, content, len(content))
    rest = content[int(wanted.removeprefix("bytes=").removesuffix("-")) :]
    return send(handler, 206, rest, len(rest)) if rest else send(handler, 416, b"", 0)


def whole(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """As a server that does not know ranges."""
    send(handler, 200, content, len(content))


def cut(after: int) -> Answer:
    """The connection breaks after so many bytes of what was asked for."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        send(handler, 200, content[:after], len(content))
        handler.close_connection = True

    return answer


def refuse(code: int) -> Answer:
    """An error without content."""
    return lambda handler, _: send(handler, code, b"", 0)
