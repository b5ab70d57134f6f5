"""The bake file: the whole plan for ``docker buildx bake``, without zport."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zport.sources.fetch import Fetcher
from zport.steps.context import has_context, write_context
from zport.steps.step import Step
from zport.workspace import Workspace, write_json

RUN = re.compile(r"^RUN (?!.*--network=)", re.MULTILINE)
HCL = re.compile(r"[$%](?=\{)")
"""What begins an expression in a bake file, also in one that is JSON; doubled it is none."""


def write_bake(
    steps: Mapping[str, Step],
    wanted: Sequence[str],
    workspace: Workspace,
    fetcher: Fetcher,
    name: str = "docker-bake",
) -> Path:
    """Write the bake file of that name to ``plan/``, and every context that it names."""
    for step in steps.values():
        with workspace.exclusive(f"step-{step.name}"):
            if not has_context(step, workspace):
                write_context(step, workspace, fetcher, workspace.logs / f"context-{step.name}.log")
    return write_json(workspace.plan / f"{name}.json", bake(steps, wanted))


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
        "dockerfile-inline": HCL.sub(lambda found: found[0] * 2, closed(step.dockerfile)),
        "platforms": [step.target.oci],
        "tags": [step.image],
        "args": {"SOURCE_DATE_EPOCH": str(step.epoch)},
        "attest": ["type=provenance,disabled=true"],
    }


def closed(dockerfile: str) -> str:
    """A Dockerfile whose commands have no network, whoever builds it.

    Bake has a setting for it, which buildx ignores in files of this format up to 0.16 (buildx's
    pull requests 880 and 2671).
    """
    return RUN.sub("RUN --network=none ", dockerfile)
