"""The bake file: the whole plan for ``docker buildx bake``, without zport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zport.context import write_context
from zport.fetch import Fetcher
from zport.step import Step
from zport.workspace import Workspace, write_json


def write_bake(
    steps: Mapping[str, Step], wanted: Sequence[str], workspace: Workspace, fetcher: Fetcher
) -> Path:
    """Write ``plan/docker-bake.json`` and every context that it names."""
    for step in steps.values():
        with workspace.exclusive(f"step-{step.name}"):
            written = workspace.plan / step.name / "Dockerfile"
            if not written.exists() or written.read_text() != step.dockerfile:
                write_context(step, workspace, fetcher, workspace.logs / f"context-{step.name}.log")
    return write_json(workspace.plan / "docker-bake.json", bake(steps, wanted))


def bake(steps: Mapping[str, Step], wanted: Sequence[str]) -> dict[str, Any]:
    """The plan in buildx's bake format; contexts are relative to the bake file's folder."""
    return {
        "group": {"default": {"targets": list(wanted)}},
        "target": {name: _target(step, steps) for name, step in steps.items()},
    }


def _target(step: Step, steps: Mapping[str, Step]) -> dict[str, Any]:
    return {
        "context": step.name,
        "contexts": {steps[need].image: f"target:{need}" for need in step.needs},
        "platforms": [step.target.oci],
        "tags": [step.image],
        "args": {"SOURCE_DATE_EPOCH": str(step.epoch)},
        "network": "none",
        "attest": ["type=provenance,disabled=true"],
    }
