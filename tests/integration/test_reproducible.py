"""The same key gives the same bytes: an agent's image built again, elsewhere and from nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import AGENT, IBM_Z, ROOT
from rich.console import Console

from zport.agents import load_agents
from zport.engines.buildah import Buildah
from zport.engines.process import ask
from zport.job import Job, Request
from zport.sources.fetch import Fetcher
from zport.steps.context import write_context
from zport.targets import REFERENCE, Target
from zport.workspace import Workspace


def configuration(image: str) -> dict[str, Any]:
    """An image's configuration, which names every layer by its digest.

    Without its history: Buildah writes into that on which image each instruction stood, and when
    builds run side by side that is now and then a random name which the image had for a moment.
    """
    inspected = json.loads(ask(["buildah", "inspect", "--type", "image", image]))["OCIv1"]
    return {key: value for key, value in inspected.items() if key != "history"}


@pytest.mark.parametrize("target", [IBM_Z, REFERENCE], ids=lambda target: target.name)
def test_an_agent_built_twice_is_one_image(
    agent_images: dict[str, str], target: Target, tmp_path: Path
) -> None:
    # The workspace that was built in, for its locks and what it has fetched.
    workspace = Workspace(ROOT / "build")
    engine = Buildah()
    both = [IBM_Z, REFERENCE]
    job = Job(Request(both, load_agents(AGENT), engine, workspace, Console(), test=False))
    plan = next(one for one in job.agents if one.target == target)
    assert plan.step.image in engine.images()
    elsewhere = Workspace(tmp_path / "another" / "and" / "longer")
    elsewhere.root.mkdir(parents=True)
    context = write_context(plan.step, elsewhere, Fetcher(workspace, job.index), tmp_path / "log")
    again = f"localhost/zport-test/again:{target.name}"
    # zport's engine takes nothing from a layer cache.
    engine.build(context, again, target, plan.step.epoch, tmp_path / "log")
    try:
        assert engine.facts(again).layers == engine.facts(plan.step.image).layers
        assert configuration(again) == configuration(plan.step.image)
        assert configuration(again) == configuration(agent_images[target.name])
    finally:
        engine.remove([again])
