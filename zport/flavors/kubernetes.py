"""Kubernetes: a Deployment that serves one model, and its Service."""

from __future__ import annotations

from typing import Any

from zport.flavors.subject import LIVE, PORT, READY, Subject, hardened, server
from zport.flavors.yamltext import as_yaml

MODEL = "/model"


def files(subject: Subject) -> dict[str, str]:
    """``kubernetes.yaml``. The model's folder comes from a volume claim."""
    return {"kubernetes.yaml": as_yaml(_deployment(subject), _service(subject))}


def _deployment(subject: Subject) -> dict[str, Any]:
    chosen = {"app.kubernetes.io/name": subject.name}
    claim = {"claimName": f"{subject.name}-model", "readOnly": True}
    pod = {
        "affinity": subject.affinity,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "containers": [_container(subject)],
        "volumes": [
            {"name": "model", "persistentVolumeClaim": claim},
            {"name": "scratch", "emptyDir": {}},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": subject.name, "labels": subject.labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": chosen},
            "template": {"metadata": {"labels": subject.labels}, "spec": pod},
        },
    }


def _container(subject: Subject) -> dict[str, Any]:
    return {
        "name": "server",
        "image": subject.image,
        "args": server(MODEL),
        "ports": [{"name": "http", "containerPort": PORT}],
        # It lives before its model is loaded, which may take minutes.
        "startupProbe": probe(READY, failureThreshold=120),
        "livenessProbe": probe(LIVE),
        "readinessProbe": probe(READY),
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": hardened(),
        "volumeMounts": [
            {"name": "model", "mountPath": MODEL, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - in the container
        ],
    }


def probe(path: str, **more: Any) -> dict[str, Any]:
    """A probe that asks the HTTP server."""
    asked = {"path": path, "port": PORT}
    return {"httpGet": asked, "periodSeconds": 5, "timeoutSeconds": 5, **more}


def _service(subject: Subject) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": subject.name, "labels": subject.labels},
        "spec": {
            "selector": {"app.kubernetes.io/name": subject.name},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }
