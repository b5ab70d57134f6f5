"""What an engine says before it does anything."""

import os
import threading
from types import SimpleNamespace

import pytest
from docker.errors import APIError

from zport.engines import TIMED_OUT, repository_of, select_engine
from zport.engines.buildah import Buildah
from zport.engines.docker import Docker
from zport.errors import EngineError, UsageError
from zport.targets import TARGETS


def test_buildah_wants_root_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(EngineError, match="root") as caught:
        Buildah().check()
    assert caught.value.exit_code == 9
    assert "sudo" in (caught.value.next_step or "")


def test_a_missing_buildah_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/none")
    with pytest.raises(EngineError, match="not installed"):
        Buildah().check()


def test_a_misspelt_engine_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        select_engine("dcoker")
    assert "did you mean docker?" in (caught.value.next_step or "")


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("localhost:5000/debian:slim", "localhost:5000/debian"),
        ("localhost:5000/debian", "localhost:5000/debian"),
        ("debian@sha256:" + "0" * 64, "debian"),
        ("host/a/b:1@sha256:" + "0" * 64, "host/a/b"),
    ],
)
def test_a_reference_without_its_tag(reference: str, repository: str) -> None:
    assert repository_of(reference) == repository


class Container:
    """A container of Docker's API that ends when it is killed, or after so many seconds."""

    def __init__(self, seconds: float = 60, status: int = 137, *, refuses: bool = False) -> None:
        self.seconds, self.status, self.refuses = seconds, status, refuses
        self.ended, self.removed = threading.Event(), threading.Event()

    def kill(self):
        self.ended.set()
        self.removed.wait(10)  # The answer comes when all else has been seen.
        if self.refuses:
            raise APIError("is not running")

    def logs(self, **_):
        self.ended.wait(self.seconds)
        yield b"a line"

    def wait(self):
        return {"StatusCode": self.status}

    def remove(self, **_):
        self.removed.set()


def run_in_docker(container, tmp_path, seconds):
    engine = Docker()
    containers = SimpleNamespace(run=lambda *_, **__: container)
    engine.__dict__["_client"] = SimpleNamespace(containers=containers)
    return engine.run("image", TARGETS["s390x"], ["true"], [], tmp_path / "log", seconds)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("refuses", [False, True])
def test_docker_tells_a_timeout_from_a_crash(tmp_path, refuses: bool) -> None:
    assert run_in_docker(Container(refuses=refuses), tmp_path, 0.05) == TIMED_OUT
    assert run_in_docker(Container(0, 139), tmp_path, 60) == 139
    assert (tmp_path / "log").read_bytes().endswith(b"a line")
