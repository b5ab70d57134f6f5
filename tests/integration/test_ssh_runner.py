"""Cells on another machine: sshd and Podman on loopback, whose connections are cut; and, where
``ZPORT_EMULATED_MACHINE`` is set (``make ssh``), a machine of another architecture, emulated whole.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import emulated_machine
import pytest
import yaml
from conftest import AGENT, PATIENCE, MainJob, copy_checkout

SLOW = "\n    import time\n    time.sleep(12)\n"


class Loopback:
    """An sshd on loopback; what runs behind it has Podman with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in self._files().items():
            (folder / name).write_text(text)
        for key in ("host", "key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True
            )
        shutil.copy(folder / "key.pub", folder / "authorized")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.listen()

    def _files(self) -> dict[str, str]:
        folder = self.folder
        return {
            "sshd_config": f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            "ListenAddress 127.0.0.1\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            f"SetEnv HOME={folder} CONTAINERS_STORAGE_CONF={folder}/storage.conf "
            f"CONTAINERS_CONF={folder}/containers.conf\n",
            "ssh_config": f"IdentityFile {folder}/key\nIdentitiesOnly yes\n"
            "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n",
            "storage.conf": f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\n'
            f'graphroot = "{folder}/store"\n',
            # The defaults are more than root may have in some containers.
            "containers.conf": "[containers]\n"
            'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            'log_driver = "k8s-file"\n[engine]\ncgroup_manager = "cgroupfs"\n'
            # crun refuses cgroups of both versions side by side, which some machines have.
            'runtime = "runc"\n'
            'events_logger = "file"\n',
        }

    @property
    def url(self) -> str:
        return f"ssh://root@127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Let new connections come."""
        Path("/run/sshd").mkdir(exist_ok=True)
        self.daemon = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", self.folder / "sshd_config", "-p", str(self.port)],
            stderr=(self.folder / "sshd.log").open("ab"),
        )

    def cut(self) -> int:
        """Break every connection; returns how many there were. None can come until ``listen``."""
        children = Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").read_text()
        self.daemon.kill()
        self.daemon.wait()
        for child in children.split():
            os.kill(int(child), signal.SIGKILL)
        return len(children.split())

    def podman(self, *arguments: str) -> str:
        environment = {
            "CONTAINERS_STORAGE_CONF": f"{self.folder}/storage.conf",
            "CONTAINERS_CONF": f"{self.folder}/containers.conf",
        }
        done = subprocess.run(["podman", *arguments], env=os.environ | environment, check=True,
                              capture_output=True, text=True)  # fmt: skip
        return done.stdout.strip()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    if not (shutil.which("podman") and Path("/usr/sbin/sshd").exists()):
        pytest.skip("needs openssh-server and podman: ci/setup-test-host")
    running = Loopback(tmp_path_factory.mktemp("far"))
    yield running
    running.cut()
    running.podman("rm", "--all", "--force")
    running.podman("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def project(main_job: MainJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a model that takes its time, and a build folder that has fetched all."""
    copy = copy_checkout(tmp_path_factory.mktemp("near"), main_job, "wheels")
    shutil.copytree(copy / "models" / "silero-vad", copy / "models" / "slow")
    manifest = copy / "models" / "slow" / "manifest.yml"
    document = yaml.safe_load(manifest.read_text())
    head = "def preprocess(ctx, data):\n"
    slowed = document["preprocess"].replace(head, head.rstrip("\n") + SLOW)
    manifest.write_text(yaml.safe_dump(document | {"name": "slow", "preprocess": slowed}))
    return copy


def start(
    project: Path, config: Path, *arguments: str, verb: str = "matrix"
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "zport", verb, "--engine", "buildah", "--agent", AGENT, *arguments],
        cwd=project, env=os.environ | {"ZPORT_SSH_CONFIG": str(config)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def far_cells(project: Path) -> list[dict]:
    """The last run's cells on the other machine."""
    runs = (project / "build/results").glob("run-*.json")
    newest = max(runs, key=lambda path: int(path.stem[4:]))
    cells = json.loads(newest.read_text())["cells"]
    return [cell for cell in cells if cell["runner"].startswith("ssh://")]


def until(met: object, patience: float = 300) -> None:
    deadline = time.monotonic() + patience
    while not met():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_lost_connections_are_taken_up_again(machine: Loopback, project: Path) -> None:
    """Cut while the image is sent, and while the cells run; then nobody listens for a while."""
    running = start(project, machine.folder / "ssh_config", "--arch", "amd64", "--runner",
                    machine.url, "--model", "slow,silero-vad")  # fmt: skip
    home = machine.folder / ".cache/zport"
    cuts = 0
    for moment in ("incoming/agent-*", "batches/*/out/claims/*"):
        until(lambda moment=moment: running.poll() is not None or list(home.glob(moment)))
        cuts += machine.cut() > 0
        time.sleep(3)
        machine.listen()
    said = running.communicate(timeout=PATIENCE)[0]
    assert running.returncode == 0, said
    assert cuts == 2, said
    cells = far_cells(project)
    assert {(c["model"], c["verdict"], c["compared_with"]) for c in cells} == {
        ("slow", "pass", "amd64 in this run"), ("silero-vad", "pass", "amd64 in this run")
    }  # fmt: skip
    assert all(cell["bench"]["valid"] for cell in cells)
    assert not machine.podman("ps", "--all", "--quiet")
    assert not list(home.glob("batches/*")) + list(home.glob("incoming/*"))


def test_the_image_is_sent_once(machine: Loopback, project: Path) -> None:
    images = machine.folder / "store/overlay-images/images.json"
    before = images.stat().st_mtime_ns
    again = start(project, machine.folder / "ssh_config", "--arch", "amd64", "--runner",
                  machine.url, "--model", "magika")  # fmt: skip
    said = again.communicate(timeout=PATIENCE)[0]
    assert again.returncode == 0, said
    assert images.stat().st_mtime_ns == before
    assert [cell["verdict"] for cell in far_cells(project)] == ["pass"]


def test_a_bench_runs_there_with_the_image_that_was_sent(machine: Loopback, project: Path) -> None:
    images = machine.folder / "store/overlay-images/images.json"
    before = images.stat().st_mtime_ns
    running = start(project, machine.folder / "ssh_config", "--arch", "amd64", "--runner",
                    machine.url, "--model", "silero-vad", "--scenario", "SingleStream",
                    "--accuracy", verb="bench")  # fmt: skip
    said = running.communicate(timeout=PATIENCE)[0]
    assert running.returncode == 0, said
    assert images.stat().st_mtime_ns == before
    paths = (project / "build/bench/silero-vad").glob("*/*/*/*/record.json")
    kept = {path: json.loads(path.read_text()) for path in paths}
    (path,) = [path for path, record in kept.items() if record["runner"] == machine.url]
    assert kept[path]["valid"]
    assert (path.parent / "accuracy").is_dir()


def test_work_goes_on_when_zport_dies(machine: Loopback, project: Path) -> None:
    """kill -9 in the middle; the next run finds the container that still works."""
    shutil.rmtree(project / "build/results/cells")
    arguments = ("--arch", "amd64", "--runner", machine.url, "--model", "slow")
    first = start(project, machine.folder / "ssh_config", *arguments)
    until(lambda: list(machine.folder.glob(".cache/zport/batches/*/out/claims/*")))
    first.kill()
    first.communicate()
    container = machine.podman("ps", "--quiet")
    assert container
    second = start(project, machine.folder / "ssh_config", *arguments)
    seen = set()
    while second.poll() is None:
        seen |= set(machine.podman("ps", "--quiet").split())
        time.sleep(0.5)
    assert second.returncode == 0, second.communicate()[0]
    assert seen <= {container}
    assert [cell["verdict"] for cell in far_cells(project)] == ["pass"]


def test_a_machine_of_another_architecture_is_refused_with_a_reason(
    machine: Loopback, project: Path
) -> None:
    refused = start(project, machine.folder / "ssh_config", "--arch", "arm64", "--runner",
                    machine.url, "--model", "silero-vad")  # fmt: skip
    said = refused.communicate(timeout=PATIENCE)[0]
    assert refused.returncode == 2, said
    assert "runs none of arm64" in said


@pytest.mark.skipif("ZPORT_EMULATED_MACHINE" not in os.environ, reason="make ssh: it takes long")
def test_another_machine_that_is_ibm_z(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Debian's kernel on an emulated machine of IBM Z: the same numbers as here."""
    times = [time.monotonic()]
    emulated_machine.make_disk(tmp_path)
    times.append(time.monotonic())
    other = emulated_machine.start(tmp_path)
    try:
        other.await_ssh()
        times.append(time.monotonic())
        running = start(project, other.config, "--runner", other.url, "--model", "silero-vad",
                        "--patience", "20")  # fmt: skip
        said = running.communicate(timeout=PATIENCE)[0]
        times.append(time.monotonic())
    finally:
        other.stop()
    assert running.returncode == 0, said + other.console
    (cell,) = far_cells(project)
    assert (cell["verdict"], cell["compared_with"]) == ("pass", "amd64 in this run")
    info = json.loads((Path(cell["folder"]) / "result.json").read_text())["info"]
    assert info["byte_order"] == "big", info
    with capsys.disabled():
        disk, boot, cells = (after - before for before, after in pairwise(times))
        print(f"\nmade in {disk:.0f} s, ssh after {boot:.0f} s, zport matrix took {cells:.0f} s, "
              f"of which the cell {cell['seconds']:.0f} s")  # fmt: skip
