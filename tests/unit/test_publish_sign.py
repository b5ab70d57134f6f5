"""Signatures: what cosign says, the password of a key, and the credentials that it is given."""

import json
import subprocess
from pathlib import Path

import pytest

from zport.errors import RegistryError, TrustError, UsageError
from zport.publish import sign, tools
from zport.publish.oras import Repository
from zport.publish.run import Publication, require_possible
from zport.publish.sign import KeyPair, is_signed, key_pair, require_signature

DIGEST = f"sha256:{'1' * 64}"
HERE = Repository("r.example/team/x")
GET = "GET http://r.example/v2/team/x/manifests/sha256-1.sig:"


@pytest.fixture
def cosign(monkeypatch, tmp_path):
    """Every command that cosign is run with, its environment and its credentials; and what it says
    can be arranged."""

    class Cosign:
        said, calls, known = "", [], []

        def run(self, command, **options):
            environment = options["env"]
            self.calls.append((command[command.index("cosign") + 1 :], environment))
            config = Path(environment.get("DOCKER_CONFIG", tmp_path)) / "config.json"
            self.known.append(json.loads(config.read_text()) if config.exists() else None)
            return subprocess.CompletedProcess([], 1 if self.said else 0, "", self.said)

    made = Cosign()
    made.calls, made.known = [], []
    monkeypatch.setattr(tools, "require_command", lambda name: None)
    monkeypatch.setattr(tools.subprocess, "run", made.run)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    for name in ("COSIGN_PASSWORD", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.mark.parametrize(
    "said",
    [
        "no signatures found",
        "no matching signatures: invalid signature when validating ASN.1 encoded signature",
        "no matching signatures: invalid or missing digest in claim: sha256:1",
        "no matching signatures: failed to verify signature",
        f"no matching signatures: {GET} BLOB_UNKNOWN: blob unknown to registry",
    ],
)
def test_what_is_not_signed_is_told(cosign, said):
    cosign.said = f"Error: {said}\nerror during command execution: {said}\n"
    with pytest.raises(TrustError, match="no signature of this key"):
        require_signature(HERE, DIGEST, "cosign.pub")
    assert not is_signed(HERE, DIGEST, "cosign.pub")


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ('Get "https://r.example/v2/": dial tcp 127.0.0.1:1: connect: connection refused', "runs"),
        (f"{GET} UNAUTHORIZED: authentication required; [map[Action:pull]]", "docker login"),
        (f"{GET} unexpected status code 500 Internal Server Error", "runs"),
        ('Get "https://r.example/v2/": tls: failed to verify certificate: x509: unknown authority',
         "SSL_CERT_FILE"),
        (f"no matching signatures: {GET} unexpected status code 503", "runs"),
        ("something that was never said before", "runs"),
    ],
)  # fmt: skip
def test_what_the_registry_does_not_tell_is_not_unsigned(cosign, said, step):
    cosign.said = f"Error: {said}\n"
    for ask in (require_signature, is_signed):
        with pytest.raises(RegistryError, match="cosign cannot ask for signatures") as caught:
            ask(HERE, DIGEST, "cosign.pub")
        assert step in str(caught.value.next_step)


def test_a_key_that_is_none_is_told(cosign):
    cosign.said = "Error: loading public key: open cosign.pub: no such file or directory\n"
    with pytest.raises(UsageError, match="loading public key"):
        require_signature(HERE, DIGEST, "cosign.pub")


@pytest.fixture
def locked(tmp_path):
    """A private key with a password, as cosign writes it."""
    path = tmp_path / "cosign.key"
    path.write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nx\n")
    return str(path)


@pytest.fixture
def asked(monkeypatch):
    """How often the password was asked for; a terminal is there or not."""
    questions = []

    def arrange(terminal):
        monkeypatch.setattr(sign.sys.stdin, "isatty", lambda: terminal, raising=False)
        monkeypatch.setattr(sign, "getpass", lambda text: questions.append(text) or "typed")
        return questions

    return arrange


def test_the_password_is_asked_for_once(cosign, locked, asked, monkeypatch):
    questions = asked(True)
    monkeypatch.setattr(sign, "is_signed", lambda *_: False)
    with key_pair(locked) as pair:
        assert sign.sign(HERE, [DIGEST, DIGEST], pair) == [DIGEST, DIGEST]
    assert [command[0] for command, _ in cosign.calls] == ["public-key", "sign", "sign"]
    assert [environment["COSIGN_PASSWORD"] for _, environment in cosign.calls] == ["typed"] * 3
    assert len(questions) == 1
    assert locked in questions[0]
    assert "typed" not in repr(pair)
    assert not any("typed" in part for command, _ in cosign.calls for part in command)


def test_a_password_that_is_given_is_not_asked_for(cosign, locked, asked, monkeypatch):
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    with key_pair(locked) as pair:
        assert pair == KeyPair(locked, pair.public, None)
    assert cosign.calls[0][1]["COSIGN_PASSWORD"] == ""
    assert asked(True) == []


@pytest.mark.parametrize("private", ["awskms:///alias/x", "pkcs11:token=x", "absent.key"])
def test_other_keys_are_cosigns_matter(cosign, asked, private):
    questions = asked(False)
    with key_pair(private):
        assert "COSIGN_PASSWORD" not in cosign.calls[0][1]
    assert questions == []


def test_without_a_terminal_the_password_has_to_be_given(cosign, locked, asked):
    asked(False)
    with pytest.raises(UsageError, match="COSIGN_PASSWORD"), key_pair(locked):
        pass
    assert cosign.calls == []


def test_that_is_told_before_anything_is_built(locked, asked, monkeypatch):
    asked(False)
    monkeypatch.delenv("COSIGN_PASSWORD", raising=False)
    monkeypatch.setattr("zport.publish.run.require_command", lambda name: None)
    with pytest.raises(UsageError, match="COSIGN_PASSWORD"):
        require_possible(Publication("r.example/team", key=locked))


def test_credentials_are_the_same_as_those_of_oras(cosign, tmp_path, monkeypatch):
    known = {"auths": {"r.example": {"auth": "dTpw"}}}
    file = tmp_path / "run" / "containers" / "auth.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(known))
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text("{}")
    require_signature(HERE, DIGEST, "cosign.pub")
    require_signature(Repository("other.example/x"), DIGEST, "cosign.pub")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
    monkeypatch.setenv("DOCKER_CONFIG", "/elsewhere")
    require_signature(Repository("other.example/x"), DIGEST, "cosign.pub")
    assert cosign.known == [known, None, known]
    places = [environment.get("DOCKER_CONFIG") for _, environment in cosign.calls]
    assert places[1] is None
    assert not any(Path(place).exists() for place in (places[0], places[2]))
