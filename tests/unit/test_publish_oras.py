"""Names of registries and repositories, the user's credentials, and what oras' errors become."""

import json
import subprocess
from pathlib import Path

import pytest

from zport.errors import HostError, RegistryError, TrustError
from zport.publish import oras, tools
from zport.publish.oras import (
    Repository,
    credentials_file,
    find_reference,
    find_repository,
    speaks_plain,
)

DIGEST = f"sha256:{'1' * 64}"


@pytest.mark.parametrize("place", ["registry.example/team", "127.0.0.1:5000/a/b-c", "localhost/x/"])
def test_a_place_has_a_registry_and_a_namespace(place):
    assert find_repository(place, "leaf").name == f"{place.rstrip('/')}/leaf"


@pytest.mark.parametrize(
    "place",
    ["", "registry.example", "https://registry.example/team", "registry.example/Team",
     "registry.example/team:1", "registry.example/../x", "a b/c", "registry.example//x"],
)  # fmt: skip
def test_another_place_is_refused(place):
    with pytest.raises(RegistryError, match="not of the form REGISTRY/NAMESPACE"):
        find_repository(place, "leaf")


@pytest.mark.parametrize(
    ("image", "name", "reference"),
    [
        ("r.example/team/leaf", "r.example/team/leaf", "latest"),
        ("r.example:5000/team/leaf:1.0", "r.example:5000/team/leaf", "1.0"),
        (f"r.example/team/leaf@{DIGEST}", "r.example/team/leaf", DIGEST),
        (f"r.example/team/leaf:1.0@{DIGEST}", "r.example/team/leaf", DIGEST),
    ],
)
def test_an_image_is_named_as_tools_do(image, name, reference):
    assert find_reference(image) == (Repository(name), reference)


@pytest.mark.parametrize("image", ["leaf", "leaf:1", "r.example/leaf@sha256:0", "R/x/../y", ""])
def test_another_name_of_an_image_is_refused(image):
    with pytest.raises(RegistryError, match="not of the form"):
        find_reference(image)


def test_a_tag_and_a_digest_are_written_differently():
    assert Repository("r/x").at("1.0") == "r/x:1.0"
    assert Repository("r/x").at(DIGEST) == f"r/x@{DIGEST}"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


KNOWN = {"auth": "dTpw"}


def write(path: Path, *names: str, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": dict.fromkeys(names, KNOWN), **more}))
    return path


def test_credentials_are_in_the_first_file_that_has_them(home):
    podmans = home / "run" / "containers" / "auth.json"
    others = write(home / ".config" / "containers" / "auth.json", "r.example:5000")
    write(home / ".docker" / "config.json", "r.example:5000", "other.example")
    assert credentials_file("r.example:5000/team/x") == others
    write(podmans, "r.example:5000")
    assert credentials_file("r.example:5000/team/x") == podmans
    assert credentials_file("r.example/team/x") is None
    assert credentials_file("other.example/team/x") is None


def test_dockers_file_without_the_host_hides_no_other(home):
    podmans = write(home / "run" / "containers" / "auth.json", "r.example")
    write(home / ".docker" / "config.json")
    assert credentials_file("r.example/team/x") == podmans


def test_where_docker_and_podman_are_told_to_look_they_look(home, monkeypatch):
    write(home / "run" / "containers" / "auth.json", "r.example")
    monkeypatch.setenv("DOCKER_CONFIG", "/elsewhere")
    assert credentials_file("r.example/team/x") is None
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/elsewhere/auth.json")
    assert credentials_file("r.example/team/x") == Path("/elsewhere/auth.json")


@pytest.mark.parametrize(
    ("content", "has"),
    [
        ({"auths": {"r.example": KNOWN}}, True),
        ({"auths": {"r.example/team": KNOWN}}, True),
        ({"auths": {"r.example/team/x": KNOWN}}, True),
        ({"auths": {"https://r.example/v1/": KNOWN}}, True),
        ({"auths": {"r.example/te": KNOWN}}, False),
        ({"auths": {"r.example/other": KNOWN}}, False),
        ({"auths": {"r.example.org": KNOWN}}, False),
        ({"auths": {"r.example": {}}}, False),
        ({"auths": {"r.example": {}}, "credHelpers": {"r.example": "pass"}}, True),
        ({"credHelpers": {"other.example": "pass"}}, False),
        ({"credsStore": "pass"}, True),
        ({"auths": [], "credHelpers": []}, False),
        ([], False),
    ],
)
def test_a_file_has_credentials_or_asks_a_helper(home, content, has):
    path = write(home / "run" / "containers" / "auth.json")
    path.write_text(json.dumps(content))
    assert credentials_file("r.example/team/x") == (path if has else None)


def test_only_loopback_may_speak_plain():
    assert not speaks_plain("registry.example:5000")
    assert not speaks_plain("127.0.0.1:1")  # nobody answers there


@pytest.fixture
def oras_says(monkeypatch):
    monkeypatch.setattr(tools, "require_command", lambda name: None)
    monkeypatch.setattr(oras, "speaks_plain", lambda host: False)

    def arrange(stderr: str, code: int = 1, stdout: str = ""):
        done = subprocess.CompletedProcess([], code, stdout, stderr)
        monkeypatch.setattr(tools.subprocess, "run", lambda *a, **k: done)

    return arrange


def test_an_absent_tag_is_none(oras_says):
    oras_says("Error response from registry: failed to resolve digest: r/x:1: not found\n")
    assert Repository("r/x").resolve("1") is None
    with pytest.raises(RegistryError, match="no such image"):
        Repository("r/x").require("1")


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("Error: failed to resolve digest: GET https://r/v2/: unauthorized", "docker login"),
        ("Error response from registry: denied: requested access is denied", "podman login"),
        ("Error: tls: failed to verify certificate: x509: unknown authority", "SSL_CERT_FILE"),
        ("Error: dial tcp 1.2.3.4:443: connect: connection refused", "the registry runs"),
    ],
)
def test_an_error_says_what_to_do(oras_says, said, step):
    oras_says(f"{said}\nUsage: of oras\n")
    with pytest.raises(RegistryError) as caught:
        Repository("r.example/x").resolve("1")
    assert step in str(caught.value.next_step)
    assert not caught.value.message.startswith("Error")
    assert caught.value.where == "r.example/x:1"


def test_wrong_content_is_no_matter_of_the_registry(oras_says, tmp_path):
    oras_says("Error: failed to copy: mismatched digest")
    with pytest.raises(TrustError, match="does not give what the digests say"):
        Repository("r/x").fetch(DIGEST, tmp_path)


def test_what_was_sent_is_told(oras_says, tmp_path):
    oras_says("", 0, "Exists  111111111111 a\nCopying 222222222222 b\nCopied  222222222222 b\n")
    assert Repository("r/x").push(tmp_path, DIGEST) == {"222222222222"}


def test_without_oras_it_says_where_to_get_it(monkeypatch):
    monkeypatch.setattr(tools.shutil, "which", lambda name: None)
    with pytest.raises(HostError, match="oras is not installed") as caught:
        Repository("r/x").resolve("1")
    assert "package oras" in str(caught.value)
