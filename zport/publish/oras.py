"""Repositories of a registry, read and filled by ``oras`` (the OCI project's own client).

It copies between an OCI layout and a registry, sends only the blobs that are not there, and hangs
referrers on a manifest by the registry's API or, where there is none, by the tags that the OCI
distribution specification names for that. Credentials are the user's own: what ``docker login``,
``podman login`` or ``buildah login`` wrote, or a credential helper.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from zport.engines import is_loopback
from zport.errors import RegistryError, TrustError
from zport.publish.layout import DIGEST
from zport.publish.tools import run_tool, said_by

NAMESPACE = r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)+"
PLACE = re.compile(rf"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?)(?P<path>{NAMESPACE})")
"""A registry with a namespace, as the OCI distribution specification has names."""
SENT = re.compile(r"^(?:Copied|Uploaded) +([0-9a-f]{12}) ", re.MULTILINE)
CERTIFICATE_HELP = "name its certificate authority in SSL_CERT_FILE"
PANIC = "panic: "
"""oras 1.2 crashes where two of the blobs that it copies at once fail in different ways."""
OTHER_CONTENT = re.compile("mismatch|unexpected EOF|trailing data|invalid digest")
"""What Go's registry clients say of content that has not the digest or size it is asked for by."""
LOGIN_HELP = "log in with: docker login, podman login or buildah login {0}"


@dataclass(frozen=True)
class Repository:
    """A repository: ``registry.example:5000/namespace/name``.

    Its methods raise :class:`RegistryError` when the registry does not answer or refuses, and
    :class:`zport.errors.HostError` without oras.
    """

    name: str

    @property
    def host(self) -> str:
        """The registry, with its port."""
        return self.name.partition("/")[0]

    def at(self, reference: str) -> str:
        """The full name of a tag or digest in it."""
        return f"{self.name}{'@' if DIGEST.fullmatch(reference) else ':'}{reference}"

    def resolve(self, reference: str) -> str | None:
        """The digest that a tag or digest stands for, or ``None`` where there is none."""
        done = self._run("resolve", *self._options(), self.at(reference))
        if done.returncode == 0:
            return done.stdout.strip()
        if done.stderr.strip().endswith("not found"):
            return None
        raise self._error(done, reference)

    def require(self, reference: str) -> str:
        """The digest as :meth:`resolve` has it; :class:`RegistryError` where there is none."""
        digest = self.resolve(reference)
        if digest is None:
            raise RegistryError(
                "there is no such image or artefact",
                where=self.at(reference),
                next_step=f"see what is there: oras repo tags {self.name}",
            )
        return digest

    def tags(self) -> list[str]:
        """All tags of the repository; none where it does not exist."""
        done = self._run("repo", "tags", *self._options(), self.name)
        if done.returncode != 0:
            if re.search("name unknown|not found", done.stderr):
                return []
            raise self._error(done, None)
        return done.stdout.split()

    def push(self, layout: Path, digest: str, *, referrers: bool = False) -> set[str]:
        """Copy a manifest and all that it names from a layout, under its digest and no tag.

        With its ``referrers`` if that is said. Returns how the digests of the blobs begin that
        were sent because they were not there.
        """
        done = self._run(
            "cp", "--no-tty", "--verbose", *(["--recursive"] if referrers else []),
            *self._options("to"), "--from-oci-layout", f"{layout}@{digest}", self.name,
        )  # fmt: skip
        self._check(done, digest)
        return set(SENT.findall(done.stdout))

    def fetch(self, digest: str, layout: Path, *, referrers: bool = False) -> None:
        """Copy a manifest and all that it names into a layout, as :meth:`push` does."""
        done = self._run(
            "cp", "--no-tty", *(["--recursive"] if referrers else []), *self._options("from"),
            self.at(digest), "--to-oci-layout", str(layout),
        )  # fmt: skip
        if PANIC in done.stderr:
            self._check_blobs(digest)
        self._check_content(done, digest)
        self._check(done, digest)

    def manifest(self, reference: str) -> dict[str, Any]:
        """A manifest or an index."""
        done = self._run("manifest", "fetch", *self._options(), self.at(reference))
        self._check(done, reference)
        content: dict[str, Any] = json.loads(done.stdout)
        return content

    def tag(self, digest: str, tags: Sequence[str]) -> None:
        """Give what has this digest these tags, wherever they stood before."""
        # One at a time: then the last one stands only if the others do.
        for name in tags:
            self._check(self._run("tag", *self._options(), self.at(digest), name), name)

    def _check_blobs(self, digest: str) -> None:
        """Ask for one blob after the other, to hear which of them is not what its digest says."""
        manifest = self.manifest(digest)
        for image in manifest.get("manifests", []):
            self._check_blobs(image["digest"])
        for blob in (manifest.get("config"), *manifest.get("layers", [])):
            if blob:
                asked = self.at(blob["digest"])
                done = self._run("blob", "fetch", *self._options(), "--output", os.devnull, asked)
                self._check_content(done, blob["digest"])

    def _check_content(self, done: subprocess.CompletedProcess[str], digest: str) -> None:
        if done.returncode != 0 and OTHER_CONTENT.search(done.stderr):
            raise TrustError(
                f"the registry does not give what the digests say: {_said(done)}",
                where=self.at(digest),
                next_step="do not use it: what is in the registry was changed, or its disk fails",
            )

    def _options(self, side: str = "") -> list[str]:
        prefix = f"--{side}-" if side else "--"
        credentials = credentials_file()
        return [
            *([f"{prefix}plain-http"] if speaks_plain(self.host) else []),
            *([f"{prefix}registry-config", str(credentials)] if credentials else []),
        ]

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_tool("oras", *arguments, stdin=subprocess.DEVNULL)

    def _check(self, done: subprocess.CompletedProcess[str], reference: str) -> None:
        if done.returncode != 0:
            raise self._error(done, reference)

    def _error(
        self, done: subprocess.CompletedProcess[str], reference: str | None
    ) -> RegistryError:
        said = _said(done)
        step = "check that the registry runs, and its name; what was sent is not sent again"
        if re.search("unauthorized|denied|forbidden|credential", said, re.IGNORECASE):
            step = LOGIN_HELP.format(self.host)
        elif "x509" in said or "certificate" in said:
            step = CERTIFICATE_HELP
        return RegistryError(
            said,
            where=self.at(reference) if reference else self.name,
            next_step=step,
        )


def _said(done: subprocess.CompletedProcess[str]) -> str:
    if PANIC in done.stderr:
        return "oras broke off in the middle, as it does when a connection is cut"
    return re.sub(r"^Error( response from registry)?: ", "", said_by(done))


def find_repository(place: str, name: str) -> Repository:
    """The repository of that name in ``REGISTRY/NAMESPACE``.

    Raises :class:`RegistryError` for a place that is not of that form.
    """
    place = place.rstrip("/")
    if not PLACE.fullmatch(place):
        raise RegistryError(
            "not of the form REGISTRY/NAMESPACE",
            where=place,
            next_step="for example registry.example:5000/team (lower case, no scheme, no tag)",
        )
    return Repository(f"{place}/{name}")


def find_reference(image: str) -> tuple[Repository, str]:
    """An image's repository, and its tag or digest; without one it is ``latest``.

    Raises :class:`RegistryError` for what names no registry.
    """
    name, at, digest = image.partition("@")
    head, _, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    if not PLACE.fullmatch(f"{head}/{last}") or (at and not DIGEST.fullmatch(digest)):
        raise RegistryError(
            "not of the form REGISTRY/NAMESPACE/NAME:TAG or …@sha256:DIGEST", where=image,
            next_step="for example registry.example:5000/team/onnxruntime:latest",
        )  # fmt: skip
    return Repository(f"{head}/{last}"), digest or tag or "latest"


def credentials_file() -> Path | None:
    """The file with the user's credentials where it is not Docker's, which oras reads itself.

    The order is that of containers-auth.json(5).
    """
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        return Path(named)
    if "DOCKER_CONFIG" in os.environ or (Path.home() / ".docker" / "config.json").exists():
        return None
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    places = [Path(runtime), Path(f"/run/containers/{os.getuid()}")]
    found = [places[0] / "containers" / "auth.json", places[1] / "auth.json"]
    return next((path for path in found if path.exists()), None)


@cache
def speaks_plain(host: str) -> bool:
    """Whether a registry on this machine speaks HTTP and not HTTPS; any other has to speak HTTPS.

    Docker and cosign take the same exception for loopback addresses.
    """
    address, _, port = host.partition(":")
    if not is_loopback(address):
        return False
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # What it is asked is only whether it is TLS at all.
    try:
        with (
            socket.create_connection((address, int(port or 443)), timeout=5) as plain,
            context.wrap_socket(plain),
        ):
            return False
    except ssl.SSLError:
        return True
    except OSError:
        return False
