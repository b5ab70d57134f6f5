"""What a flavor is made from: an agent, its version, and where its image is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zport.agents import Agent
from zport.targets import Target

PORT = 8080
"""Of the agent program's HTTP server."""
LIVE, READY = "/v2/health/live", "/v2/health/ready"
"""The Open Inference Protocol's paths, which the HTTP server has."""


@dataclass(frozen=True)
class Subject:
    """An agent to be described.

    ``image`` is one reference for all targets, of an image index; ``images`` are those of each
    target, by its name, which are the same where only the index is known.
    """

    agent: Agent
    version: str
    image: str
    images: Mapping[str, str]
    targets: tuple[Target, ...]

    @property
    def name(self) -> str:
        """A name for objects of it: letters, digits and hyphens."""
        return f"zport-{self.agent.name}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels that Kubernetes recommends for every object."""
        return {
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/version": self.version,
            "app.kubernetes.io/component": "model-server",
            "app.kubernetes.io/part-of": "zport",
        }

    @property
    def affinity(self) -> dict[str, object]:
        """Only nodes of the image's architectures, by the label that each node has."""
        wanted = {
            "key": "kubernetes.io/arch",
            "operator": "In",
            "values": [target.goarch for target in self.targets],
        }
        terms = [{"matchExpressions": [wanted]}]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        return {"nodeAffinity": required}


def server(folder: str, port: int = PORT) -> list[str]:
    """The image's arguments that serve the model of a folder."""
    return ["http", f"--model={folder}", f"--port={port}"]


def hardened() -> dict[str, object]:
    """What a container of the image does not need: the user that it names, and no rights."""
    return {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
