"""Repositories of a registry, read and filled by ``oras`` (the OCI project's own client).

It copies between an OCI layout and a registry, sends only the blobs that are not there, and hangs
referrers on a manifest by the registry's API or, where there is none, by the tags that the OCI
distribution specification names for that. Credentials are the user's own: what ``docker login``,
``podman login`` or ``buildah login`` wrote, or a credential helper.
"""

from __future__ import annotations

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
from zport.publish.layout import DIGEST, parse_object, well_formed
from zport.publish.tools import run_tool, said_by
from zport.workspace import read_json

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
        """A manifest or an index. Raises :class:`TrustError` for what is no JSON object."""
        done = self._run("manifest", "fetch", *self._options(), self.at(reference))
        self._check(done, reference)
        return parse_object(done.stdout, self.at(reference))

    def tag(self, digest: str, tags: Sequence[str]) -> None:
        """Give what has this digest these tags, wherever they stood before."""
        # One at a time: then the last one stands only if the others do.
        for name in tags:
            self._check(self._run("tag", *self._options(), self.at(digest), name), name)

    def _check_blobs(self, digest: str) -> None:
        """Ask for one blob after the other, to hear which of them is not what its digest says."""
        manifest = self.manifest(digest)
        with well_formed(self.at(digest)):
            images = [image["digest"] for image in manifest.get("manifests", [])]
            parts = (manifest.get("config"), *manifest.get("layers", []))
            blobs = [part["digest"] for part in parts if part]
        for image in images:
            self._check_blobs(image)
        for blob in blobs:
            asked = self.at(blob)
            done = self._run("blob", "fetch", *self._options(), "--output", os.devnull, asked)
            self._check_content(done, blob)

    def _check_content(self, done: subprocess.CompletedProcess[str], digest: str) -> None:
        if done.returncode != 0 and OTHER_CONTENT.search(done.stderr):
            raise TrustError(
                f"the registry does not give what the digests say: {_said(done)}",
                where=self.at(digest),
                next_step="do not use it: what is in the registry was changed, or its disk fails",
            )

    def _options(self, side: str = "") -> list[str]:
        prefix = f"--{side}-" if side else "--"
        credentials = credentials_file(self.name)
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
        return RegistryError(
            said,
            where=self.at(reference) if reference else self.name,
            next_step=registry_help(said, self.host),
        )


def _said(done: subprocess.CompletedProcess[str]) -> str:
    if PANIC in done.stderr:
        return "oras broke off in the middle, as it does when a connection is cut"
    return re.sub(r"^Error( response from registry)?: ", "", said_by(done))


def registry_help(said: str, host: str) -> str:
    """What to do about a registry of which a client said this."""
    if re.search("unauthorized|denied|forbidden|credential", said, re.IGNORECASE):
        return LOGIN_HELP.format(host)
    if "x509" in said or "certificate" in said:
        return CERTIFICATE_HELP
    return "check that the registry runs, and its name; what was sent is not sent again"


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


def credentials_file(repository: str) -> Path | None:
    """The file with the user's credentials for a repository, where it is not Docker's.

    Docker's file, which oras and cosign read by themselves, is taken where none of the others
    can answer for the repository, or ``DOCKER_CONFIG`` names it; ``REGISTRY_AUTH_FILE`` goes
    before all. The order is that of containers-auth.json(5).
    """
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        return Path(named)
    if "DOCKER_CONFIG" in os.environ:
        return None
    user = os.getuid()
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}")
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = [
        runtime / "containers" / "auth.json",
        Path(f"/run/containers/{user}/auth.json"),
        settings / "containers" / "auth.json",
    ]
    return next((path for path in places if _answers_for(read_json(path), repository)), None)


def _answers_for(file: Any, repository: str) -> bool:
    """Whether a file of credentials has those of a repository, or a helper to ask for them."""
    if not isinstance(file, dict):
        return False
    host, known, helpers = repository.partition("/")[0], file.get("auths"), file.get("credHelpers")
    if file.get("credsStore") or (isinstance(helpers, dict) and host in helpers):
        return True
    # An entry that is empty says only that a helper has it.
    return isinstance(known, dict) and any(
        entry and f"{repository}/".startswith(f"{_named(key)}/") for key, entry in known.items()
    )


def _named(key: str) -> str:
    """The registry, perhaps with a namespace, that an entry is for; old ones have a whole URL."""
    _, scheme, rest = key.partition("://")
    return rest.partition("/")[0] if scheme else key.rstrip("/")


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
