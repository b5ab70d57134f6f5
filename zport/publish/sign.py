"""Signatures by ``cosign``, with a key of the user's and no transparency log.

A log is public and on another host; who wants one signs the same digests again with cosign's own
command. ``key`` is a file or whatever else cosign takes, such as a key of a KMS. Its password comes
from ``COSIGN_PASSWORD``, or cosign asks for it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from zport.errors import RegistryError, TrustError, UsageError
from zport.publish.oras import LOGIN_HELP, Repository
from zport.publish.tools import run_tool, said_by

KEY_HELP = "make a pair with: cosign generate-key-pair; its password is read from COSIGN_PASSWORD"
UNSIGNED = "there is no signature of this key on it"


@dataclass(frozen=True)
class KeyPair:
    """A private key as cosign takes it, and the file with its public one."""

    private: str
    public: Path


@contextmanager
def key_pair(private: str) -> Iterator[KeyPair]:
    """A private key with its public one, which is there as long as the block runs.

    Raises :class:`UsageError` when there is no such key, or the password is another one.
    """
    with TemporaryDirectory(prefix="zport-") as folder:
        public = Path(folder) / "cosign.pub"
        done = _run("public-key", "--key", private, "--outfile", str(public))
        if done.returncode != 0:
            raise UsageError(f"cosign cannot use this key: {_reason(done)}", where=private,
                             next_step=KEY_HELP)  # fmt: skip
        yield KeyPair(private, public)


def sign(repository: Repository, digests: Iterable[str], pair: KeyPair) -> list[str]:
    """Sign what has no signature by this key yet; returns the digests that were signed.

    Raises :class:`RegistryError` when the registry does not take it.
    """
    new = [one for one in digests if not is_signed(repository, one, str(pair.public))]
    for digest in new:
        done = _run("sign", "--yes", "--tlog-upload=false", "--key", pair.private,
                    repository.at(digest))  # fmt: skip
        if done.returncode != 0:
            raise RegistryError(f"cosign cannot sign: {_reason(done)}", where=repository.at(digest),
                                next_step=LOGIN_HELP.format(repository.host))  # fmt: skip
    return new


def is_signed(repository: Repository, digest: str, public: str) -> bool:
    """Whether a digest has a signature that this public key verifies."""
    try:
        require_signature(repository, digest, public)
    except TrustError:
        return False
    return True


def require_signature(repository: Repository, digest: str, public: str) -> None:
    """Raise :class:`TrustError` unless a digest has a signature that this public key verifies.

    Raises :class:`UsageError` when there is no such key.
    """
    # No log is asked: the key alone decides.
    done = _run("verify", "--private-infrastructure", "--key", public, repository.at(digest))
    if done.returncode != 0:
        said = _reason(done)
        if "loading public key" in said:
            raise UsageError(said, where=public, next_step="name the file with the public key")
        unsigned = "no signatures found" in said or "no matching signatures" in said
        raise TrustError(
            UNSIGNED if unsigned else said,
            where=repository.at(digest),
            next_step="do not use it before you know why; check that the key is the publisher's",
        )


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return run_tool("cosign", *command)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    return re.sub(r"^(Error|error during command execution): ", "", said_by(done))
