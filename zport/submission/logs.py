"""LoadGen's detail log, read as the official checker reads it.

It takes the first of several lines with one key, and a line that is not JSON ends it: there a run
whose log the agent program reads is no submission (a Server run of one query logs a bare -nan).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zport.errors import SubmissionError

MARKER = ":::MLLOG"


@dataclass(frozen=True)
class DetailLog:
    """The first value of every key, the messages that are errors, and lines that are not JSON."""

    path: Path
    values: dict[str, Any]
    errors: list[str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)

    def number(self, key: str) -> float | None:
        """A key's value if it is a number."""
        value = self.values.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_detail(path: Path) -> DetailLog:
    """Read a detail log.

    Raises :class:`SubmissionError` when it is absent, is no text or does not begin as LoadGen's.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SubmissionError(
            f"cannot be read: {error.strerror}", where=path, next_step="run the benchmark again"
        ) from error
    except UnicodeDecodeError as error:
        raise SubmissionError("no text", where=path, next_step="run it again") from error
    if not lines or not lines[0].startswith(MARKER):
        raise SubmissionError(
            f"does not begin with {MARKER}: it is no detail log of LoadGen",
            where=path,
            next_step="run the benchmark again",
        )
    log = DetailLog(path, {})
    for number, line in enumerate(lines, 1):
        if line.startswith(MARKER):
            _take(log, number, line.removeprefix(MARKER))
    return log


def _take(log: DetailLog, number: int, text: str) -> None:
    try:
        entry = json.loads(text)
        key, value = entry["key"], entry["value"]
        is_error = entry["metadata"]["is_error"]
    except (ValueError, TypeError, KeyError):
        log.unreadable.append(number)
        return
    log.values.setdefault(key, value)
    if is_error:
        log.errors.append(f"{key}: {value}")
