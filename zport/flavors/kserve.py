"""KServe: a ServingRuntime, for models in the folders that the agents read."""

from __future__ import annotations

from typing import Any

from zport.flavors.kubernetes import probe
from zport.flavors.subject import PORT, READY, Subject, hardened, server
from zport.flavors.yamltext import as_yaml

MODELS = "/mnt/models"
"""Where KServe puts what an InferenceService names as its storage."""
FORMAT = {"name": "mlmodelscope", "version": "2"}
"""A folder with a manifest, its inputs and the model's files: no format of KServe's own."""


def files(subject: Subject) -> dict[str, str]:
    """``servingruntime.yaml``, and an ``inferenceservice.yaml`` to fill in."""
    return {
        "servingruntime.yaml": as_yaml(_runtime(subject)),
        "inferenceservice.yaml": as_yaml(_service(subject)),
    }


def _runtime(subject: Subject) -> dict[str, Any]:
    container = {
        "name": "kserve-container",
        "image": subject.image,
        "args": server(MODELS),
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": probe(READY),
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": hardened(),
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108 - in the container
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": subject.name, "labels": subject.labels},
        "spec": {
            "supportedModelFormats": [FORMAT | {"autoSelect": False}],
            "protocolVersions": ["v2"],
            "multiModel": False,
            "affinity": subject.affinity,
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    }


def _service(subject: Subject) -> dict[str, Any]:
    model = {
        "modelFormat": FORMAT,
        "runtime": subject.name,
        "protocolVersion": "v2",
        "storageUri": "pvc://CLAIM/FOLDER",
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "MODEL", "labels": subject.labels},
        "spec": {"predictor": {"model": model}},
    }
