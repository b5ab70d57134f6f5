"""Flavors, judged by the platforms' own programs and run where that can be done.

What is done here is what zport/flavors/evidence.toml says was run and checked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from conftest import IBM_Z, PATIENCE
from doubling import write_doubler

from zport.agents import load_agents
from zport.engines.buildah import Buildah
from zport.flavors.subject import LIVE, READY, Subject
from zport.flavors.write import write_flavor
from zport.targets import REFERENCE, Target

AGENT = "onnxruntime-debian"
JUDGES = (
    # MLCube pins versions that current Pythons do not install; its own code does without them.
    (["backend.ai-common==23.9.10", "kubernetes-validate==1.37.0"], []),
    (["mlcube==0.0.9", "mlcube-docker==0.0.9", "kserve==0.21.0"], ["--no-deps"]),
    (["omegaconf>=2.3", "click", "coloredlogs", "cookiecutter", "markdown", "requests", "six",
      "setuptools<81"], []),
)  # fmt: skip
VALIDATE_LABELS = """
import json, sys
from ai.backend.common.docker import validate_image_labels
checked = validate_image_labels(json.load(sys.stdin))
print(checked["ai.backend.role"], *checked["ai.backend.endpoint-ports"])
"""
ASK = """
import json, urllib.request
request = {{"inputs": [{{"name": "x", "datatype": "FP32", "shape": [2], "data": [1.5, -2]}}]}}
there = "http://127.0.0.1:{port}/v2/models/doubler/infer"
print(json.load(urllib.request.urlopen(there, json.dumps(request).encode()))["outputs"][0]["data"])
"""
GET = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:{port}{path}").status)
"""


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs that judge, in an environment of their own that is thrown away."""
    home = tmp_path_factory.mktemp("judges")
    venv.create(home, with_pip=True)
    for names, options in JUDGES:
        command = [home / "bin" / "pip", "install", "--quiet", *options, *names]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return home / "bin"


@pytest.fixture
def loaded(agent_images: dict[str, str], daemon: docker.DockerClient, tmp_path: Path) -> Any:
    """Has Docker hold the image of a target; gives its name."""

    def load(target: Target) -> str:
        name = agent_images[target.name]
        archive = tmp_path / "image.tar"
        Buildah().save(name, archive)
        with archive.open("rb") as file:
            daemon.images.load(file)
        archive.unlink()
        return name

    return load


@pytest.fixture
def subject(agent_images: dict[str, str]) -> Subject:
    targets = (IBM_Z, REFERENCE)
    index = agent_images[REFERENCE.name]
    return Subject(load_agents(AGENT)[0], "1.21.0", index, agent_images, targets)


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text()))


def judged(judges: Path, folder: Path, document: Any) -> None:
    """Kubernetes' own schemas take the document, with no field that they do not have."""
    path = folder / "judged.yaml"
    path.write_text(yaml.safe_dump(document))
    command = [judges / "kubernetes-validate", "--strict", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def pod_of(spec: dict[str, Any]) -> dict[str, Any]:
    """A ServingRuntime's containers as a pod, which has the same fields."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
            "spec": {key: spec[key] for key in ("affinity", "containers", "volumes")}}  # fmt: skip


def test_kubernetes_takes_both_objects(judges: Path, subject: Subject, tmp_path: Path) -> None:
    folder = write_flavor("kubernetes", subject, tmp_path / "out")
    for document in documents(folder / "kubernetes.yaml"):
        judged(judges, tmp_path, document)
    document["spec"]["selektor"] = {}
    with pytest.raises(AssertionError, match="selektor"):
        judged(judges, tmp_path, document)


def test_kserve_takes_both_objects(judges: Path, subject: Subject, tmp_path: Path) -> None:
    folder = write_flavor("kserve", subject, tmp_path / "out")
    (runtime,), (service,) = (
        documents(folder / name) for name in ("servingruntime.yaml", "inferenceservice.yaml")
    )
    judged(judges, tmp_path, pod_of(runtime["spec"]))

    def ask(model: str, document: Any) -> str:
        path = tmp_path / "document.json"
        path.write_text(json.dumps(document))
        judge = Path(__file__).with_name("kserve_judge.py")
        done = subprocess.run([judges / "python", judge, model, path], capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert not done.stderr, done.stderr
        return done.stdout.strip()

    assert ask("V1alpha1ServingRuntime", runtime) == ""
    assert ask("V1beta1InferenceService", service) == ""
    runtime["spec"]["supportedModelFormats"][0]["versions"] = "2"
    assert "versions: V1alpha1SupportedModelFormat has no such field" in ask(
        "V1alpha1ServingRuntime", runtime
    )


@contextmanager
def running(daemon: docker.DockerClient, image: str, **options: Any) -> Iterator[Any]:
    container = daemon.containers.run(image, detach=True, network_mode="none", **options)
    try:
        yield container
    finally:
        container.remove(force=True)


def run_pod(
    daemon: docker.DockerClient, image: str, pod: dict[str, Any], model: Path, claim: str
) -> Any:
    """A pod's one container as its specification has it: what Docker has words for."""
    (container,) = pod["containers"]
    context = container["securityContext"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    return running(
        daemon, image, command=container["args"], read_only=context["readOnlyRootFilesystem"],
        cap_drop=context["capabilities"]["drop"], security_opt=["no-new-privileges"],
        tmpfs={mounts["scratch"]: ""}, volumes={str(model): {"bind": claim, "mode": "ro"}},
    )  # fmt: skip


def inside(container: Any, program: str, seconds: float = 120) -> str:
    """What a Python program prints in the container, as soon as it runs through."""
    deadline = time.monotonic() + seconds
    while True:
        status, said = container.exec_run(["python3", "-c", program])
        if status == 0:
            return str(said.decode().strip())
        container.reload()
        assert container.status == "running", container.logs().decode()
        assert time.monotonic() < deadline, said.decode()
        time.sleep(1)


def test_a_pods_container_runs_as_it_is_described(
    daemon: docker.DockerClient, loaded: Any, subject: Subject, tmp_path: Path
) -> None:
    image, model = loaded(REFERENCE), write_doubler(tmp_path / "model")
    kubernetes = write_flavor("kubernetes", subject, tmp_path / "kubernetes")
    pod = documents(kubernetes / "kubernetes.yaml")[0]["spec"]["template"]["spec"]
    with run_pod(daemon, image, pod, model, "/model") as container:
        (described,) = pod["containers"]
        for probe, path in (("livenessProbe", LIVE), ("readinessProbe", READY)):
            asked = described[probe]["httpGet"]
            assert asked["path"] == path
            assert inside(container, GET.format(**asked)) == "200"
        # runAsNonRoot is refused for an image whose user is no number.
        assert inside(container, "import os; print(os.getuid())") == "65532"
    kserve = write_flavor("kserve", subject, tmp_path / "kserve")
    spec = documents(kserve / "servingruntime.yaml")[0]["spec"]
    with run_pod(daemon, image, spec, model, "/mnt/models") as container:
        assert inside(container, ASK.format(port=8080)) == "[3.0, -4.0]"


@pytest.mark.parametrize("target", [IBM_Z, REFERENCE], ids=lambda target: target.name)
def test_mlcube_runs_its_tasks(
    judges: Path, loaded: Any, subject: Subject, tmp_path: Path, target: Target
) -> None:
    loaded(target)
    cube = write_flavor("mlcube", subject, tmp_path / "out") / target.name
    model = write_doubler(tmp_path / "model")
    for name in ("model", "files"):
        shutil.copytree(model, cube / "workspace" / name)
    out = cube / "workspace" / "out"
    out.mkdir()
    out.chmod(0o777)
    for task, result in (("predict", "outputs.npz"), ("bench", "bench.json")):
        command = [judges / "mlcube", "run", f"--mlcube={cube}", f"--task={task}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE,
                              env=os.environ | {"HOME": str(tmp_path)}, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert (out / result).is_file(), done.stdout + done.stderr


def test_backend_ai_takes_the_image(
    judges: Path, daemon: docker.DockerClient, loaded: Any, subject: Subject, tmp_path: Path
) -> None:
    loaded(REFERENCE)
    folder = write_flavor("backend-ai", subject, tmp_path / "out")
    model, name = write_doubler(tmp_path / "model"), "localhost/zport-test/backend-ai:1"
    client = next(one for one in ("/usr/bin/docker", "docker") if shutil.which(one))
    command = [client, "buildx", "build", "--quiet", "--load", "--tag", name,
               "--file", folder / f"Dockerfile.{REFERENCE.name}", folder]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env=os.environ | {"BUILDX_BUILDER": "default"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    try:
        labels = daemon.images.get(name).labels
        checked = subprocess.run([judges / "python", "-c", VALIDATE_LABELS],
                                 input=json.dumps(labels), capture_output=True, text=True,
                                 check=False)  # fmt: skip
        assert checked.stdout.split() == ["INFERENCE", "endpoint"], checked.stderr
        volumes = {str(model): {"bind": labels["ai.backend.model-path"], "mode": "ro"}}
        with running(daemon, name, entrypoint=["sleep", "600"], volumes=volumes) as container:
            started = time.monotonic()
            status, said = container.exec_run(["/opt/container/bootstrap.sh"], user="1000:1000")
            assert (status, time.monotonic() - started < 5) == (0, True), said
            assert inside(container, ASK.format(port=8080)) == "[3.0, -4.0]"
    finally:
        daemon.images.remove(name, force=True)
