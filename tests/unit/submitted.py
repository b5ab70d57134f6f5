"""Runs and descriptions for the tests of submissions."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zport.submission.assemble import Wish
from zport.submission.rules import load_rules
from zport.submission.runs import Run, collect_runs
from zport.workspace import PROJECT

FIXTURES = PROJECT / "tests" / "fixtures" / "submission"
BENCH = FIXTURES / "bench"
DETAIL = "loadgen/mlperf_log_detail.txt"


def copied(tmp_path: Path, *, emulated: bool = False) -> Path:
    """A copy of one of the two runs, to be changed; the real one unless the emulated is asked for.

    Returns the run's own folder.
    """
    target = "s390x" if emulated else "amd64"
    place = tmp_path / "bench" / target
    shutil.copytree(BENCH / "sensors-linear" / "onnxruntime" / target, place)
    return next(place.rglob("record.json")).parent


def change(path: Path, edit: Callable[[Any], None]) -> None:
    """Edit a JSON file in place."""
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def set_log(folder: Path, key: str, value: Any, half: str = "performance") -> None:
    """Set a key of a run's detail log."""
    path = folder / half / DETAIL
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        entry = json.loads(line.removeprefix(":::MLLOG"))
        if entry["key"] == key:
            entry["value"] = value
            lines[number] = ":::MLLOG " + json.dumps(entry)
    path.write_text("\n".join(lines) + "\n")


def only(folder: Path) -> Run:
    """The one run in a folder."""
    (run,) = collect_runs([folder])
    return run


def wish(**more: Any) -> Wish:
    """What a test asks for: the model stands for 3d-unet-99."""
    asked = {
        "submitter": "acme",
        "system": FIXTURES / "box.json",
        "asked": load_rules().round("v6.1"),
        "benchmarks": {"sensors-linear": "3d-unet-99"},
        "measurements": FIXTURES / "measurements.json",
    }
    return Wish(**{**asked, **more})
