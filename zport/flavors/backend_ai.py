"""Backend.AI: a kernel image that stands on the agent's, with labels and a service definition."""

from __future__ import annotations

import json

from zport.flavors.subject import PORT, Subject, server
from zport.steps.render import render

MODELS = "/models"
ENDPOINT, SERVICE = "endpoint", "infer"
ON_DEMAND = PORT + 1
PYTHON = "/usr/bin/python3"
LABEL = "ai.backend."


def files(subject: Subject) -> dict[str, str]:
    """A Dockerfile for each target with what it copies. Backend.AI overrides the entry point: the
    bootstrap script starts the endpoint's server, the definition one that a user asks for."""
    shared = {
        "bootstrap.sh": _bootstrap(),
        f"service-defs/{SERVICE}.json": json.dumps(_definition(), indent=2) + "\n",
    }
    values = {"labels": labels(subject), "service": SERVICE}
    dockerfiles = {
        f"Dockerfile.{target.name}": render(
            "flavors/backend-ai.Dockerfile.j2",
            {**values, "target": target, "image": subject.images[target.name]},
        )
        for target in subject.targets
    }
    return dockerfiles | shared


def labels(subject: Subject) -> dict[str, str]:
    """What Backend.AI asks of an inference image, by the labels' whole names."""
    named = {
        "kernelspec": "1",
        "role": "INFERENCE",
        "features": "batch query uid-match user-input",
        # It chooses the C library of Backend.AI's own programs, of which none is for Debian.
        "base-distro": "ubuntu22.04",
        "runtime-type": "python",
        "runtime-path": PYTHON,
        "resource.min.cpu": "1",
        "resource.min.mem": "1g",
        "envs.corecount": "OPENBLAS_NUM_THREADS,OMP_NUM_THREADS,NPROC",
        "service-ports": f"{ENDPOINT}:preopen:{PORT},{SERVICE}:http:{ON_DEMAND}",
        "endpoint-ports": ENDPOINT,
        "model-path": MODELS,
        "model-format": subject.agent.framework,
    }
    return {LABEL + key: value for key, value in named.items()}


def _definition() -> dict[str, object]:
    command = [PYTHON, "-m", "zport_agent", *server(MODELS, ON_DEMAND)]
    return {"command": command, "url_template": "http://{host}:{port}/v2"}


def _bootstrap() -> str:
    command = " ".join([PYTHON, "-m", "zport_agent", *server(MODELS)])
    return (
        "#!/bin/sh\n"
        "# Backend.AI waits for this script: the server goes on behind it.\n"
        f"[ ! -e {MODELS}/manifest.yml ] || {command} >/tmp/endpoint.log 2>&1 &\n"
    )
