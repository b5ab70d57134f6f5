"""Docker: the daemon builds with BuildKit through buildx and runs through its API."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Timer
from typing import TYPE_CHECKING, Any

from zport.engines import TIMED_OUT, ImageFacts, Mount, is_loopback, repository_of
from zport.engines.buildx import find_client
from zport.engines.process import ask, build_failure, run_logged
from zport.errors import EngineError
from zport.targets import Target

if TYPE_CHECKING:
    from docker import DockerClient

DAEMON_HELP = "start the daemon, or use --engine buildah"
REGISTRY_HELP = "check the name; log in with: docker login REGISTRY"


class Docker:
    """The Docker engine."""

    name = "docker"

    def check(self) -> None:
        with _explained("the Docker daemon does not answer"):
            self._client.ping()
        _ = self._command

    def images(self) -> set[str]:
        with _explained("cannot list images"):
            return {tag for image in self._client.images.list() for tag in image.tags}

    def remove(self, images: Sequence[str]) -> None:
        with _explained("cannot remove images"):
            for image in images:
                self._client.images.remove(image)

    def build(self, context: Path, image: str, target: Target, epoch: int, log: Path) -> None:
        # Only an exported archive can have its time stamps rewritten: the daemon's own store
        # unpacks at once, and BuildKit refuses both together.
        with TemporaryDirectory(prefix="zport-") as folder:
            archive = Path(folder) / "image.tar"
            status = run_logged(
                [self._command, "buildx", "build", "--progress", "plain", "--network", "none",
                 "--provenance", "false", "--platform", target.oci,
                 "--build-arg", f"SOURCE_DATE_EPOCH={epoch}",
                 "--output", f"type=docker,name={image},dest={archive},rewrite-timestamp=true",
                 str(context)],
                log,
                {"BUILDX_BUILDER": "default"},
            )  # fmt: skip
            if status != 0:
                raise build_failure(log, context.name)
            with _explained(f"cannot load {image}"), archive.open("rb") as file:
                self._client.images.load(file)

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
        volumes = {
            str(m.source.resolve()): {"bind": m.target, "mode": "rw" if m.writable else "ro"}
            for m in mounts
        }
        with _explained(f"cannot run {image}"):
            container = self._client.containers.run(
                image, list(command), platform=target.oci, volumes=volumes,
                network_mode="none", detach=True, ulimits=_limits(memory),
            )  # fmt: skip
            timed_out = Event()
            late = Timer(seconds, _kill, (container, timed_out))
            late.start()
            try:
                with log.open("ab") as file:
                    file.write(f"$ docker run {image} {' '.join(command)}\n".encode())
                    for chunk in container.logs(stream=True, follow=True):
                        file.write(chunk)
                status = int(container.wait()["StatusCode"])
                return TIMED_OUT if timed_out.is_set() else status
            finally:
                late.cancel()
                container.remove(force=True)

    def extract(self, image: str, target: Target, pattern: str, folder: Path) -> list[Path]:
        written = []
        with self._exported(image, target) as archive:
            for member in archive:
                if member.isfile() and fnmatch(member.name, pattern) and "/" not in member.name:
                    source = archive.extractfile(member)
                    assert source is not None
                    path = folder / member.name
                    with path.open("wb") as file:
                        shutil.copyfileobj(source, file)
                    written.append(path)
        return sorted(written)

    def read_file(self, image: str, target: Target, path: str) -> bytes:
        with _explained(f"no {path} in {image}"), self._container(image, target) as container:
            stream, _ = container.get_archive(path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
                member = archive.getmembers()[0]
                content = archive.extractfile(member) if member.isfile() else None
                if content is None:
                    raise EngineError(f"no plain file {path} in the image", where=image)
                return content.read()

    def facts(self, image: str) -> ImageFacts:
        with _explained(f"cannot inspect {image}"):
            found = self._client.images.get(image)
        # The store of several platforms counts its blobs, which are compressed.
        return ImageFacts(tuple(found.attrs["RootFS"]["Layers"]), int(found.attrs["Size"]), True)

    def tag(self, image: str, name: str) -> None:
        repository, _, tag = name.rpartition(":")
        with _explained(f"cannot tag {image}"):
            self._client.images.get(image).tag(repository, tag)

    def pull(self, reference: str, target: Target) -> str:
        # Of an index the daemon says that it is here where one platform of it is.
        wanted = self._of_platform(reference, target)
        try:
            with _explained(f"cannot pull {reference}", REGISTRY_HELP):
                image = self._client.images.pull(wanted, platform=target.oci)
        except EngineError:
            # The registry may be away.
            if "@" in reference and self._has(reference):
                return reference
            raise
        digest = str(image.attrs["RepoDigests"][0]).rpartition("@")[2]
        pulled = f"{repository_of(reference)}@{digest}"
        if not self._is_whole(digest):
            self._complete(pulled, target)
        return pulled

    def push(self, image: str, reference: str) -> None:
        self.tag(image, reference)
        repository, _, tag = reference.rpartition(":")
        with _explained(f"cannot push {reference}", REGISTRY_HELP):
            for line in self._client.images.push(repository, tag, stream=True, decode=True):
                if "error" in line:
                    raise EngineError(str(line["error"]), where=reference, next_step=REGISTRY_HELP)

    def save(self, image: str, archive: Path) -> None:
        with _explained(f"cannot save {image}"), archive.open("wb") as file:
            for chunk in self._client.images.get(image).save(named=image):
                file.write(chunk)

    def export(self, image: str, folder: Path) -> None:
        require_skopeo("it compresses the layers")
        # The daemon's own store may hold layers as a registry had them, or not compressed at all.
        with TemporaryDirectory(prefix="zport-") as scratch:
            archive = Path(scratch) / "image.tar"
            self.save(image, archive)
            ask(["skopeo", "copy", "--quiet", f"docker-archive:{archive}", f"oci:{folder}"])

    def _of_platform(self, reference: str, target: Target) -> str:
        """The target's own manifest, by digest, where the reference is an index of several.

        The reference itself where it is not, and where the client does not reach the registry:
        then the daemon says what is wrong, or reaches it by a configuration of its own.
        """
        try:
            raw = json.loads(
                ask([self._command, "buildx", "imagetools", "inspect", "--raw", reference])
            )
        except (EngineError, ValueError):
            return reference
        for one in raw.get("manifests", []):
            platform = one.get("platform", {})
            if f"{platform.get('os')}/{platform.get('architecture')}" == target.oci:
                return f"{repository_of(reference)}@{one['digest']}"
        return reference

    def _is_whole(self, digest: str) -> bool:
        """Whether the daemon lists an image, as it does when no part of it is missing."""
        listed = self._client.images.list()
        return any(
            name.endswith(f"@{digest}") for one in listed for name in one.attrs["RepoDigests"]
        )

    def _complete(self, pulled: str, target: Target) -> None:
        """Load an image of which the daemon left out layers.

        Where it has a layer unpacked, its containerd store does not fetch the same one in another
        compression (github.com/moby/moby/issues/49784): the image runs, but cannot be listed,
        saved or pushed.
        """
        require_skopeo("it fetches what the daemon leaves out")
        address = pulled.partition("/")[0].partition(":")[0]
        plain = ["--src-tls-verify=false"] if is_loopback(address) else []
        with TemporaryDirectory(prefix="zport-") as scratch:
            archive = Path(scratch) / "image.tar"
            ask(["skopeo", "copy", "--quiet", *plain, "--override-os", "linux", "--override-arch",
                 target.goarch, f"docker://{pulled}", f"oci-archive:{archive}"])  # fmt: skip
            with _explained(f"cannot load {pulled}"), archive.open("rb") as file:
                self._client.images.load(file)

    def _has(self, reference: str) -> bool:
        from docker.errors import ImageNotFound

        try:
            self._client.images.get(reference)
        except ImageNotFound:
            return False
        return True

    @cached_property
    def _client(self) -> DockerClient:
        import docker

        with _explained("the Docker daemon does not answer"):
            return docker.from_env(timeout=600)

    @cached_property
    def _command(self) -> str:
        return find_client()

    @contextmanager
    def _container(self, image: str, target: Target) -> Iterator[Any]:
        container = self._client.containers.create(image, ["/none"], platform=target.oci)
        try:
            yield container
        finally:
            container.remove(force=True)

    @contextmanager
    def _exported(self, image: str, target: Target) -> Iterator[tarfile.TarFile]:
        with _explained(f"cannot export {image}"), self._container(image, target) as container:
            raw = _Chunks(container.export())
            with tarfile.open(fileobj=io.BufferedReader(raw), mode="r|") as archive:
                yield archive


def _kill(container: Any, timed_out: Event) -> None:
    """Kill a container for taking too long, and say so first: its end may be seen before this."""
    from docker.errors import APIError

    timed_out.set()
    with suppress(APIError):  # It has just ended by itself.
        container.kill()


def _limits(memory: int | None) -> list[Any]:
    from docker.types import Ulimit

    return [Ulimit(name="data", soft=memory, hard=memory)] if memory else []


def require_skopeo(reason: str) -> None:
    """Raise :class:`EngineError` unless skopeo is here."""
    if not shutil.which("skopeo"):
        next_step = f"apt-get install skopeo: {reason}"
        raise EngineError("skopeo is not installed", where="docker", next_step=next_step)


class _Chunks(io.RawIOBase):
    """An iterator of byte chunks as a readable stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)


@contextmanager
def _explained(what: str, next_step: str = DAEMON_HELP) -> Iterator[None]:
    """Turn the SDK's exceptions into one clear error."""
    import requests
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, requests.RequestException) as error:
        reason = getattr(error, "explanation", None) or str(error)
        raise EngineError(
            f"{what}: {reason}",
            where="docker",
            next_step=next_step,
        ) from error
