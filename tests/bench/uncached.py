"""Building a step's Dockerfile anew: as the engine does it, but nothing from the layer cache."""

from __future__ import annotations

from pathlib import Path

from zport.engines.buildah import CONFINED, ISOLATION, LAYERS
from zport.engines.process import build_failure, run_logged
from zport.steps.step import Step


def build_uncached(step: Step, context: Path, image: str, log: Path, *options: str) -> None:
    """Build ``context``, a step's folder or a variant of it, and name the result ``image``."""
    command = [
        *CONFINED, "buildah", "build", *ISOLATION, *LAYERS, "--pull-never",
        "--timestamp", str(step.epoch), "--platform", step.target.oci, "--tag", image,
        *options, str(context),
    ]  # fmt: skip
    if run_logged(command, log) != 0:
        raise build_failure(log, step.name)
