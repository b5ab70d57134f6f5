"""MLCube: the image as it is, with an ``mlcube.yaml`` beside it for each target."""

from __future__ import annotations

from typing import Any

from zport.flavors.subject import Subject
from zport.flavors.yamltext import as_yaml
from zport.targets import Target


def files(subject: Subject) -> dict[str, str]:
    """``TARGET/mlcube.yaml``: MLCube's tasks are the agent program's verbs, their parameters its
    flags."""
    return {f"{one.name}/mlcube.yaml": as_yaml(_cube(subject, one)) for one in subject.targets}


def _cube(subject: Subject, target: Target) -> dict[str, Any]:
    return {
        "name": subject.name,
        "description": subject.agent.summary,
        "docker": {
            "image": subject.images[target.name],
            "cpu_args": f"--platform={target.oci}",
            "--network": "none",
        },
        "tasks": {"predict": _task(), "bench": _task()},
    }


def _task() -> dict[str, Any]:
    read = {"type": "directory", "opts": "ro"}
    return {
        "parameters": {
            "inputs": {"model": read | {"default": "model"}, "files": read | {"default": "files"}},
            "outputs": {"out": {"type": "directory", "default": "out"}},
        }
    }
