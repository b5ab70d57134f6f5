"""A real registry on loopback: roots pulled from it and built upon, agents pushed to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import AGENT, IBM_Z, IMAGE, SEEDED_FOLDERS, MainJob, build_py
from loopback_registry import Registry, buildah
from rich.console import Console

from zport.agents import load_agents
from zport.distribution import TRIXIE
from zport.engines import Engine, select_engine
from zport.engines.buildah import Buildah
from zport.errors import EngineError, RegistryError
from zport.job import Job, Request
from zport.plan.origin import STATUS_FILE, Origin, Policy, find_origin
from zport.steps.build import Builder, missing_steps
from zport.targets import REFERENCE
from zport.workspace import Workspace

NOWHERE = "127.0.0.1:1/debian:trixie-slim"
"""Nothing listens on port 1."""
TARGETS = (IBM_Z, REFERENCE)


def job_on(workspace: Workspace, engine: Engine, base: Policy, image: str = NOWHERE) -> Job:
    """The IBM Z agent's job, with roots from that image or from packages."""
    distribution = replace(TRIXIE, image=image)
    return Job(
        Request(
            [IBM_Z], load_agents(AGENT), engine, workspace, Console(),
            test=False, base=base, distribution=distribution,
        )
    )  # fmt: skip


@pytest.fixture
def roots(registry: Registry, main_job: MainJob) -> Registry:
    """The registry, with the main job's bootstrapped roots as its Debian."""
    planner = job_on(main_job.workspace, Buildah(), "bootstrap").planner
    registry.push_roots([planner.base(target).image for target in TARGETS])
    return registry


@pytest.fixture
def seeded(tmp_path: Path, main_job: MainJob) -> Workspace:
    """A build folder of its own, with what was fetched already."""
    workspace = Workspace(tmp_path / "build")
    for name in SEEDED_FOLDERS:
        source = main_job.workspace.root / name
        if source.exists():
            shutil.copytree(source, workspace.root / name, copy_function=os.link)
    return workspace


def build(job: Job, name: str) -> None:
    missing = missing_steps(job.planner.steps, [name], job.request.engine.images())
    request = job.request
    Builder(request.workspace, request.engine, job.fetcher, job.progress, 2).build(missing)


def remove_steps(job: Job) -> None:
    """Take the images of steps that no other run can need out of Buildah's store.

    What stands on others goes first; an image that a container of another build uses stays.
    """
    present = Buildah().images()
    for step in reversed(job.planner.steps.values()):
        if step.image in present:
            subprocess.run(["buildah", "rmi", step.image], capture_output=True, check=False)


def test_a_base_stands_on_a_pinned_root_without_a_network(
    engine: Engine, roots: Registry, seeded: Workspace, main_job: MainJob, tmp_path: Path
) -> None:
    digests = roots.digests()
    job = job_on(seeded, engine, "pull", roots.image)
    step = job.planner.base(IBM_Z)
    root = job.planner.origin.root(IBM_Z)
    assert job.planner.origin.phrase == "pulled"
    assert root
    assert root.reference == f"{roots.address}/debian@{digests['s390x']}"
    bootstrapped = job_on(main_job.workspace, Buildah(), "bootstrap").planner.base(IBM_Z)
    status = Buildah().read_file(bootstrapped.image, IBM_Z, STATUS_FILE)
    assert root.status.encode() == status
    assert f"FROM --platform={IBM_Z.oci} {root.reference}\n" in step.dockerfile
    assert (step.needs, step.context) == ((), ())
    roots.stop()
    try:
        build(job, step.name)
        log = tmp_path / "log"
        assert engine.run(step.image, IBM_Z, ["dpkg", "--print-architecture"], [], log, 120) == 0
        assert IBM_Z.debian in log.read_text().splitlines()
    finally:
        if engine.name == "buildah":
            remove_steps(job)


def test_both_platforms_keep_their_roots(engine: Engine, roots: Registry) -> None:
    """The second platform's pull takes the tag away from the first, and nothing else."""
    pinned = {target: engine.pull(roots.image, target) for target in TARGETS}
    roots.stop()
    for target, reference in pinned.items():
        assert engine.pull(reference, target) == reference
        packages = engine.read_file(reference, target, STATUS_FILE).decode()
        assert f"Architecture: {target.debian}\n" in packages


def test_a_lost_root_is_pulled_again(
    registry: Registry, workspace: Workspace, tmp_path: Path
) -> None:
    """As after somebody's `buildah prune`: the build folder remembers what the store lost."""
    engine, made = Buildah(), f"localhost/zport-test/root:{tmp_path.name}"
    context = tmp_path / "root"
    context.mkdir()
    (context / "status").write_text("Package: base-files\n")
    (context / "Dockerfile").write_text(
        f"FROM --platform={IBM_Z.oci} scratch\nCOPY status {STATUS_FILE}\n"
    )
    engine.build(context, made, IBM_Z, 0, tmp_path / "log")
    registry.push_roots([made])
    buildah("rmi", made)
    root = find_origin(workspace, engine, registry.image, [IBM_Z], "pull").root(IBM_Z)
    assert root
    buildah("rmi", root.reference, registry.image)
    with pytest.raises(EngineError):
        engine.read_file(root.reference, IBM_Z, STATUS_FILE)
    again = find_origin(workspace, engine, registry.image, [IBM_Z], "pull")
    assert again.root(IBM_Z) == root
    again.restore(engine, IBM_Z)
    registry.stop()
    assert engine.read_file(root.reference, IBM_Z, STATUS_FILE).decode() == root.status


def test_refresh_takes_what_the_registry_has_now(
    roots: Registry, seeded: Workspace, main_job: MainJob
) -> None:
    engine = Buildah()
    before = find_origin(seeded, engine, roots.image, [IBM_Z], "pull").root(IBM_Z)
    roots.push_roots([IMAGE])
    kept = find_origin(seeded, engine, roots.image, [IBM_Z], "pull").root(IBM_Z)
    now = find_origin(seeded, engine, roots.image, [IBM_Z], "pull", refresh=True).root(IBM_Z)
    assert kept == before
    assert now
    assert now.reference.endswith(roots.digests()["s390x"])
    assert now != before


def test_an_agent_is_built_on_a_pulled_root(
    roots: Registry, seeded: Workspace, tmp_path: Path
) -> None:
    """Builder, toolchain, wheel and agent, all on what the registry gave, which is gone by then."""
    engine = Buildah()
    job = job_on(seeded, engine, "pull", roots.image)
    step = job.agents[0].step
    roots.stop()
    try:
        build(job, step.name)
        log = tmp_path / "log"
        assert engine.run(step.image, IBM_Z, ["info"], [], log, 120) == 0
        assert "big-endian" in log.read_text()
    finally:
        remove_steps(job)


def test_without_a_registry_auto_makes_roots_from_packages(
    engine: Engine, workspace: Workspace
) -> None:
    origin = find_origin(workspace, engine, NOWHERE, TARGETS, "auto")
    assert origin.phrase == "made from packages"
    assert all(origin.root(target) is None for target in TARGETS)
    started = time.monotonic()
    assert isinstance(find_origin(workspace, engine, NOWHERE, TARGETS, "auto"), Origin)
    assert time.monotonic() - started < 1  # the answer is remembered


def test_without_a_registry_pull_is_refused(engine: Engine, workspace: Workspace) -> None:
    with pytest.raises(EngineError) as caught:
        find_origin(workspace, engine, NOWHERE, TARGETS, "pull")
    assert NOWHERE in str(caught.value)
    assert "--base bootstrap" in str(caught.value)
    assert not list(workspace.locks.rglob("*.json"))


def test_a_platform_that_the_registry_lacks_is_told(engine: Engine, registry: Registry) -> None:
    registry.push_roots([IMAGE])
    with pytest.raises(EngineError) as caught:
        engine.pull(registry.image, REFERENCE)
    assert registry.image in str(caught.value)


def test_pushed_agents_can_be_pulled_and_run(
    registry: Registry, main_job: MainJob, tmp_path: Path
) -> None:
    pushed = build_py(
        "--arch", "s390x", "--engine", "buildah", "--no-test", "--push", f"{registry.address}/ns"
    )
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    reference = f"{registry.address}/ns/{AGENT}:onnxruntime-1.21.0"
    assert f"published {reference}\n" in pushed.stdout
    engine, log = Buildah(), tmp_path / "log"
    pinned = engine.pull(reference, IBM_Z)
    assert engine.facts(pinned).layers == engine.facts(IMAGE).layers
    assert engine.run(pinned, IBM_Z, ["info"], [], log, 120) == 0
    assert "big-endian" in log.read_text()


def test_docker_pulls_what_buildah_pushed_and_the_other_way_round(
    registry: Registry, main_job: MainJob, tmp_path: Path
) -> None:
    docker, log = select_engine("docker"), tmp_path / "log"
    try:
        docker.check()
    except EngineError as error:
        pytest.skip(error.message)
    there, back = f"{registry.address}/ns/there:1", f"{registry.address}/ns/back:1"
    Buildah().push(IMAGE, there)
    pinned = docker.pull(there, IBM_Z)
    assert docker.run(pinned, IBM_Z, ["info"], [], log, 120) == 0
    assert "big-endian" in log.read_text()
    docker.push(there, back)
    assert Buildah().facts(Buildah().pull(back, IBM_Z)).layers == Buildah().facts(IMAGE).layers


def test_a_push_that_fails_is_told(engine: Engine, registry: Registry, main_job: MainJob) -> None:
    there, nowhere = f"{registry.address}/ns/there:1", "127.0.0.1:1/ns/there:1"
    Buildah().push(IMAGE, there)
    pinned = engine.pull(there, IBM_Z)
    try:
        with pytest.raises(EngineError) as caught:
            engine.push(pinned, nowhere)
    finally:
        subprocess.run(["docker", "rmi", nowhere], capture_output=True, check=False)
    assert nowhere in str(caught.value)
    assert "log in" in str(caught.value)


def test_push_to_nowhere_is_one_clear_message(main_job: MainJob) -> None:
    refused = build_py("--engine", "buildah", "--no-test", "--push", "127.0.0.1:1/ns")
    assert refused.returncode == RegistryError.exit_code, refused.stdout + refused.stderr
    assert f"127.0.0.1:1/ns/{AGENT}" in refused.stderr
    assert "Traceback" not in refused.stderr
