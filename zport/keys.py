"""Content decides: the key of a built thing is a hash of everything that went into it.

A rendered Dockerfile names the images it stands on by their keys, so the hash of its text covers
them, and what they stand on, all the way down. With the hashes of the files in its context the
key is complete: same key, same thing, nothing to do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from zport.workspace import digest, sha256_file

KEY_LENGTH = 16


@dataclass(frozen=True)
class ContextFile:
    """One file of a build context: its path there, its hash, and where to get it.

    ``source`` is a local file, the text itself, or a coordinate that :mod:`zport.context` knows
    how to get.
    ``mode`` is its permission in the context; it counts, because ``COPY`` keeps it.
    """

    path: str
    sha256: str
    source: object
    mode: int = 0o644

    @classmethod
    def local(cls, path: str, source: Path, mode: int = 0o644) -> ContextFile:
        """A file of the checkout."""
        return cls(path, sha256_file(source), source, mode)

    @classmethod
    def text(cls, path: str, content: str) -> ContextFile:
        """A file that is made here."""
        return cls(path, hashlib.sha256(content.encode()).hexdigest(), content)


def step_key(dockerfile: str, context: list[ContextFile]) -> str:
    """The key of what this Dockerfile makes of these files."""
    files = sorted([file.path, file.sha256, file.mode] for file in context)
    return digest({"dockerfile": dockerfile, "context": files})[:KEY_LENGTH]
