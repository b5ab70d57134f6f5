"""buildx: the client of BuildKit, and builders of several nodes.

A builder is what ``docker buildx create`` made: one or more nodes, each a BuildKit somewhere, such
as a daemon of this machine beside one of another architecture, or pods of a cluster.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zport.engines.process import build_failure, run_logged
from zport.errors import EngineError
from zport.targets import Target

CLIENTS = ("docker", "/usr/bin/docker")
"""A bare client may come first on the PATH: the first one that has buildx is taken."""
BUILDX_HELP = "install docker-buildx (Debian) or docker-buildx-plugin (Docker's packages)"
PATIENCE = 120
"""Seconds that the nodes have to start and answer."""


@dataclass(frozen=True)
class Node:
    """One node of a builder. ``platforms`` are those that it runs, emulated ones among them;
    ``native`` those that it was made for, where that was said."""

    name: str
    endpoint: str
    status: str
    platforms: frozenset[str]
    native: frozenset[str]

    @property
    def runs(self) -> bool:
        return self.status == "running"


def find_client() -> str:
    """The ``docker`` that has buildx. Raises :class:`EngineError` where none has."""
    for client in CLIENTS:
        try:
            asked = subprocess.run([client, "buildx", "version"], capture_output=True, check=False)
        except FileNotFoundError:
            continue
        if asked.returncode == 0:
            return client
    raise EngineError("docker has no buildx", where=os.environ["PATH"], next_step=BUILDX_HELP)


def read_nodes(builder: str) -> list[Node]:
    """The nodes of a builder, as they are now.

    Raises :class:`EngineError` for a builder that does not exist, or that does not answer in time.
    """
    done = _inspect(builder, "--bootstrap")
    if done.returncode != 0:
        # With a node that does not answer it prints nothing, and without starting them it does.
        done = _inspect(builder)
    nodes = parse_nodes(done.stdout)
    if not nodes:
        said = (done.stderr.strip().splitlines() or ["it has no nodes"])[-1]
        raise EngineError(
            said.removeprefix("ERROR: "), where=f"builder {builder}",
            next_step="docker buildx ls lists what there is; docker buildx create makes one",
        )  # fmt: skip
    return nodes


def _inspect(builder: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [find_client(), "buildx", "inspect", *options, builder]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"no answer in {PATIENCE} s", where=f"builder {builder}",
            next_step=f"see what it waits for: {' '.join(command)}",
        ) from error  # fmt: skip


def parse_nodes(text: str) -> list[Node]:
    """The nodes in what ``docker buildx inspect`` prints: a block of ``Key: value`` lines each."""
    _, _, listed = text.partition("\nNodes:\n")
    nodes = []
    for block in listed.strip().split("\n\n"):
        lines = (line.partition(":") for line in block.splitlines() if not line.startswith(" "))
        fields = {key: value.strip() for key, _, value in lines}
        if "Name" in fields:
            shown = [one.strip() for one in fields.get("Platforms", "").split(",") if one.strip()]
            nodes.append(Node(
                fields["Name"], fields.get("Endpoint", ""), fields.get("Status", "unreachable"),
                frozenset(one.removesuffix("*") for one in shown),
                frozenset(one.removesuffix("*") for one in shown if one.endswith("*")),
            ))  # fmt: skip
    return nodes


def require_nodes(builder: str, targets: Iterable[Target]) -> list[Node]:
    """The nodes of a builder that has one for every target, all running.

    Raises :class:`EngineError` that names the node that does not run, or the target that has none.
    """
    nodes = read_nodes(builder)
    for node in nodes:
        if not node.runs:
            raise _gone(builder, node)
    for target in targets:
        if not any(target.oci in node.platforms for node in nodes):
            raise EngineError(
                f"no node for {target.oci}", where=f"builder {builder}",
                next_step=f"add one: docker buildx create --append --name {builder} "
                          f"--platform {target.oci} ENDPOINT",
            )  # fmt: skip
    return nodes


def bake(file: Path, names: Sequence[str], builder: str, log: Path) -> None:
    """Build targets of a bake file on a builder's nodes; their images come to the local daemon.

    What the nodes have finished stays in their caches, so that the next run goes on there. Raises
    :class:`EngineError` when a node went away, and :class:`zport.errors.BuildError` when a step of
    a Dockerfile fails.
    """
    # The contexts that a bake file names are sought where buildx is started.
    status = run_logged(
        ["env", f"--chdir={file.parent}", find_client(), "buildx", "bake", "--builder", builder,
         "--progress", "plain", "--load", "--file", file.name, *names],
        log,
    )  # fmt: skip
    if status == 0:
        return
    for node in read_nodes(builder):
        if not node.runs:
            raise _gone(builder, node, log)
    raise build_failure(log, f"builder {builder}")


def _gone(builder: str, node: Node, log: Path | None = None) -> EngineError:
    return EngineError(
        f"node {node.name} at {node.endpoint} does not answer ({node.status})",
        where=f"builder {builder}",
        next_step="start it again, then run the same command: what was finished is kept; or take "
                  f"it out: docker buildx create --leave --name {builder} --node {node.name}",
        log=log,
    )  # fmt: skip
