"""Images as people expect them: what is in them and what is not, and how they behave when run.

The content is looked at in the engine's own archive; Docker runs the images, hardened as an
orchestrator would: no rights, a root that cannot be written, no network.
"""

from __future__ import annotations

import gzip
import json
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import pytest
from conftest import AGENT, IBM_Z
from doubling import write_doubler

from zport.engines.buildah import Buildah
from zport.targets import REFERENCE

FORBIDDEN = (
    # compilers and their tools
    "*/bin/*gcc*", "*/bin/*g++*", "*/bin/cc", "*/bin/c++", "*/bin/cpp*", "*/cc1*", "*/bin/*clang*",
    "*/bin/as", "*/bin/ld", "*/bin/ld.[bg]*", "*/bin/make", "*/bin/cmake", "*/bin/ninja",
    "*/bin/ccache",
    # what only a linker or a compiler reads
    "*.a", "*.la", "*.o", "usr/include/*.hpp", "usr/include/numpy*",
    # caches and lists of packages, pip, logs, what a build leaves
    "var/lib/apt/lists/*_*", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb", "*.deb",
    "*/bin/pip*", "*/dist-packages/pip/*", "*/site-packages/*", "*/.cache/*", "*.whl",
    "var/log/*.log", "var/lib/dpkg/*-old", "var/cache/debconf/*-old", "tmp/?*", "var/tmp/?*",
    "packages/*", "wheels/*", "index-wheels/*", "*.orig", "*.rej", "*/.git/*",
    # secrets and traces of the host
    "root/.?*sh_history", "*/.netrc", "*/.docker/*", "*/id_rsa*", "*/.pypirc", "*/pip.conf",
)  # fmt: skip
EXPECTED = ("usr/share/zoneinfo/Europe/Berlin", "usr/bin/dumb-init", "usr/bin/python3.13")
AGENTS_OWN = "usr/local/lib/python3.13/dist-packages/zport_agent"
BYTECODE = "cpython-313.pyc"
SMALL = 400_000
"""Bytes, compressed, that a change of the agent's code may send again."""
LABELS = "org.opencontainers.image."
SECOND = 1_000_000_000

LOOK_AROUND = """
import json, locale, os, time, urllib.request
from datetime import datetime
from zoneinfo import ZoneInfo

def refused(path):
    try:
        open(path, "w")
    except OSError:
        return True
    return False

if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.2)
        os._exit(0)
    os._exit(0)
os.wait()

request = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1.5, -2]}]}
there = "http://127.0.0.1:8080/v2/models/doubler/infer"
answer = json.load(urllib.request.urlopen(there, json.dumps(request).encode()))
time.sleep(1.5)
states = [open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
          for pid in os.listdir("/proc") if pid.isdecimal()]
print(json.dumps({
    "user": os.getuid(),
    "first": open("/proc/1/cmdline").read().split("\\0"),
    "encoding": locale.getpreferredencoding(),
    "zone": time.tzname[0],
    "berlin": ZoneInfo("Europe/Berlin").utcoffset(datetime(2026, 1, 1)).total_seconds(),
    "read_only": [refused(path) for path in ("/x", "/tmp/x", "/usr/x")],
    "zombies": states.count("Z"),
    "data": answer["outputs"][0]["data"],
}))
"""


@dataclass(frozen=True)
class Image:
    """An agent's image as the archive that the engine saves."""

    name: str
    archive: Path

    def _load(self, member: str) -> Any:
        with tarfile.open(self.archive) as outer:
            file = outer.extractfile(member)
            assert file is not None
            return json.load(file)

    @cached_property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self._load(self._load("manifest.json")[0]["Config"])
        return config

    @cached_property
    def layers(self) -> list[list[str]]:
        """The names in each layer."""
        found = []
        with tarfile.open(self.archive) as outer:
            for layer in self._load("manifest.json")[0]["Layers"]:
                file = outer.extractfile(layer)
                with tarfile.open(fileobj=file) as inner:
                    found.append([one.name.strip("/") for one in inner if not one.isdir()])
        return found

    @property
    def files(self) -> list[str]:
        return [name for layer in self.layers for name in layer]

    def last_layer(self) -> bytes:
        with tarfile.open(self.archive) as outer:
            file = outer.extractfile(self._load("manifest.json")[0]["Layers"][-1])
            assert file is not None
            return file.read()


@pytest.fixture(scope="module")
def images(
    agent_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Image]:
    """The agent's images as archives, under names of this test's own."""
    folder, engine, found = tmp_path_factory.mktemp("images"), Buildah(), {}
    for target, image in agent_images.items():
        name = f"localhost/zport-test/image:{target}"
        engine.tag(image, name)
        found[target] = Image(name, folder / f"{target}.tar")
        engine.save(name, found[target].archive)
        engine.remove([name])
    return found


@pytest.fixture(params=[IBM_Z.name, REFERENCE.name])
def image(request: pytest.FixtureRequest, images: dict[str, Image]) -> Image:
    return images[request.param]


def test_nothing_is_in_it_that_no_model_needs(image: Image) -> None:
    found = [name for name in image.files if any(fnmatch(name, one) for one in FORBIDDEN)]
    assert found == []
    other = [name for name in image.files if name.endswith(".pyc") and BYTECODE not in name]
    assert other == []
    assert not set(EXPECTED) - set(image.files)


def test_labels_say_what_it_is(image: Image) -> None:
    said = image.config["config"]["Labels"]
    labels = {key.removeprefix(LABELS): value for key, value in said.items()}
    assert (labels["title"], labels["version"]) == (AGENT, "1.21.0")
    assert labels["licenses"] == "Apache-2.0 AND MIT"
    assert labels["description"]
    assert labels["base.name"].startswith(("localhost/zport/base:", "debian"))
    # The time is the content's, so that the same content has the same labels.
    assert labels["created"] == image.config["created"]
    assert datetime.fromisoformat(labels["created"]).tzinfo
    assert "revision" not in labels


def test_it_runs_as_nobody_in_particular(image: Image) -> None:
    config = image.config["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"][0] == "dumb-init"
    assert {"LANG=C.UTF-8", "HOME=/tmp"} <= set(config["Env"])
    assert not [one for one in config["Env"] if "TOKEN" in one or "PASSWORD" in one]


def test_a_change_of_the_agents_code_sends_its_own_small_layer(image: Image) -> None:
    *below, last = image.layers
    assert last
    assert all(name.startswith(AGENTS_OWN) for name in last)
    assert not [name for layer in below for name in layer if name.startswith(AGENTS_OWN)]
    size = len(gzip.compress(image.last_layer()))
    print(f"{image.name}: the agent's layer is {size} bytes, compressed")
    assert size < SMALL


def test_both_differ_in_nothing_but_the_architecture(images: dict[str, Image]) -> None:
    ours, other = (images[name].config["config"] for name in (IBM_Z.name, REFERENCE.name))
    base = f"{LABELS}base.name"
    ours["Labels"].pop(base), other["Labels"].pop(base)
    assert ours == other
    assert images[IBM_Z.name].config["architecture"] == IBM_Z.oci.partition("/")[2]
    # Python's own bytecode holds no architecture: the last layers are the same bytes.
    assert images[IBM_Z.name].last_layer() == images[REFERENCE.name].last_layer()


@pytest.fixture
def running(daemon: docker.DockerClient, image: Image, tmp_path: Path) -> Iterator[Any]:
    """A container that serves the model, once it is well; as hardened as can be."""
    with image.archive.open("rb") as file:
        daemon.images.load(file)
    container = daemon.containers.run(
        image.name, ["http", "--model", "/model"], detach=True, network_mode="none",
        platform=f"linux/{image.config['architecture']}", read_only=True, cap_drop=["ALL"],
        security_opt=["no-new-privileges"], pids_limit=100,
        volumes={str(write_doubler(tmp_path / "doubler")): {"bind": "/model", "mode": "ro"}},
        healthcheck={
            "test": ["CMD", "python3", "-m", "zport_agent", "health"],
            "interval": 3 * SECOND, "timeout": 60 * SECOND, "retries": 20,
        },
    )  # fmt: skip
    try:
        await_health(container)
        yield container
    finally:
        container.remove(force=True)
        daemon.images.remove(image.name, force=True)


def await_health(container: Any) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        container.reload()
        state = container.attrs["State"]
        if state["Health"]["Status"] == "healthy":
            return
        assert state["Running"], container.logs().decode()
        time.sleep(0.5)
    pytest.fail(json.dumps(state["Health"]) + container.logs().decode())


def test_it_serves_hardened_and_ends_within_a_second(running: Any) -> None:
    status, said = running.exec_run(["python3", "-c", LOOK_AROUND])
    assert status == 0, said.decode()
    found = json.loads(said)
    assert found["data"] == [3.0, -4.0]
    assert found["user"] == 65532
    assert "dumb-init" in " ".join(found["first"])
    assert (found["encoding"], found["zone"], found["berlin"]) == ("UTF-8", "UTC", 3600)
    assert found["read_only"] == [True, True, True]
    assert found["zombies"] == 0

    started = time.monotonic()
    running.kill("SIGTERM")
    status = running.wait(timeout=30)["StatusCode"]
    seconds = time.monotonic() - started
    print(f"ended {seconds:.2f} s after SIGTERM")
    assert (status, seconds < 1) == (143, True), seconds
