"""Run files: which there are, and the number that each has."""

from __future__ import annotations

import re
from pathlib import Path

NAME = re.compile(r"run-(\d+)\.json")
HIGHEST = 10**15
"""The highest number that a run may have: one more fits SQLite, and JSON's numbers everywhere."""


def run_files(folder: Path) -> list[tuple[int, Path]]:
    """The run files of a folder with their numbers, in order."""
    found = ((NAME.fullmatch(path.name), path) for path in folder.glob("run-*.json"))
    return sorted((int(match[1]), path) for match, path in found if match)


def highest_number(folder: Path) -> int:
    """The highest number that a run file of the folder has, readable or not; 0 without any."""
    return max((number for number, _ in run_files(folder) if number <= HIGHEST), default=0)
