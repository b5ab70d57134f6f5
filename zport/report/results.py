"""The results file of a run: all cells with all versions and keys, as JSON."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zport import __version__
from zport.binfmt import emulator_version
from zport.engines import ImageFacts
from zport.matrix.cells import CellResult
from zport.plan import AgentPlan
from zport.targets import Target
from zport.workspace import Workspace, write_json

SCHEMA = 1


def write_results(
    workspace: Workspace,
    host: Target,
    engine: str,
    agents: Sequence[AgentPlan],
    facts: dict[str, ImageFacts],
    results: Sequence[CellResult],
) -> Path:
    """Write ``results/run-N.json``, N one higher than the last run's."""
    with workspace.exclusive("results"):
        numbers = [int(path.stem[4:]) for path in workspace.results.glob("run-*.json")]
        path = workspace.results / f"run-{max(numbers, default=0) + 1}.json"
        record = {
            "schema": SCHEMA,
            "zport": __version__,
            "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "host": host.name,
            "engine": engine,
            "emulators": {
                target.name: emulator_version(target)
                for target in dict.fromkeys(agent.target for agent in agents)
                if target != host
            },
            "images": [_image(agent, facts[agent.step.image]) for agent in agents],
            "cells": [result.record() for result in results],
        }
        return write_json(path, record)


def _image(agent: AgentPlan, facts: ImageFacts) -> dict[str, Any]:
    return {
        "agent": agent.agent.name,
        "target": agent.target.name,
        "image": agent.step.image,
        "key": agent.step.key,
        "bytes": facts.size,
        "compressed": facts.compressed,
        "layers": list(facts.layers),
        "requirements": [
            {key: value for key, value in asdict(provided).items() if value is not None}
            for provided in agent.provided
        ],
    }
