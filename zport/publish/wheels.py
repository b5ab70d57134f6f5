"""Wheels of ours as OCI artefacts: one layer each, found by the key of the step that made it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zport.job import Job
from zport.plan.wheel import WheelPlan
from zport.provenance import provenance_path
from zport.publish.images import PROVENANCE_TYPE, SBOM_TYPE, exports
from zport.publish.layout import (
    KEY,
    TITLE,
    VERSION,
    Descriptor,
    put_artifact,
    put_file,
    scratch_layout,
    write_top,
)
from zport.wheels.built import SBOM_SUFFIX, wheel_of

WHEELS = "wheels"
"""The repository of all wheels in a namespace."""
WHEEL_TYPE = "application/vnd.pypa.wheel"
LAYER_TYPE = "application/zip"


@dataclass(frozen=True)
class WheelArtifact:
    """A wheel as it is published. ``key_tag`` has the key in it, ``tag`` goes to the newest key."""

    manifest: Descriptor
    artifacts: tuple[Descriptor, ...]
    tag: str
    key_tag: str


def wheel_tags(plan: WheelPlan) -> tuple[str, str]:
    """The tags of a wheel: ``leaf-1.0-<target>``, and the same with the key at its end."""
    tag = f"{plan.recipe.name}-{plan.recipe.version}-{plan.target.name}".replace("+", "_")
    return tag, f"{tag}-{plan.step.key}"


@contextmanager
def wheel_artifacts(job: Job) -> Iterator[tuple[Path, list[WheelArtifact]]]:
    """The wheels of the plan that are in the build folder, for the targets asked for, in a layout.

    It is there as long as the block runs.
    """
    workspace, targets = job.request.workspace, job.request.targets
    with scratch_layout(exports(workspace)) as layout:
        found = []
        for plan in job.planner.wheels.values():
            wheel = wheel_of(plan.step, workspace)
            if wheel and plan.target in targets:
                found.append(_artifact(plan, wheel, layout))
        write_top(layout, [part for one in found for part in (one.manifest, *one.artifacts)])
        yield layout, found


def _artifact(plan: WheelPlan, wheel: Path, layout: Path) -> WheelArtifact:
    layer = {**put_file(layout, wheel, LAYER_TYPE), "annotations": {TITLE: wheel.name}}
    about = {TITLE: plan.recipe.name, VERSION: plan.recipe.version, KEY: plan.step.key,
             "org.opencontainers.image.description": plan.recipe.summary}  # fmt: skip
    manifest = put_artifact(layout, WHEEL_TYPE, layer, about)
    beside = {SBOM_TYPE: wheel.with_name(wheel.name + SBOM_SUFFIX),
              PROVENANCE_TYPE: provenance_path(wheel)}  # fmt: skip
    artifacts = tuple(
        put_artifact(layout, kind, put_file(layout, file, kind), {}, subject=manifest)
        for kind, file in beside.items()
        if file.exists()
    )
    return WheelArtifact(manifest, artifacts, *wheel_tags(plan))
