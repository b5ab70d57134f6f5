"""Signatures by ``cosign``, with a key of the user's and no transparency log.

A log is public and on another host; who wants one signs the same digests again with cosign's own
command. ``key`` is a file or whatever else cosign takes, such as a key of a KMS. Its password comes
from ``COSIGN_PASSWORD``, or is asked for once.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getpass
from pathlib import Path
from tempfile import TemporaryDirectory

from zport.errors import RegistryError, TrustError, UsageError
from zport.publish.oras import Repository, credentials_file, registry_help
from zport.publish.tools import run_tool, said_by

PASSWORD = "COSIGN_PASSWORD"  # noqa: S105 - where it is, not what it is
KEY_HELP = f"make a pair with: cosign generate-key-pair; its password is read from {PASSWORD}"
UNSIGNED = "there is no signature of this key on it"
NOT_SIGNED = re.compile(
    "no (matching )?signatures|invalid signature|failed to verify|digest", re.IGNORECASE
)
"""What cosign says of an image without a good signature."""
NOT_ASKED = re.compile(r'\b(GET|HEAD|POST) "?https?://', re.IGNORECASE)
"""How it begins to tell of a request that failed, perhaps after the former."""
GONE = re.compile(r"(BLOB|MANIFEST|NAME)_UNKNOWN")
"""A failure of a request that does answer: the registry has not what was asked for."""


ELSEWHERE = re.compile(r"[a-z0-9]+://|pkcs11:")
"""How keys begin that are no files, but cosign's matter: of a KMS, a token, a URL."""


@dataclass(frozen=True)
class KeyPair:
    """A private key as cosign takes it with its password, and the file with its public one."""

    private: str
    public: Path
    password: str | None = field(default=None, repr=False)


@contextmanager
def key_pair(private: str) -> Iterator[KeyPair]:
    """A private key with its public one, which is there as long as the block runs.

    Its password is asked for where the environment does not have it. Raises :class:`UsageError`
    when there is no such key, or the password is another one or cannot be asked for.
    """
    require_password(private)
    password = ask_password(private) if _lacks_password(private) else None
    with TemporaryDirectory(prefix="zport-") as folder:
        public = Path(folder) / "cosign.pub"
        done = _run("public-key", "--key", private, "--outfile", str(public), password=password)
        if done.returncode != 0:
            raise UsageError(f"cosign cannot use this key: {_reason(done)}", where=private,
                             next_step=KEY_HELP)  # fmt: skip
        yield KeyPair(private, public, password)


def require_password(private: str) -> None:
    """Raise :class:`UsageError` when a key has a password that nobody is there to be asked for."""
    if _lacks_password(private) and not sys.stdin.isatty():
        raise UsageError(
            f"the key has a password, and it is not in {PASSWORD}",
            where=private,
            next_step=f"set {PASSWORD}, or run this in a terminal, where it is asked for",
        )


def ask_password(private: str) -> str:
    """The password of a key, typed by the user. cosign's own question would not be seen."""
    return getpass(f"password of {private}: ")


def _lacks_password(private: str) -> bool:
    """Whether a key is a file with a password that is not in the environment.

    Other keys are cosign's matter: a KMS and a token know their users in their own ways.
    """
    if PASSWORD in os.environ:
        return False
    try:
        return "ENCRYPTED" in Path(private).read_text().partition("\n")[0]
    except (OSError, ValueError):
        return False


def sign(repository: Repository, digests: Iterable[str], pair: KeyPair) -> list[str]:
    """Sign what has no signature by this key yet; returns the digests that were signed.

    Raises :class:`RegistryError` when the registry does not answer or does not take it.
    """
    new = [one for one in digests if not is_signed(repository, one, str(pair.public))]
    for digest in new:
        done = _run("sign", "--yes", "--tlog-upload=false", "--key", pair.private,
                    repository.at(digest), repository=repository,
                    password=pair.password)  # fmt: skip
        if done.returncode != 0:
            said = _reason(done)
            raise RegistryError(f"cosign cannot sign: {said}", where=repository.at(digest),
                                next_step=registry_help(said, repository.host))  # fmt: skip
    return new


def require_public(public: str | None) -> None:
    """Raise :class:`UsageError` for a public key that is asked for and is no file.

    It costs nothing, and what a network says of the rest would hide it.
    """
    if public is None or ELSEWHERE.match(public):
        return
    step = "name the file with the public key"
    if os.path.isdir(public):  # noqa: PTH112 - a path too long
        raise UsageError("a folder, and no key", where=f"--key {public}", next_step=step)
    if not os.path.exists(public):  # noqa: PTH110 - a path too long
        raise UsageError("no such key", where=f"--key {public}", next_step=step)


def is_signed(repository: Repository, digest: str, public: str) -> bool:
    """Whether a digest has a signature that this public key verifies.

    Raises :class:`RegistryError` when the registry does not tell.
    """
    try:
        require_signature(repository, digest, public)
    except TrustError:
        return False
    return True


def require_signature(repository: Repository, digest: str, public: str) -> None:
    """Raise :class:`TrustError` unless a digest has a signature that this public key verifies.

    Raises :class:`UsageError` when there is no such key, and :class:`RegistryError` when the
    registry does not tell.
    """
    # No log is asked: the key alone decides.
    done = _run("verify", "--private-infrastructure", "--key", public, repository.at(digest),
                repository=repository)  # fmt: skip
    if done.returncode != 0:
        said, where = _reason(done), repository.at(digest)
        if "loading public key" in said:
            raise UsageError(said, where=public, next_step="name the file with the public key")
        if not _denies(said):
            raise RegistryError(f"cosign cannot ask for signatures: {said}", where=where,
                                next_step=registry_help(said, repository.host))  # fmt: skip
        unsigned = "no signatures found" in said or "no matching signatures" in said
        raise TrustError(
            UNSIGNED if unsigned else said,
            where=where,
            next_step="do not use it before you know why; check that the key is the publisher's",
        )


def _denies(said: str) -> bool:
    """Whether cosign says that there is no good signature, and not that it could not look."""
    looked = not NOT_ASKED.search(said) or GONE.search(said) is not None
    return looked and NOT_SIGNED.search(said) is not None


def _run(
    *command: str, repository: Repository | None = None, password: str | None = None
) -> subprocess.CompletedProcess[str]:
    with _environment(repository, password) as environment:
        return run_tool("cosign", *command, env=environment)


@contextmanager
def _environment(repository: Repository | None, password: str | None) -> Iterator[dict[str, str]]:
    """What cosign is run with: the password of the key, and the credentials that oras has too."""
    environment = {**os.environ, **({PASSWORD: password} if password is not None else {})}
    credentials = credentials_file(repository.name) if repository else None
    if credentials is None:
        yield environment
        return
    # cosign takes no option for them. A link, so that no other file has them.
    with TemporaryDirectory(prefix="zport-") as folder:
        (Path(folder) / "config.json").symlink_to(credentials.absolute())
        yield {**environment, "DOCKER_CONFIG": folder}


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    return re.sub(r"^(Error|error during command execution): ", "", said_by(done))
