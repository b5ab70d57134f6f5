"""What an engine says before it does anything."""

import os

import pytest

from zport.engines import repository_of, select_engine
from zport.engines.buildah import Buildah
from zport.errors import EngineError, UsageError


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
