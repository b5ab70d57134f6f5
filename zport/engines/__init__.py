"""Engines: what builds the rendered Dockerfiles and runs the images.

An engine is a small adapter around a program that exists: zport has no executor or runtime of its
own. All engines build the same files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from zport.definitions import choose_by_name
from zport.errors import EngineError
from zport.targets import Target


@dataclass(frozen=True)
class Mount:
    """A folder of the host inside a container."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class ImageFacts:
    """What an engine knows of an image: digests of its uncompressed layers, and its size in bytes,
    of which an engine counts either the compressed or the uncompressed ones."""

    layers: tuple[str, ...]
    size: int
    compressed: bool

    @property
    def size_phrase(self) -> str:
        return f"{self.size / 1e6:.0f} MB {'compressed' if self.compressed else 'uncompressed'}"


class Engine(Protocol):
    """Builds Dockerfiles and runs images. Every method raises :class:`EngineError`."""

    name: str

    def check(self) -> None:
        """Raise unless the engine can build and run here."""

    def images(self) -> set[str]:
        """The names (with tag) of all local images."""

    def remove(self, images: Sequence[str]) -> None:
        """Remove images by name. What a container or another image stands on loses its name only.

        Raises :class:`EngineError` when one is not there.
        """

    def build(self, context: Path, image: str, target: Target, epoch: int, log: Path) -> None:
        """Build the Dockerfile in ``context`` without a network and name the result ``image``.

        The name appears when the image is whole, not before. Raises
        :class:`zport.errors.BuildError` when a step of the Dockerfile fails.
        """

    def run(
        self,
        image: str,
        target: Target,
        command: Sequence[str],
        mounts: Sequence[Mount],
        log: Path,
        seconds: float,
        *,
        memory: int | None = None,
    ) -> int:
        """Run a command in a new container without a network; returns its exit status.

        After ``seconds`` it is ended, and the status is :data:`TIMED_OUT`. ``memory`` is the limit
        of each of its processes in bytes (``RLIMIT_DATA``: it needs no cgroups, and an emulator
        that ignores what its program sets for itself is held to it too).
        """

    def extract(self, image: str, target: Target, pattern: str, folder: Path) -> list[Path]:
        """Copy the files of the image's root folder that match a glob pattern to a folder."""

    def read_file(self, image: str, target: Target, path: str) -> bytes:
        """The content of a file in an image."""

    def facts(self, image: str) -> ImageFacts:
        """Layers and size of an image."""

    def tag(self, image: str, name: str) -> None:
        """Give an image another name."""

    def pull(self, reference: str, target: Target) -> str:
        """Pull an image for a target; returns its reference by digest.

        A build finds it under that reference without a network. A reference that has a digest
        already is not asked for again where its image is here.
        """

    def push(self, image: str, reference: str) -> None:
        """Push an image to a registry under a reference."""

    def save(self, image: str, archive: Path) -> None:
        """Write an image as the archive (uncompressed) that ``docker load`` takes."""

    def export(self, image: str, folder: Path) -> None:
        """Write an image as an OCI layout with compressed layers, into an empty folder.

        The same image gives the same bytes by the same version of the engine's tools.
        """


def is_loopback(address: str) -> bool:
    """Whether a registry's address, without its port, is this machine's own."""
    try:
        return address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        return False


def repository_of(reference: str) -> str:
    """An image's reference without its tag or digest; the port of a registry stays."""
    head, slash, last = reference.partition("@")[0].rpartition("/")
    return head + slash + last.partition(":")[0]


TIMED_OUT = 124
"""The exit status of a command that was ended for taking too long, as timeout(1) has it."""
ENGINES = ("buildah", "docker")


def select_engine(name: str) -> Engine:
    """The engine of that name; ``auto`` is Docker where a daemon with buildx answers, else Buildah.

    Raises :class:`zport.errors.UsageError` for an unknown name.
    """
    from zport.engines.buildah import Buildah
    from zport.engines.docker import Docker

    choose_by_name("engine", name, ["auto", *ENGINES])
    if name == "buildah":
        return Buildah()
    docker = Docker()
    if name == "auto":
        try:
            docker.check()
        except EngineError:
            return Buildah()
    return docker
