"""The verbs of serving over HTTP: the server, and whether it is well."""

import argparse
import sys
from pathlib import Path
from typing import Any

from zport_agent.cli.flags import count

# As in the command line's own module, what a verb imports it imports when called.

_PORT = 8080
_PATIENCE = 5
"""Seconds that a healthy server takes at most, also under emulation."""


def add_verbs(verbs: Any) -> None:
    """Add the verbs to the command line's."""
    http = verbs.add_parser("http", help="answer inference requests (Open Inference Protocol v2)")
    http.add_argument(
        "--model", type=Path, required=True, metavar="DIR", help="holds manifest.yml and the inputs"
    )
    http.add_argument(
        "--files", type=Path, metavar="DIR", help="holds the model files (default: --model)"
    )
    http.add_argument(
        "--threads", type=count, default=1, metavar="N", help="threads of one operator (default 1)"
    )
    _port_flag(http)
    http.set_defaults(run=_http)

    health = verbs.add_parser("health", help="exit 0 if the http server of this container is ready")
    health.add_argument("--live", action="store_true", help="it need not have loaded its model yet")
    _port_flag(health)
    health.set_defaults(run=_health)


def _port_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=_PORT, metavar="N", help=f"default {_PORT}")


def _port(text: str) -> int:
    port = count(text)
    if port >= 1 << 16:
        raise argparse.ArgumentTypeError(f"expected a number below 65536, found '{text}'")
    return port


def _http(options: argparse.Namespace) -> int:
    from zport_agent.http.server import serve_http
    from zport_agent.pipeline import Job

    serve_http(Job(options.model, options.files or options.model, Path(), options.threads),
               options.port)  # fmt: skip
    return 0


def _health(options: argparse.Namespace) -> int:
    from http.client import HTTPConnection, HTTPException

    path = f"/v2/health/{'live' if options.live else 'ready'}"
    try:
        # Not urllib: it would ask the proxy that the environment names.
        connection = HTTPConnection("127.0.0.1", options.port, timeout=_PATIENCE)
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        print(f"not well: port {options.port}: {error}", file=sys.stderr)
        return 1
    if status != 200:
        print(f"not well: {path} answers {status}", file=sys.stderr)
        return 1
    return 0
