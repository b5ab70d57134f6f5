"""Building a published image again: what is prepared before, and what of its provenance is read."""

import io
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from filelock import Timeout
from rich.console import Console
from test_publish_trust import PLAN, step_with

from zport import job as job_module
from zport.errors import HostError, TrustError
from zport.job import SPACE, Job, Request
from zport.provenance import image_provenance
from zport.publish import rebuild as module
from zport.publish.rebuild import rebuild
from zport.publish.verify import VerifiedImage

DIGEST = f"sha256:{'a' * 64}"


class Prepared(Exception):  # noqa: N818 - it ends what the test is about
    """Building would begin now."""


@pytest.fixture
def prepared(monkeypatch):
    """What is done before the first step is built."""
    done = []
    monkeypatch.setattr(job_module, "free_space", lambda path, needed: done.append(needed))
    monkeypatch.setattr(
        job_module.binfmt, "register_emulators",
        lambda targets: done.append([target.name for target in targets]),
    )  # fmt: skip
    return done


@pytest.fixture
def job(workspace, monkeypatch, prepared):
    """A job of one agent whose base is missing."""
    base = step_with()

    def build(steps):
        raise Prepared([step.name for step in steps])

    engine = SimpleNamespace(images=set)
    request = Request([PLAN.target], [], engine, workspace, Console(file=io.StringIO()), test=False)
    made = Job(request)
    restored = SimpleNamespace(restore=lambda engine, target: prepared.append(target.name))
    steps = {"base-s390x": base, PLAN.step.name: PLAN.step}
    monkeypatch.setattr(made.progress, "live", nullcontext)
    made.__dict__.update(
        agents=[PLAN], planner=SimpleNamespace(steps=steps, origin=restored),
        builder=SimpleNamespace(build=build, adopt=lambda steps: None), wanted=[PLAN.step.name],
    )  # fmt: skip
    made.adopt = lambda: None
    base.__dict__.update(name="base-s390x", needs=())
    return made


def image_with(statement):
    return VerifiedImage(PLAN.target.oci, DIGEST, {}, statement)


def test_it_is_prepared_as_a_build_is(job, prepared):
    statement = image_provenance(PLAN.step, "leaf", DIGEST, [])
    with pytest.raises(Prepared, match="base-s390x"):
        rebuild(image_with(statement), lambda agent, target: job)
    by_rebuild = [*prepared]
    prepared.clear()
    with pytest.raises(Prepared, match="base-s390x"):
        job.build()
    assert by_rebuild == prepared == [SPACE, "s390x", ["s390x"]]


def test_without_space_nothing_is_built(job, monkeypatch):
    def full(path, needed):
        raise HostError("a full disk")

    monkeypatch.setattr(job_module, "free_space", full)
    statement = image_provenance(PLAN.step, "leaf", DIGEST, [])
    with pytest.raises(HostError, match="a full disk"):
        rebuild(image_with(statement), lambda agent, target: job)


def test_nobody_else_writes_the_steps_context_meanwhile(job, workspace, monkeypatch):
    free = []

    def look(*_):
        try:
            with workspace.exclusive(f"step-{PLAN.step.name}", seconds=0):
                free.append(True)
        except Timeout:
            free.append(False)

    engine = job.request.engine
    engine.build, engine.export, engine.remove = look, look, look
    monkeypatch.setattr(job.builder, "build", lambda steps: None)
    monkeypatch.setattr(module, "write_context", look)
    monkeypatch.setattr(module, "make_canonical", lambda layout: {"digest": DIGEST})
    monkeypatch.setattr(module, "read_manifest", lambda *_: {"config": {"digest": DIGEST}})
    statement = image_provenance(PLAN.step, "leaf", DIGEST, [])
    assert rebuild(image_with(statement), lambda agent, target: job) == DIGEST
    assert free == [False] * 4


@pytest.mark.parametrize(
    "changed",
    [
        {"resolvedDependencies": None},
        {"resolvedDependencies": [None]},
        {"resolvedDependencies": [{}]},
        {"resolvedDependencies": [{"name": "a", "digest": []}]},
        {"resolvedDependencies": [{"name": "a", "digest": {}}]},
        {"internalParameters": {"key": "0" * 16}},
        {"internalParameters": {"key": "0" * 16, "images": None}},
        {"internalParameters": {"key": "0" * 16, "images": ["a"]}},
    ],
    ids=str,
)
def test_a_malformed_provenance_is_told(job, changed):
    statement = image_provenance(PLAN.step, "leaf", DIGEST, [])
    build = statement["predicate"]["buildDefinition"]
    build["internalParameters"]["key"] = "0" * 16
    build.update(changed)
    with pytest.raises(TrustError, match="not formed as OCI says"):
        rebuild(image_with(statement), lambda agent, target: job)
