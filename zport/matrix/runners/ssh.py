"""A machine behind SSH with Docker or Podman: nothing else is asked of it.

Everything lies under ``~/.cache/zport`` there: ``files/SHA256`` are folders that cells read, sent
once; ``batches/ID`` is a batch's folder while it runs. The container runs detached, and is found
again by its name when a connection broke or the zport that started it has died.
"""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from zport.engines import TIMED_OUT, Engine
from zport.errors import EngineError
from zport.matrix.batch import Batch
from zport.matrix.runners.openssh import OpenSsh
from zport.steps.step import Step
from zport.targets import Target, find_target
from zport.workspace import Workspace, digest, make_folder, part_file, sha256_file

HOME = ".cache/zport"
ENGINES = ("podman", "docker")
LOOK = 1.0
"""Seconds between two looks at what goes on there, or more:"""
REST = 5
"""so many times as long as a look took, for it takes its time from the work itself."""


class Ssh:
    """One other machine; see :class:`zport.matrix.runners.Runner`."""

    jobs = 1
    pace = 1.0
    remote = True
    emulated = False

    def __init__(self, name: str, engine: Engine, workspace: Workspace) -> None:
        self.name = name
        self.engine = engine
        self.workspace = workspace
        self.machine = OpenSsh(name)

    @cached_property
    def target(self) -> Target:
        """What runs there natively. Raises :class:`EngineError` when it does not answer."""
        return find_target(self.machine.ask("uname -m"))

    def runs(self, target: Target) -> bool:
        return target == self.target

    def serve(self, batch: Batch, log: Path) -> int:
        far = _Far(self, batch)
        if far.state():  # An earlier zport began it, and may have had other cells left.
            status = _follow(far, batch, log)
            if batch.claimed():
                return status
        self._send_image(batch.agent.step)
        far.start({mount.target: self._send_folder(mount.source) for mount in batch.given})
        return _follow(far, batch, log)

    @cached_property
    def memory(self) -> int:
        said = self.machine.ask("grep MemTotal: /proc/meminfo")
        return int(said.split()[1]) * 1024 * 3 // 4

    @cached_property
    def tool(self) -> str:
        """Podman or Docker, whichever answers there."""
        tests = " || ".join(f"({one} version >/dev/null 2>&1 && echo {one})" for one in ENGINES)
        found = self.machine.ask(tests, needed=False)
        if not found:
            raise EngineError(
                "neither Podman nor Docker answers there", where=self.name,
                next_step=f"install one, or let this user run it: ssh {self.name} podman version",
            )  # fmt: skip
        return found

    @cached_property
    def home(self) -> str:
        """The absolute path of what zport keeps there."""
        return self.machine.ask(
            f'mkdir -p "$HOME/{HOME}/files" "$HOME/{HOME}/incoming" && cd "$HOME/{HOME}" && pwd -P'
        )

    def _send_image(self, step: Step) -> None:
        """Have the image there, as it is here: by the digests of its layers."""
        layers = list(self.engine.facts(step.image).layers)
        with self._archive(f"{step.name}-{step.key}") as archive:
            if self._layers(step.image) == layers:
                return
            if not archive.exists():
                _pack_image(self.engine, step.image, archive)
            incoming = self._send(archive)
            # Where the answer was lost it is loaded and removed: then there is nothing to do.
            self.machine.ask(
                f"! test -e {incoming} || "
                f"{{ gzip -dc {incoming} | {self.tool} load -q && rm {incoming}; }}"
            )
            if self._layers(step.image) != layers:
                raise EngineError(
                    f"{step.image} is another image there", where=self.name,
                    next_step=f"remove it there: {self.tool} rmi {step.image}",
                )  # fmt: skip

    def _layers(self, image: str) -> list[str] | None:
        said = self.machine.ask(
            f"{self.tool} image inspect --format '{{{{json .RootFS.Layers}}}}' {image} 2>/dev/null",
            needed=False,
        )
        known: list[str] | None = json.loads(said) if said else None
        return known

    def _send_folder(self, folder: Path) -> str:
        """Have a folder's files there; returns where. The same content is sent once."""
        contents = {name: sha256_file(path) for name, path in _files_of(folder)}
        name = digest(contents)
        far = f"{self.home}/files/{name}"
        with self._archive(name) as archive:
            if self.machine.holds(f"test -d {far}"):
                return far
            _pack_folder(folder, archive)
            incoming = self._send(archive)
            part = f"{far}.{self._identity}.part"
            # Somebody else may have brought the same there meanwhile, and an answer may be lost.
            self.machine.ask(
                f"test -d {far} || {{ rm -rf {part} && mkdir {part} && "
                f"tar -xzf {incoming} -C {part} && {{ mv -T {part} {far} || test -d {far}; }}; }} "
                f"&& rm -rf {part} {incoming}"
            )
        return far

    @contextmanager
    def _archive(self, name: str) -> Iterator[Path]:
        """Where to pack what is sent to this machine under that name, for nobody else meanwhile.

        It stays where a block fails: what arrived by then is not sent again.
        """
        path = self.workspace.root / "archives" / f"{name}-{self._identity}.tar.gz"
        with self.workspace.exclusive(f"archive-{path.name}"):
            yield path
            path.unlink(missing_ok=True)

    def _send(self, archive: Path) -> str:
        """Send an archive; returns where it is there."""
        incoming = f"{self.home}/incoming/{archive.name}"
        self.machine.send(archive, incoming)
        return incoming

    @cached_property
    def _identity(self) -> str:
        """What tells this build folder's work for this machine from all other."""
        return digest([socket.gethostname(), str(self.workspace.root), self.name])[:16]


class _Far:
    """A batch on the other machine: its folder there, and its container."""

    def __init__(self, runner: Ssh, batch: Batch) -> None:
        self.tool, self.batch, self.machine = runner.tool, batch, runner.machine
        owner = f"{socket.gethostname()}:{runner.workspace.root}"
        self.name = f"zport-{digest([owner, batch.identity, batch.agent.step.key])[:16]}"
        self.folder = f"{runner.home}/batches/{self.name}"
        self._fetched: set[str] = set()

    def state(self) -> dict[str, Any]:
        """What the engine there knows of the container: ``Running``, ``ExitCode``; or nothing."""
        said = self.machine.ask(
            f"{self.tool} container inspect --format '{{{{json .State}}}}' {self.name} "
            "2>/dev/null", needed=False,
        )  # fmt: skip
        state: dict[str, Any] = json.loads(said) if said else {}
        return state

    def start(self, sent: dict[str, str]) -> None:
        """Start the container, detached. ``sent`` are folders there, by where it sees them."""
        folder, batch = self.folder, self.batch
        self.machine.ask(
            f"rm -rf {folder} && mkdir -p {folder}/out/claims && "
            f"chmod 777 {folder}/out {folder}/out/claims"
        )
        self.machine.send(batch.folder / "cells.json", f"{folder}/cells.json")
        mounts = [f"-v {far}:{target}:ro" for target, far in sent.items()]
        mounts += [f"-v {folder}:/batch:ro", f"-v {folder}/out:/out:rw"]
        command = " ".join([
            self.tool, "run --detach --network none", f"--name {self.name}",
            *mounts, batch.agent.step.image, *batch.command,
        ])  # fmt: skip
        # A start whose answer was lost has happened: then the name is there already.
        self.machine.ask(f"{self.tool} container inspect {self.name} >/dev/null 2>&1 || {command}")

    def take_finished(self) -> None:
        """Fetch the cells that have finished there, and note those that have begun."""
        listed = self.machine.ask(f"cd {self.folder}/out && ls -p . claims", needed=False)
        there = set(listed.splitlines())
        names = [cell.name for cell in self.batch.cells]
        claims = make_folder(self.batch.out / "claims")
        for name in there.intersection(names):
            (claims / name).touch()
        ready = [n for n in names if f"{n}/" in there and n not in self._fetched]
        if ready:
            self.machine.fetch(f"{self.folder}/out", ready, self.batch.out)
            self._fetched.update(ready)

    def end(self, log: Path, status: int) -> int:
        """Take what is left, remove the container and its folder; the container's exit status."""
        self.take_finished()
        with log.open("a") as file:
            file.write(self.machine.ask(f"{self.tool} logs {self.name} 2>&1", needed=False) + "\n")
        self.machine.ask(f"{self.tool} rm -f {self.name}", needed=False)
        self.machine.ask(f"rm -rf {self.folder}", needed=False)
        return status


def _follow(far: _Far, batch: Batch, log: Path) -> int:
    """Take finished cells until the container has ended, or is to end; its exit status."""
    deadline = time.monotonic() + batch.seconds
    while (state := far.state()).get("Running"):
        if batch.stopped or time.monotonic() > deadline:
            return far.end(log, TIMED_OUT)
        looked = time.monotonic()
        far.take_finished()
        time.sleep(max(LOOK, REST * (time.monotonic() - looked)))
    return far.end(log, int(state.get("ExitCode", 0)))


def _pack_image(engine: Engine, image: str, archive: Path) -> None:
    make_folder(archive.parent)
    plain = archive.with_suffix("")
    plain.unlink(missing_ok=True)
    try:
        engine.save(image, plain)
        with part_file(archive) as part, plain.open("rb") as source, gzip.open(part, "wb", 1) as to:
            shutil.copyfileobj(source, to, 1 << 20)
    finally:
        plain.unlink(missing_ok=True)


def _pack_folder(folder: Path, archive: Path) -> None:
    with part_file(archive) as part, tarfile.open(part, "w:gz", compresslevel=1) as packed:
        for name, path in _files_of(folder):
            packed.add(path, name, filter=_readable)


def _files_of(folder: Path) -> list[tuple[str, Path]]:
    """Every file of a folder and of those in it, with its path there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path) for path in paths]


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode = 0o644
    return member
