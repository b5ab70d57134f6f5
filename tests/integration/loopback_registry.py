"""Debian's docker-registry on loopback, for tests: plain, or with TLS and a password."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from zport.engines.buildah import Buildah

INDEX = "application/vnd.oci.image.index.v1+json"
USER, PASSWORD = "tester", "not-to-be-seen-anywhere"
HTPASSWD = f"{USER}:$2b$05$.1azsyJXtlzCryd2c/lC2OaCr8.WfnwlXS8coupeD5RGYeXOITYcm\n"
"""The password as bcrypt, which is all that the registry takes."""


@dataclass(frozen=True)
class Registry:
    """A registry that was started for a test. ``folder`` has its storage, log and certificate."""

    address: str
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def image(self) -> str:
        """The reference that roots are asked for under."""
        return f"{self.address}/debian:trixie-slim"

    @property
    def log(self) -> str:
        """What it has written until now: every request is a line."""
        return (self.folder / "registry.log").read_text(errors="replace")

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    def blob(self, digest: str) -> Path:
        """The file of a blob or manifest in its storage."""
        name = digest.removeprefix("sha256:")
        blobs = self.folder / "registry" / "docker" / "registry" / "v2" / "blobs" / "sha256"
        return blobs / name[:2] / name / "data"

    def push_roots(self, names: list[str]) -> None:
        """Push local images as one reference of several platforms."""
        bundle = f"localhost/zport-test/roots:{self.address.rpartition(':')[2]}"
        buildah("manifest", "create", bundle)
        try:
            for name in names:
                buildah("manifest", "add", bundle, f"containers-storage:{name}")
            there = f"docker://{self.image}"
            # Of all its commands only this one does not read CONTAINERS_REGISTRIES_CONF.
            buildah("manifest", "push", "--all", "--tls-verify=false", bundle, there)
        finally:
            buildah("manifest", "rm", bundle)

    def digests(self) -> dict[str, str]:
        """The digest of the roots' index, under ``index``, and of each architecture's manifest."""
        url = f"http://{self.address}/v2/debian/manifests/trixie-slim"
        request = urllib.request.Request(url, headers={"Accept": INDEX})
        with urllib.request.urlopen(request, timeout=10) as answer:
            found = {"index": answer.headers["Docker-Content-Digest"]}
            manifests = json.load(answer)["manifests"]
        return found | {m["platform"]["architecture"]: m["digest"] for m in manifests}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running_registry(folder: Path, *, guarded: bool = False) -> Iterator[Registry]:
    """A registry as long as the block runs; ``guarded`` has TLS and asks for a password.

    In the folder lies a registries.conf that lets Buildah ask it without TLS.
    """
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed: ci/setup-test-host does it")
    address = f"127.0.0.1:{free_port()}"
    settings = folder / "registry.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder / 'registry'}}}}}\n"
        f"http: {{addr: '{address}'{_guard(folder) if guarded else '}'}\n"
    )
    clients = folder / "registries.conf"
    clients.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(settings)], stdout=log, stderr=subprocess.STDOUT
        )
    started = Registry(address, process, folder)
    try:
        _await(started, guarded)
        yield started
    finally:
        started.stop()
        _forget(address)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _guard(folder: Path) -> str:
    """The rest of the settings for TLS and a password, with a certificate for loopback."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=zport test", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"), "-out",
         str(folder / "cert.pem")],
        capture_output=True, check=True,
    )  # fmt: skip
    (folder / "htpasswd").write_text(HTPASSWD)
    return (
        f", tls: {{certificate: {folder / 'cert.pem'}, key: {folder / 'key.pem'}}}}}\n"
        f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}"
    )


def _await(registry: Registry, guarded: bool) -> None:
    context = ssl.create_default_context(cafile=registry.certificate) if guarded else None
    url = f"http{'s' if guarded else ''}://{registry.address}/v2/"
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=5, context=context).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the registry does not answer")


def _forget(address: str) -> None:
    """Take the names of a registry that is no more out of the engines' stores."""
    for name in Buildah().images():
        if name.startswith(address):
            buildah("rmi", name)
    if shutil.which("docker"):
        listed = subprocess.run(
            ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        names = [name for name in listed.stdout.split() if name.startswith(address)]
        if names:
            subprocess.run(["docker", "rmi", *names], capture_output=True, check=False)


@dataclass
class BreakingLine:
    """A way to a registry that is cut for good after so many bytes were sent to it."""

    registry: str
    limit: int
    sent: int = 0
    address: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")

    @contextmanager
    def open(self) -> Iterator[str]:
        """The address to speak to, as long as the block runs."""
        host, _, port = self.address.partition(":")
        with socket.create_server((host, int(port))) as server:
            threading.Thread(target=self._serve, args=(server,), daemon=True).start()
            yield self.address

    def _serve(self, server: socket.socket) -> None:
        host, _, port = self.registry.partition(":")
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            there = socket.create_connection((host, int(port)))
            threading.Thread(target=self._carry, args=(client, there), daemon=True).start()
            threading.Thread(target=self._carry, args=(there, client, False), daemon=True).start()

    def _carry(self, here: socket.socket, there: socket.socket, counted: bool = True) -> None:
        with suppress(OSError):
            while data := here.recv(65536):
                self.sent += len(data) if counted else 0
                if self.sent > self.limit:
                    break
                there.sendall(data)
        for end in (here, there):
            close_both_ways(end)


def close_both_ways(end: socket.socket) -> None:
    """Close a connection in both directions, were another thread still reading from it."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
