"""Buildah: no daemon, and it works inside containers where Docker cannot run."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zport.engines import ImageFacts, Mount, repository_of
from zport.engines.process import ask, build_failure, run_logged
from zport.errors import EngineError
from zport.targets import Target

ISOLATION = ("--isolation", "chroot", "--cap-drop", "CAP_SYS_CHROOT")
"""Needs no cgroups and no user namespaces, so it works in most containers. A root process that may
change its root once more gets out of the one that it was given."""
CONFINED = (
    "unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child", "--",
    "sh", str(Path(__file__).with_name("confine.sh")),
)  # fmt: skip
"""chroot isolation shares network, processes and devices with its caller, so the caller gets no
network but loopback, processes of its own that all end with it, with a /proc that shows them, and
of the devices those that every container has: no disk."""
LAYERS = ("--layers", "--no-cache", "--force-rm")
"""Buildah's cache takes a RUN for the same whatever its bind mounts hold: it would give the new
wheel's test the old wheel. Whether a whole step is built already, its key decides. Only when forced
does it remove the containers of stages that are nothing but a FROM."""
TIME_LIMIT = ("timeout", "--kill-after=10")
BUILDING = Path("/run/zport-buildah.lock")
"""Held shared by every running build of this machine; in it stand the images that builds committed
on the way and nobody has removed yet."""
COMMITTED = re.compile(r"^--> ([0-9a-f]{10,})$", re.MULTILINE)
"""How Buildah tells of an image that it committed on the way."""
PAUSES = (0.1, 0.3, 1, 3)
"""Seconds between two times that the images are asked for, before it counts as failed."""
GONE = re.compile("not known|locating image|no such file")
"""What Buildah says of an image that another process has removed meanwhile."""


class Buildah:
    """The Buildah engine."""

    name = "buildah"

    def check(self) -> None:
        if not shutil.which("buildah"):
            raise EngineError("buildah is not installed", next_step="apt-get install buildah")
        if os.geteuid() != 0:
            raise EngineError("buildah builds as root here", next_step="run it with sudo")
        ask(["buildah", "version"])

    def images(self) -> set[str]:
        listed = json.loads(_list_images() or "[]") or []
        return {name for image in listed for name in image.get("names") or []}

    def remove(self, images: Sequence[str]) -> None:
        known = self.images().issuperset(images)
        try:
            ask(["buildah", "rmi", *images])
        except EngineError:
            # It goes on to what an image stood on, which another build may be using.
            if not known or self.images().intersection(images):
                raise

    def build(self, context: Path, image: str, target: Target, epoch: int, log: Path) -> None:
        with BUILDING.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            status = run_logged(
                [*CONFINED, "buildah", "build", *ISOLATION, *LAYERS, "--pull-never", "--timestamp",
                 str(epoch), "--platform", target.oci, "--tag", image, str(context)],
                log,
            )  # fmt: skip
            committed = COMMITTED.findall(log.read_text(errors="replace"))
            lock.writelines(f"{one}\n" for one in committed)
        _remove_stages()
        if status != 0:
            raise build_failure(log, context.name)

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
        volumes = [
            f"--volume={m.source.resolve()}:{m.target}:{'rw' if m.writable else 'ro'}"
            for m in mounts
        ]
        limits = [f"--ulimit=data={memory}:{memory}"] if memory else []
        with self._container(image, target, *limits) as container:
            inside = [*self._entry_point(image), *command]
            return run_logged(
                [*CONFINED, *TIME_LIMIT, str(seconds),
                 "buildah", "run", *ISOLATION, *volumes, container, "--", *inside],
                log,
            )  # fmt: skip

    def extract(self, image: str, target: Target, pattern: str, folder: Path) -> list[Path]:
        with self._root(image, target) as root:
            found = sorted(path for path in root.glob(pattern) if _is_plain(root, path))
            return [Path(shutil.copy(path, folder / path.name)) for path in found]

    def read_file(self, image: str, target: Target, path: str) -> bytes:
        with self._root(image, target) as root:
            file = root / path.lstrip("/")
            if not _is_plain(root, file):
                raise EngineError(f"no plain file {path} in the image", where=image)
            return file.read_bytes()

    def facts(self, image: str) -> ImageFacts:
        inspected = _inspect(image)
        manifest = json.loads(inspected["Manifest"])
        return ImageFacts(
            tuple(inspected["OCIv1"]["rootfs"]["diff_ids"]),
            sum(layer["size"] for layer in manifest["layers"]),
            # An image that was pulled back keeps the manifest that the registry had.
            compressed=any("gzip" in layer["mediaType"] for layer in manifest["layers"]),
        )

    def tag(self, image: str, name: str) -> None:
        ask(["buildah", "tag", image, name])

    def pull(self, reference: str, target: Target) -> str:
        command = ["buildah", "pull", "--quiet", "--platform", target.oci, "--policy"]
        if "@" in reference:
            ask([*command, "missing", reference], where=reference)
            return reference
        # Any other policy takes an image that is here, were it old or another registry's.
        identity = ask([*command, "always", reference], where=reference).strip()
        inspected = _inspect(identity)
        pinned = f"{repository_of(reference)}@{inspected['FromImageDigest']}"
        # The tag goes over to the next platform's image; what has its digest for a name keeps it.
        ask([*command, "always", pinned], where=pinned)
        return pinned

    def push(self, image: str, reference: str) -> None:
        ask(
            ["buildah", "push", "--quiet", image, f"docker://{reference}"],
            where=reference,
            next_step="check the name; log in with: buildah login REGISTRY",
        )

    def save(self, image: str, archive: Path) -> None:
        ask(["buildah", "push", "--quiet", image, f"docker-archive:{archive}:{image}"])

    def export(self, image: str, folder: Path) -> None:
        ask(["buildah", "push", "--quiet", "--format", "oci", image, f"oci:{folder}"])

    def _entry_point(self, image: str) -> list[str]:
        inspected = _inspect(image)
        return list(inspected["OCIv1"]["config"].get("Entrypoint") or [])

    @contextmanager
    def _container(self, image: str, target: Target, *options: str) -> Iterator[str]:
        created = ask(
            ["buildah", "from", "--pull-never", "--platform", target.oci, *options, image]
        )
        container = created.strip().splitlines()[-1]
        try:
            yield container
        finally:
            ask(["buildah", "rm", container])

    @contextmanager
    def _root(self, image: str, target: Target) -> Iterator[Path]:
        with self._container(image, target) as container:
            yield Path(ask(["buildah", "mount", container]).strip())


def _inspect(image: str) -> dict[str, Any]:
    inspected: dict[str, Any] = json.loads(ask(["buildah", "inspect", "--type", "image", image]))
    return inspected


def _remove_stages() -> None:
    """Remove what finished builds committed for their stages and layers, if none is running.

    Two builds may have a stage in common, so while any zport builds nothing is removed: the last
    one does it for all.
    """
    with BUILDING.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        committed = tuple(lock.read().split())
        listed = json.loads(_list_images() or "[]") or []
        unnamed = [image["id"] for image in listed if not image.get("names")]
        stages = [one for one in unnamed if one.startswith(committed)]
        if stages:
            # What a container or a named image stands on is refused, and stays.
            subprocess.run(["buildah", "rmi", *stages], capture_output=True, check=False)
        lock.truncate(0)


def _list_images() -> str:
    # Buildah gives no list at all when another process removes an image while it reads them.
    for seconds in PAUSES:
        try:
            return ask(["buildah", "images", "--json"])
        except EngineError as error:
            if not GONE.search(error.message):
                raise
        time.sleep(seconds)
    return ask(["buildah", "images", "--json"])


def _is_plain(root: Path, path: Path) -> bool:
    """Whether it is a file of the image itself: a link in it would lead to the host's files, a pipe
    would have the host wait for ever."""
    inside = path.resolve() == root.resolve() / path.relative_to(root)
    return inside and path.is_file()
