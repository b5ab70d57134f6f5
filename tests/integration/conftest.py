"""What the integration tests share: the main job's real run, copies of the checkout, engines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from loopback_registry import Registry, running_registry
from playwright.sync_api import Browser, sync_playwright

from zport.engines import Engine, select_engine
from zport.errors import EngineError
from zport.targets import REFERENCE, TARGETS
from zport.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
IBM_Z = TARGETS["s390x"]
AGENT = "onnxruntime-debian"
"""The agent of the real runs: the same program and models, and nothing that compiles for long."""
IMAGE = f"localhost/zport/{AGENT}:1.21.0-{IBM_Z.name}"
PATIENCE = 2400
BROWSERS = ("chromium", "google-chrome")
SEEDED_FOLDERS = ("cache", "locks", "apt", "builds", "models")

Run = Callable[..., subprocess.CompletedProcess[str]]


def build_py(
    *arguments: str,
    root: Path = ROOT,
    wrap: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``./build.py`` as a user does, for this agent unless another is named."""
    return subprocess.run(
        [*wrap, "./build.py", "--agent", AGENT, *arguments], cwd=root, capture_output=True,
        text=True, timeout=PATIENCE, env={**os.environ, **(env or {})}, check=False,
    )  # fmt: skip


@dataclass(frozen=True)
class MainJob:
    """What ``./build.py --arch s390x --agent onnxruntime-debian`` said and left."""

    process: subprocess.CompletedProcess[str]
    results: dict[str, Any]
    workspace: Workspace

    def wheel(self) -> Path:
        wheels = self.workspace.wheels.glob("*/mlcommons_loadgen-*s390x.whl")
        return max(wheels, key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="session")
def main_job() -> MainJob:
    """The README's quick command, for real: Buildah, QEMU, every model of the smoke set."""
    if os.geteuid() != 0:
        pytest.skip("Buildah and binfmt need root")
    process = build_py("--arch", "s390x", "--engine", "buildah")
    assert process.returncode == 0, process.stdout + process.stderr
    workspace = Workspace(ROOT / "build")
    latest = max(workspace.results.glob("run-*.json"), key=lambda path: int(path.stem[4:]))
    return MainJob(process, json.loads(latest.read_text()), workspace)


@pytest.fixture(scope="session")
def agent_images() -> dict[str, str]:
    """The names of the agent's images, by target; built if they are not, and nothing is run."""
    if os.geteuid() != 0:
        pytest.skip("Buildah and binfmt need root")
    both = f"{IBM_Z.name},{REFERENCE.name}"
    process = build_py("--arch", both, "--no-test", "--engine", "buildah")
    assert process.returncode == 0, process.stdout + process.stderr
    return {one.name: f"localhost/zport/{AGENT}:1.21.0-{one.name}" for one in (IBM_Z, REFERENCE)}


@pytest.fixture
def daemon() -> docker.DockerClient:
    """Docker itself, where it answers; CI has it."""
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker daemon answers: {error}")
    return client


@pytest.fixture(params=["buildah", "docker"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that works here; CI has both."""
    chosen = select_engine(request.param)
    try:
        chosen.check()
    except EngineError as error:
        pytest.skip(f"{request.param}: {error.message}")
    return chosen


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry on loopback with storage of its own, which Buildah may ask without TLS."""
    with running_registry(tmp_path) as started:
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
        yield started


@pytest.fixture
def checkout(tmp_path: Path, main_job: MainJob) -> Path:
    """A copy of the checkout to change, with its own build folder and what was fetched already."""
    return copy_checkout(tmp_path, main_job)


def copy_checkout(folder: Path, main_job: MainJob, *built: str) -> Path:
    """A copy of the checkout in a folder, with what the main job has fetched and these folders
    of what it built; files of the build folder are links."""
    copy = folder / "zport"
    ignored = shutil.ignore_patterns(".git", ".venv*", "build", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, copy, ignore=ignored)
    for name in (*SEEDED_FOLDERS, *built):
        source = main_job.workspace.root / name
        if source.exists():
            target = copy / "build" / name
            shutil.copytree(source, target, copy_function=os.link, symlinks=True)
    return copy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        absent = f"none of {', '.join(BROWSERS)} is installed: run ci/setup-test-host"
        pytest.fail(absent) if os.environ.get("CI") else pytest.skip(absent)
    with sync_playwright() as playwright:
        # Root's Chromium has no sandbox; the page is a file of ours.
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()
