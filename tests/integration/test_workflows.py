"""The rendered GitHub workflow, done here: every step of every job in order, as a runner would.

Each job has a checkout without a build folder and gets what it downloads; matrix and publish have
an image store of their own too, so all that they use comes out of the registry. The first jobs have
what a runner's cache would restore: locks, fetched files and built images of this checkout.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import AGENT, IBM_Z, ROOT, SEEDED_FOLDERS
from loopback_registry import Registry

from zport.targets import REFERENCE

MODEL = "ppocr-direction"
SHARED_STORE = ("base", "image")
"""Roles whose jobs build, in the store where this checkout has built."""
VALUES = {"github.actor": "tester", "secrets.GITHUB_TOKEN": ""}


@dataclass
class Runner:
    """A machine that takes jobs one after the other, as a self-hosted one with a cache does."""

    folder: Path
    artefacts: Path = field(init=False)
    said: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.artefacts = self.folder / "artefacts"
        self.checkout = self.folder / "zport"
        ignored = shutil.ignore_patterns(".git", ".venv*", "build", "__pycache__", ".*_cache")
        shutil.copytree(ROOT, self.checkout, ignore=ignored)

    def run(self, name: str, job: Mapping[str, Any], common: Mapping[str, str]) -> None:
        """All steps of a job. Fails with what the step said."""
        environment = {**os.environ, **common}
        role = job["name"].partition(":")[0]
        if role in SHARED_STORE:
            self._restore_cache()
        else:
            environment["CONTAINERS_STORAGE_CONF"] = str(self._empty_store(name))
        for number, step in enumerate(job["steps"]):
            if "run" in step:
                own = {key: filled(value) for key, value in step.get("env", {}).items()}
                self._shell(f"{name}-{number}", step, {**environment, **own})
            else:
                self._use(step["uses"].partition("@")[0], step.get("with", {}))
        shutil.rmtree(self.checkout / "build", ignore_errors=True)

    def _shell(self, name: str, step: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        script = self.folder / f"{name}.sh"
        script.write_text(step["run"])
        started = time.monotonic()
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script], cwd=self.checkout,
            env=environment, capture_output=True, text=True, timeout=1500, check=False,
        )  # fmt: skip
        took = time.monotonic() - started
        self.said[step["name"]] = self.said.get(step["name"], "") + done.stdout
        print(f"{name} {step['name']}: {took:.1f} s\n{done.stdout[-3000:]}")
        assert done.returncode == 0, f"{name}: {step['run']}\n{done.stdout}\n{done.stderr}"

    def _use(self, action: str, inputs: Mapping[str, str]) -> None:
        if action == "actions/checkout":
            return
        path = self.checkout / inputs["path"]
        if action == "actions/download-artifact":
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(self.artefacts / inputs["name"], path)
        else:
            name = inputs.get("name", "github-pages")
            assert any(path.iterdir()), f"nothing to upload as {name}"
            shutil.copytree(path, self.artefacts / name)

    def _restore_cache(self) -> None:
        for name in SEEDED_FOLDERS:
            source = ROOT / "build" / name
            target = self.checkout / "build" / name
            if source.exists() and not target.exists():
                shutil.copytree(source, target, copy_function=os.link, symlinks=True)

    def _empty_store(self, name: str) -> Path:
        store = self.folder / f"store-{name}"
        settings = self.folder / f"store-{name}.conf"
        settings.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{store}/graph"\nrunroot = "{store}/run"\n'
        )
        return settings


def filled(text: str) -> str:
    """A text with the values of GitHub's expressions in it."""
    return re.sub(r"\$\{\{ *([\w.]+) *\}\}", lambda match: VALUES[match[1]], text)


@pytest.fixture
def runner(tmp_path: Path, agent_images: dict[str, str]) -> Iterator[Runner]:
    """A runner; its image stores are removed with it."""
    made = Runner(tmp_path / "runner")
    yield made
    for settings in made.folder.glob("store-*.conf"):
        environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(settings)}
        for command in (["rm", "--all"], ["rmi", "--all", "--force"]):
            subprocess.run(["buildah", *command], env=environment, capture_output=True, check=False)


def rendered(place: str) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "zport", "ci", "github", "--agent", AGENT, "--model", MODEL,
        "--no-bench", "--registry", place,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    workflow: dict[str, Any] = yaml.safe_load(done.stdout)
    return workflow


def test_the_whole_workflow_is_done_here(registry: Registry, runner: Runner) -> None:
    """From the first job to the published images and the page."""
    place = f"{registry.address}/zport"
    workflow = rendered(place)
    jobs = workflow["jobs"]
    page = jobs.pop("pages")
    assert page["needs"] == "report"
    needs = {name: set(job.get("needs", [])) for name, job in jobs.items()}
    for name in TopologicalSorter(needs).static_order():
        runner.run(name, jobs[name], {**workflow["env"], "CI": "true"})

    restored = runner.said["Restore the images"]
    assert f"restored  ONNX Runtime inference agent with Debian's own package for {IBM_Z.oci}" in (
        restored
    )
    assert " 0 built" in restored
    assert "1 of 1 cells pass" in runner.said["Run the models, compare the numbers"]
    index = skopeo(f"{place}/{AGENT}:latest")
    platforms = {entry["platform"]["architecture"] for entry in index["manifests"]
                 if entry["platform"]["os"] == "linux"}  # fmt: skip
    assert {IBM_Z.debian, REFERENCE.debian} <= platforms
    text = (runner.artefacts / "github-pages" / "index.html").read_text()
    assert MODEL in text
    assert len(list(runner.artefacts.glob("results-*"))) == 2


def test_the_project_s_own_workflow_is_what_zport_renders() -> None:
    path = ROOT / ".github" / "workflows" / "images.yml"
    _, command, *_ = path.read_text().splitlines()
    again = shlex.split(command.removeprefix("#   "))
    done = subprocess.run([sys.executable, "-m", *again], cwd=ROOT, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == path.read_text(), f"out of date; make it again: {shlex.join(again)}"


def skopeo(reference: str) -> dict[str, Any]:
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    index: dict[str, Any] = json.loads(done.stdout)
    return index
