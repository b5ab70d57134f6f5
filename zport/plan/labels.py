"""What an agent's image says of itself: OCI's labels, as far as content decides them.

They are a part of the Dockerfile, so they are in the image's key, and the same key has the same
labels. A commit or the place of the source is not content: an image that is the same after a
commit keeps its key and its digest. The commit stands in the provenance that is published with it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from zport.agents import Agent

PREFIX = "org.opencontainers.image."
AGENT_LICENSE = "Apache-2.0"
"""Of the agent program."""


def licenses(agent: Agent) -> str:
    """The licences of the agent program and its framework, as one SPDX expression."""
    return " AND ".join(dict.fromkeys(filter(None, [AGENT_LICENSE, agent.license])))


def image_labels(agent: Agent, version: str, epoch: int, base: str) -> dict[str, str]:
    """The labels of an agent's image, by their whole names.

    ``base`` is the reference of the image below, by digest if it was pulled. Debian's packages
    have their licences in ``/usr/share/doc/*/copyright`` and in the SBOM.
    """
    name, _, digest = base.partition("@")
    labels = {
        "title": agent.name,
        "description": agent.summary,
        "version": version,
        "created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "licenses": licenses(agent),
        "base.name": name,
        "base.digest": digest,
    }
    return {PREFIX + key: value for key, value in labels.items() if value}
