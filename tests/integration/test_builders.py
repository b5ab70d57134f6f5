"""Several build machines: two Docker daemons on loopback, one of them set up as the IBM Z node.

What they build is small, and made by the same code as every plan: steps with keys, a bake file,
``docker buildx bake`` through zport. The IBM Z node's programs run under QEMU here.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import IBM_Z, ROOT
from docker_node import DockerNode, NoDaemonError, wait_for

from zport import binfmt
from zport.debian.packages import Archive
from zport.distribution import TRIXIE
from zport.engines.buildx import bake, find_client, read_nodes, require_nodes
from zport.errors import EngineError
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index
from zport.steps.bake import write_bake
from zport.steps.step import ContextFile, Step, step_key
from zport.targets import REFERENCE, TARGETS, Target
from zport.workspace import Workspace

EPOCH = 1_700_000_000
BUILDER = "zport-test"
SHELL = "/usr/bin/busybox"
BOTH = (REFERENCE, IBM_Z)
SHORT, LONG = '"sleep", "1"', '"sleep", "30"'
"""The nodes' last commands; in the middle of the longer one the IBM Z node is killed."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Target, DockerNode]]:
    """The two daemons, as a builder; this machine's own daemon is the first one's."""
    if not shutil.which("dockerd"):
        pytest.skip("dockerd is not installed: ci/setup-test-host does it")
    folder = tmp_path_factory.mktemp("nodes")
    started = {target: DockerNode(target.name, folder / target.name) for target in BOTH}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUILDX_CONFIG", str(folder / "buildx"))
        patch.setenv("DOCKER_HOST", started[REFERENCE].daemon)
        try:
            for target, node in started.items():
                node.start()
                buildx("create", "--append", "--name", BUILDER, "--driver", "remote", "--node",
                       node.name, "--platform", target.oci, node.endpoint)  # fmt: skip
            binfmt.register_emulators([IBM_Z])
            yield started
        except NoDaemonError as problem:
            pytest.skip(f"no second Docker daemon starts here: {problem}")
        finally:
            for node in started.values():
                node.stop()


def buildx(*arguments: str) -> None:
    command = [find_client(), "buildx", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # The first --append makes the builder; buildx says so by an error, so it is made without.
    if done.returncode != 0 and "--append" in command:
        command.remove("--append")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def plan(tmp_path: Path) -> tuple[Path, dict[str, Step]]:
    """A bake file with a chain of steps for each target: a root, work that takes a while, an image
    that says which machine it was made on."""
    workspace = Workspace(tmp_path / "build")
    known = Workspace(ROOT / "build")
    fetcher = Fetcher(known, Index())
    archive = Archive(known, TRIXIE, [target.debian for target in BOTH])
    steps: dict[str, Step] = {}
    for target in BOTH:
        package = archive.closure([target.debian], ["busybox-static"]).packages[0]
        fetcher.debian([package])
        root = tmp_path / f"root-{target.name}.tar"
        with root.open("wb") as file:
            archived = str(fetcher.cached(package.sha256))
            subprocess.run(["dpkg-deb", "--fsys-tarfile", archived], stdout=file, check=True)
        add(steps, "root", target, "FROM scratch\nADD root.tar /\n",
            [ContextFile.local("root.tar", root)])  # fmt: skip
        add(steps, "work", target, f"FROM {steps[f'root-{target.name}'].image}\n"
            f'RUN ["{SHELL}", "sh", "-c", "{SHELL} uname -m >/machine"]\n'
            f'RUN ["{SHELL}", "sh", "-c", "! {SHELL} nc -w 1 127.0.0.1 80"]\n'
            f'RUN ["{SHELL}", {LONG if target == IBM_Z else SHORT}]\n', needs="root")  # fmt: skip
        add(steps, "image", target, f"FROM {steps[f'work-{target.name}'].image}\n"
            'LABEL org.opencontainers.image.title="made on a node"\n', needs="work")  # fmt: skip
    wanted = [f"image-{target.name}" for target in BOTH]
    return write_bake(steps, wanted, workspace, fetcher), steps


def add(
    steps: dict[str, Step],
    role: str,
    target: Target,
    text: str,
    context: list[ContextFile] | None = None,
    needs: str | None = None,
) -> None:
    name, files = f"{role}-{target.name}", tuple(context or ())
    dockerfile = text.replace("FROM ", f"FROM --platform={target.oci} ")
    steps[name] = Step(
        name, name, role, target, "", f"localhost/zport-test/{role}", target.name, EPOCH,
        (f"{needs}-{target.name}",) if needs else (), dockerfile, files,
        step_key(dockerfile, list(files)),
    )  # fmt: skip


def images() -> set[str]:
    asked = subprocess.run(
        [find_client(), "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(asked.stdout.split())


def test_a_killed_node_is_named_and_the_next_run_goes_on(
    nodes: dict[Target, DockerNode], plan: tuple[Path, dict[str, Step]], tmp_path: Path
) -> None:
    """Each target is built by its own node. The IBM Z node dies in the middle."""
    file, steps = plan
    wanted = [f"image-{target.name}" for target in BOTH]
    found = require_nodes(BUILDER, BOTH)
    assert {node.name: node.native for node in found} == {
        target.name: frozenset([target.oci]) for target in BOTH
    }

    log = tmp_path / "killed.log"
    said: list[Exception] = []

    def build() -> None:
        try:
            bake(file, wanted, BUILDER, log)
        except EngineError as error:
            said.append(error)

    running = threading.Thread(target=build)
    running.start()
    own = steps[f"image-{REFERENCE.name}"].image
    assert wait_for(lambda: own in images() and LONG in log.read_text(), 90), log.read_text()
    nodes[IBM_Z].kill()
    running.join(120)
    assert len(said) == 1, log.read_text()
    error = said[0]
    assert isinstance(error, EngineError)
    assert f"node {IBM_Z.name} at {nodes[IBM_Z].endpoint} does not answer" in error.message
    assert error.where == f"builder {BUILDER}"
    assert "start it again" in str(error.next_step)
    assert error.log == log
    with pytest.raises(EngineError, match=f"node {IBM_Z.name} at"):
        require_nodes(BUILDER, BOTH)

    nodes[IBM_Z].start()
    again = tmp_path / "again.log"
    bake(file, wanted, BUILDER, again)
    assert {steps[name].image for name in wanted} <= images()
    text = again.read_text()
    assert was_cached(text, f"-{REFERENCE.name} ", SHORT)
    assert was_cached(text, f"-{IBM_Z.name} ", "uname")
    for target in BOTH:
        assert machine_of(steps[f"image-{target.name}"], tmp_path) == target.machine


def was_cached(log: str, *parts: str) -> bool:
    """Whether the build step whose line has these parts was taken from a node's cache."""
    numbers = [line.partition(" ")[0] for line in log.splitlines() if all(p in line for p in parts)]
    assert numbers, log
    return f"{numbers[0]} CACHED" in log


def machine_of(step: Step, folder: Path) -> str:
    """What the image says of the machine that made it."""
    made = [find_client(), "create", "--platform", step.target.oci, step.image, "/none"]
    container = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
    target = folder / f"machine-{step.target.name}"
    subprocess.run([find_client(), "cp", f"{container}:/machine", target], check=True,
                   capture_output=True)  # fmt: skip
    subprocess.run([find_client(), "rm", container], check=True, capture_output=True)
    return target.read_text().strip()


def test_a_target_without_a_node_is_named(nodes: dict[Target, DockerNode]) -> None:
    absent = TARGETS["ppc64le"]
    if any(absent.oci in node.platforms for node in read_nodes(BUILDER)):
        pytest.skip(f"{absent.oci} is emulated here")
    with pytest.raises(EngineError, match=f"no node for {absent.oci}") as caught:
        require_nodes(BUILDER, [absent])
    assert "--append" in str(caught.value.next_step)


def test_a_builder_that_does_not_exist_is_named(nodes: dict[Target, DockerNode]) -> None:
    with pytest.raises(EngineError, match="no builder") as caught:
        read_nodes("zport-none")
    assert "docker buildx create" in str(caught.value.next_step)
