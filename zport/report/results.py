"""The results of a run: all cells with all versions and keys, as a JSON file and in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zport.binfmt import emulator_version
from zport.engines import ImageFacts
from zport.matrix.cells import CellResult
from zport.plan.planner import AgentPlan
from zport.results import Store, circumstances, open_results
from zport.results.circumstances import now
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
    run: int | None = None,
) -> Path:
    """Write ``results/run-N.json`` and the same to the results store; N is the run's number there.

    ``run`` is a run that was begun in the store already and may have cells: they are replaced.
    Without it a new one is begun.
    """
    about = run_circumstances(host, engine, agents)
    record: dict[str, Any] = {
        "schema": SCHEMA,
        **{name: value for name, value in about.items() if name != "started"},
        "written": now(),
        "images": [image_record(agent, facts[agent.step.image]) for agent in agents],
        "cells": [result.record() for result in results],
    }
    with open_results(workspace) as store:
        number = store.begin_run(about) if run is None else run
        path = workspace.results / f"run-{number}.json"
        write_json(path, record)
        keep(store, number, record)
    return path


def run_circumstances(host: Target, engine: str, agents: Sequence[AgentPlan]) -> dict[str, Any]:
    """What the numbers of a run of these agents depend on, for :meth:`Store.begin_run`."""
    foreign = [target for target in dict.fromkeys(agent.target for agent in agents)
               if target != host]  # fmt: skip
    emulators = {target.name: emulator_version(target) for target in foreign}
    return circumstances(host=host.name, engine=engine, emulators=emulators)


def keep(store: Store, run: int, record: dict[str, Any]) -> None:
    """Write the images and cells of a run file to its run, and end it."""
    with store.all_or_nothing():
        for image in record["images"]:
            store.add_image(run, image)
        store.add_cells(run, record["cells"])
        store.end_run(run)


def image_record(agent: AgentPlan, facts: ImageFacts) -> dict[str, Any]:
    """An image for the results file."""
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
