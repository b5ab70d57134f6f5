"""An agent's image as it is published: its bill is whole, and its folder stays while it is read."""

import json
from types import SimpleNamespace

import pytest
from filelock import Timeout
from test_publish_trust import PLAN, STATUS, step_with, wheel

from zport.errors import BuildError
from zport.publish import images
from zport.publish.images import SBOM_TYPE, bundle, exports
from zport.publish.layout import (
    MANIFEST,
    blob_path,
    new_layout,
    put,
    read_manifest,
    write_top,
)
from zport.steps.step import Step

__all__ = ["wheel"]  # A fixture: it is used by its name.
NEED = Step("wheel-twig-s390x", "", "wheel", PLAN.target, "", "localhost/zport/wheel", "twig",
            1_700_000_000, (), "FROM x\n", (), "e" * 16)  # fmt: skip


class Store:
    """An engine with one image."""

    exported = 0

    def export(self, image, folder):
        self.exported += 1
        new_layout(folder)
        config = put(folder, b'{"os": "linux", "architecture": "s390x"}', "config")
        manifest = {"mediaType": MANIFEST, "config": config, "layers": []}
        write_top(folder, [put(folder, json.dumps(manifest).encode(), MANIFEST)])

    def read_file(self, image, target, path):
        return STATUS.encode()


class Plan:
    """An agent's plan with a wheel of ours; its framework is not its program's licence."""

    def __init__(self):
        self.agent = PLAN.agent.model_copy(update={"license": "MIT"})
        self.target, self.version = PLAN.target, "1.0"
        fields = {**vars(PLAN.step), "needs": ("wheel-twig-s390x",)}
        self.step = Step(**fields)


@pytest.fixture
def job(workspace):
    planner = SimpleNamespace(steps={NEED.name: NEED}, base=lambda target: step_with())
    return SimpleNamespace(
        request=SimpleNamespace(engine=Store(), workspace=workspace), planner=planner
    )


@pytest.fixture
def taken(workspace, wheel):
    """The wheel, in the build folder under its key."""
    folder = workspace.wheels / NEED.key
    folder.parent.mkdir(parents=True)
    for file in [wheel, wheel.with_name(f"{wheel.name}.cdx.json")]:
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)


def bundled(job):
    plan = Plan()
    return bundle(job, plan.agent, [plan])


def test_without_a_wheel_the_bill_would_lack_it(job):
    """As of an image that was pulled: what it was made of did not come with it."""
    with pytest.raises(BuildError, match="its wheel is not in the build folder") as caught:
        bundled(job).__enter__()
    assert caught.value.where == "wheel-twig-s390x"
    assert "zport pull --wheels" in str(caught.value.next_step)
    assert job.request.engine.exported == 0


def test_the_bill_has_the_wheels(job, taken):
    with bundled(job) as made:
        parts = [read_manifest(made.layout, one["digest"]) for one in made.images[0].artifacts]
        bill = next(part for part in parts if part["artifactType"] == SBOM_TYPE)
        said = json.loads(blob_path(made.layout, bill["layers"][0]["digest"]).read_text())
    assert "twig" in [part["name"] for part in said["components"]]


def test_the_licence_of_the_index_is_that_of_its_images(job, taken):
    with bundled(job) as made:
        index = read_manifest(made.layout, made.index["digest"])
    assert index["annotations"]["org.opencontainers.image.licenses"] == "Apache-2.0 AND MIT"


def test_nobody_removes_an_image_that_is_being_read(job, taken, workspace, monkeypatch):
    seen = []

    def link(source, folder):
        with (
            pytest.raises(Timeout),
            workspace.exclusive(f"publish-{PLAN.step.name}", seconds=0),
        ):
            pass
        seen.append(source)

    monkeypatch.setattr(images, "link_blobs", link)
    # And it is free again before anything is sent.
    with bundled(job), workspace.exclusive(f"publish-{PLAN.step.name}", seconds=0):
        pass
    assert seen == [exports(workspace) / f"{PLAN.step.name}-{PLAN.step.key}" / "layout"]
