"""An agent's images as they are published: an OCI layout with all that hangs on them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zport.agents import Agent
from zport.engines import Engine
from zport.errors import BuildError
from zport.job import Job
from zport.plan.labels import licenses
from zport.plan.origin import STATUS_FILE
from zport.plan.planner import AgentPlan
from zport.provenance import image_provenance
from zport.publish.layout import (
    KEY,
    TITLE,
    VERSION,
    Descriptor,
    link_blobs,
    make_canonical,
    put,
    put_artifact,
    put_index,
    read_top,
    scratch_layout,
    write_top,
)
from zport.publish.sbom import image_sbom
from zport.steps.step import Step
from zport.wheels.built import wheel_of
from zport.workspace import Workspace, part_folder

SBOM_TYPE = "application/vnd.cyclonedx+json"
PROVENANCE_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Published:
    """An image of an index: its descriptor, and the artefacts that have it for their subject."""

    image: Descriptor
    artifacts: tuple[Descriptor, ...]
    key_tag: str


@dataclass(frozen=True)
class Bundle:
    """All that is published of an agent: its images, their index, in a layout."""

    agent: Agent
    version: str
    layout: Path
    images: tuple[Published, ...]
    index: Descriptor


@contextmanager
def bundle(
    job: Job, agent: Agent, plans: Sequence[AgentPlan], revision: str | None = None
) -> Iterator[Bundle]:
    """An agent's images on these targets, put together as long as the block runs.

    Every image has been built or pulled. What is compressed once stays in the build folder, by its
    key. Raises :class:`zport.errors.EngineError` for an image that is not there, and
    :class:`BuildError` for one with a wheel of ours that is not in the build folder.
    """
    workspace = job.request.workspace
    version = plans[0].version
    with scratch_layout(exports(workspace)) as layout:
        images = tuple(_published(job, plan, version, layout, revision) for plan in plans)
        about = {TITLE: agent.name, VERSION: version,
                 "org.opencontainers.image.description": agent.summary,
                 "org.opencontainers.image.licenses": licenses(agent)}  # fmt: skip
        index = put_index(layout, [one.image for one in images], about)
        top = [part for one in images for part in (one.image, *one.artifacts)]
        write_top(layout, [index, *top])
        yield Bundle(agent, version, layout, images, index)


def _published(
    job: Job, plan: AgentPlan, version: str, layout: Path, revision: str | None
) -> Published:
    needs = [job.planner.steps[name] for name in plan.step.needs]
    wheels = _wheels(needs, job.request.workspace)
    with exported_image(plan, job.request.engine, job.request.workspace) as exported:
        link_blobs(exported / "layout", layout)
        found = read_top(exported / "layout")[0]
        status = (exported / "status").read_text()
    system, _, architecture = plan.target.oci.partition("/")
    image = {
        **{name: found[name] for name in ("mediaType", "digest", "size")},
        "platform": {"os": system, "architecture": architecture},
        "annotations": {KEY: plan.step.key},
    }
    sbom = image_sbom(plan, version, image["digest"], status, job.planner.base(plan.target), wheels)
    provenance = image_provenance(plan.step, plan.agent.name, image["digest"], needs, revision)
    statement = json.dumps(provenance, indent=2, sort_keys=True)
    said = {SBOM_TYPE: sbom, PROVENANCE_TYPE: statement}
    artifacts = tuple(
        put_artifact(layout, kind, put(layout, text.encode(), kind), {}, subject=image)
        for kind, text in said.items()
    )
    return Published(image, artifacts, f"{plan.step.tag}-{plan.step.key}")


def _wheels(needs: Sequence[Step], workspace: Workspace) -> list[Path]:
    """The wheels of ours in an image that stands on these steps.

    One that was pulled does not bring them. Raises :class:`BuildError` for one that is not there.
    """
    found = []
    for need in needs:
        if need.role != "wheel":
            continue
        wheel = wheel_of(need, workspace)
        if wheel is None:
            raise BuildError(
                "its wheel is not in the build folder, so the bill of the image would lack it",
                where=need.name,
                next_step="take it with zport pull --wheels, or build it with zport wheel PACKAGE",
            )
        found.append(wheel)
    return found


def exports(workspace: Workspace) -> Path:
    """Where images lie as they are published, one folder a key."""
    return workspace.root / "publish"


@contextmanager
def exported_image(plan: AgentPlan, engine: Engine, workspace: Workspace) -> Iterator[Path]:
    """The folder with an agent's image as an OCI layout, and dpkg's status file beside it.

    It is made once a key; that of an earlier key of the same image goes. As long as the block runs
    no other zport removes it.
    """
    step = plan.step
    folder = exports(workspace) / f"{step.name}-{step.key}"
    with workspace.exclusive(f"publish-{step.name}"):
        if not folder.is_dir():
            with part_folder(folder) as part:
                engine.export(step.image, part / "layout")
                make_canonical(part / "layout")
                status = engine.read_file(step.image, step.target, STATUS_FILE)
                (part / "status").write_bytes(status)
            for other in exports(workspace).glob(f"{step.name}-*"):
                if other != folder:
                    shutil.rmtree(other)
        yield folder
