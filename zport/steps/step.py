"""Steps: what is built, and its key.

Content decides: the key of a built thing is a hash of everything that went into it.

A rendered Dockerfile names the images it stands on by their keys, so the hash of its text covers
them, and what they stand on, all the way down. With the hashes of the files in its context the
key is complete: same key, same thing, nothing to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from zport.debian.packages import Closure
from zport.definitions import require_inside
from zport.targets import Target
from zport.workspace import digest, sha256_file

KEY_LENGTH = 16


@dataclass(frozen=True)
class ContextFile:
    """One file of a build context: its path there, its hash, and where to get it.

    ``source`` is a local file, the text itself, or a coordinate that :mod:`zport.steps.context`
    knows how to get.
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


@dataclass(frozen=True)
class Derived:
    """The text of a context's file that says nothing new, written when the context is.

    ``make`` makes it of other inputs of the step; the file's ``sha256`` is a hash of those.
    """

    make: Callable[[], str]


def step_key(dockerfile: str, context: list[ContextFile]) -> str:
    """The key of what this Dockerfile makes of these files."""
    files = sorted([file.path, file.sha256, file.mode] for file in context)
    return digest({"dockerfile": dockerfile, "context": files})[:KEY_LENGTH]


@dataclass(frozen=True)
class Step:
    """One build: a Dockerfile and its context, and the image that comes out.

    ``target`` is the platform of the result, ``needs`` the names of the steps whose images the
    Dockerfile names, ``epoch`` the time (seconds) that everything in the image carries.
    """

    name: str
    summary: str
    role: str
    target: Target
    template: str
    repository: str
    tag: str
    epoch: int
    needs: tuple[str, ...] = ()
    dockerfile: str = field(default="", repr=False)
    context: tuple[ContextFile, ...] = field(default=(), repr=False)
    key: str = ""

    @property
    def image(self) -> str:
        """The name of the result: it carries the key, so it exists or it does not."""
        return f"{self.repository}:{self.tag}-{self.key}"


def step_inputs(step: Step) -> dict[str, str]:
    """The hash of each thing that a step's key covers, by its name."""
    inputs = {file.path: file.sha256 for file in step.context}
    inputs["Dockerfile"] = hashlib.sha256(step.dockerfile.encode()).hexdigest()
    return inputs


@dataclass(frozen=True)
class BootstrapRoot:
    """A root made on the host from these packages: the first image where no registry answers."""

    target: Target
    suite: str
    closure: Closure


def package_files(closure: Closure, folder: str = "packages") -> list[ContextFile]:
    """Pinned packages as an apt source: the .deb files and their index."""
    files = [
        ContextFile(f"{folder}/{package.file}", package.sha256, package)
        for package in closure.packages
    ]
    return [*files, ContextFile.text(f"{folder}/Packages", closure.index())]


def tree_files(folder: Path, prefix: str, pattern: str, mode: int = 0o644) -> list[ContextFile]:
    """The files of a folder of the checkout.

    Raises :class:`zport.errors.DefinitionError` for a link that leads out of it: what it names is
    none of a recipe's business.
    """
    paths = sorted(path for path in folder.rglob(pattern) if path.is_file())
    for path in paths:
        require_inside(folder, str(path.relative_to(folder)), where=path)
    return [
        ContextFile.local(f"{prefix}/{path.relative_to(folder)}", path, mode)
        for path in paths
        if "__pycache__" not in path.parts
    ]
