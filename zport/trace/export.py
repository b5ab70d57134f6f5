"""Sending a trace to an OpenTelemetry collector, by OTLP over HTTP."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import requests

from zport.errors import FetchError, UsageError

ENDPOINT = "/v1/traces"
SECONDS = 30


def traces_url(text: str) -> str:
    """The address that takes traces, of a collector's base address or of itself.

    Raises :class:`UsageError` for what is no address of HTTP.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{text!r} is no address", where="--otlp",
                         next_step="name a collector such as http://localhost:4318")  # fmt: skip
    return text if parts.path.endswith(ENDPOINT) else text.rstrip("/") + ENDPOINT


def send_trace(path: Path, url: str) -> None:
    """Post a file of OTLP/JSON. Raises :class:`FetchError` when it is not taken."""
    try:
        answer = requests.post(
            url,
            data=path.read_bytes(),
            headers={"Content-Type": "application/json"},
            timeout=SECONDS,
            allow_redirects=False,
        )
        rejected = _rejected(answer)
    except requests.RequestException as error:
        raise FetchError(str(error), where=url, next_step=_next(path)) from error
    if answer.status_code // 100 != 2:
        said = f"{answer.status_code} {answer.reason}: {answer.text[:200]}"
        raise FetchError(f"the collector refused: {said}", where=url, next_step=_next(path))
    if rejected:
        raise FetchError(f"the collector rejected {rejected}", where=url, next_step=_next(path))


def _rejected(answer: requests.Response) -> str | None:
    """What a collector that took a part only says of the rest (``partialSuccess``)."""
    try:
        partial = answer.json().get("partialSuccess") or {}
        count = int(partial.get("rejectedSpans") or 0)
    except (ValueError, AttributeError):
        return None
    return f"{count} spans: {partial.get('errorMessage', '')}" if count else None


def _next(path: Path) -> str:
    return f"check that a collector listens there; the trace is in {path}"
