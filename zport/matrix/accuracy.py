"""Task accuracy: how many of a cell's answers are right, where the manifest has labels.

It is of what postprocess makes of the outputs, as people use the model, and so it tells whether a
numeric difference matters.
"""

from __future__ import annotations

from typing import Any

from zport_agent.labels import count_right

from zport.matrix.cells import CellRun
from zport.workspace import read_json

RECORD = "task accuracy"


def accuracy_record(run: CellRun, reference: CellRun | None) -> dict[str, Any] | None:
    """The record that stands beside those of the outputs; None where the model has no labels.

    ``right`` of ``answers`` are as labelled, ``reference_right`` of the reference's. It differs
    if fewer are right than there.
    """
    labels = run.cell.model.manifest.extension().labels
    if not labels:
        return None
    right = count_right(_features(run), labels)
    theirs = count_right(_features(reference), labels) if reference else None
    fewer = theirs is not None and right < theirs
    return {
        "name": RECORD,
        "verdict": "differs" if fewer else "pass",
        "reasons": [f"{right} of {len(labels)} answers are right, {theirs} of the reference's"]
        if fewer
        else [],
        "answers": len(labels),
        "right": right,
        "reference_right": theirs,
        "hint": None,
    }


def _features(run: CellRun) -> list[Any]:
    result = read_json(run.folder / "result.json") or {}
    return list(result.get("features") or [])
