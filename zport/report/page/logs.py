"""The ends of logs, for cells that did not pass."""

from __future__ import annotations

import re
from pathlib import Path

LINES = 60
BYTES = 6000
BUDGET = 8_000_000
"""So many bytes of logs are in a page at most."""
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
"""Colours of a terminal, and characters that no text has."""


class LogTails:
    """Reads the last lines of logs below a folder.

    Only there: the path comes from a run file, which may be someone else's, and a page is passed
    on. Where there is no end to show, the text in brackets says why.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._left = BUDGET

    def read(self, log: str | None) -> str | None:
        """The end of a log; nothing where the record names none."""
        if not log:
            return None
        path = Path(log).resolve()
        if not path.is_relative_to(self._folder):
            return "(the log is outside of the build folder)"
        if self._left <= 0:
            return "(left out: the page has as many logs as it can hold)"
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - BYTES))
                end = file.read()
        except OSError as error:
            return f"(the log cannot be read: {error.strerror})"
        self._left -= len(end)
        return last_lines(end, cut=size > BYTES)


def last_lines(end: bytes, *, cut: bool) -> str:
    """The last lines of a log as plain text; a first line that was cut is left out."""
    text = CONTROL.sub("", end.decode(errors="replace").replace("\r\n", "\n"))
    lines = text.rstrip("\n").split("\n")
    return "\n".join(lines[1 if cut else 0 :][-LINES:]).lstrip("\n")
