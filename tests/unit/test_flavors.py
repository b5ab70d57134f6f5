"""An agent's image as other platforms take it: written whole, and saying what was run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from zport.agents import load_agents
from zport.cli import app
from zport.errors import DefinitionError, UsageError, ZportError
from zport.flavors import write
from zport.flavors.subject import Subject
from zport.flavors.write import FLAVORS, USAGE, evidence_of, write_flavor
from zport.targets import TARGETS

IMAGE = "localhost/zport/onnxruntime-debian:1.21.0"
NAMES = ("s390x", "arm64")


@pytest.fixture
def subject() -> Subject:
    return Subject(
        agent=load_agents("onnxruntime-debian")[0],
        version="1.21.0",
        image=IMAGE,
        images={name: f"{IMAGE}-{name}" for name in NAMES},
        targets=tuple(TARGETS[name] for name in NAMES),
    )


def documents(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("flavor", FLAVORS)
def test_each_is_written_with_what_was_run(tmp_path: Path, subject: Subject, flavor: str) -> None:
    folder = write_flavor(flavor, subject, tmp_path / "out")
    readme = (folder / "README.md").read_text()
    evidence = evidence_of(flavor)
    assert evidence.not_run
    for claim in (*evidence.run, *evidence.checked, *evidence.not_run):
        assert claim in readme
    assert "| not run |" in readme
    for name in re.findall(r"[\w./-]+\.yaml|Dockerfile\.\w+", readme):
        assert (folder / name).is_file(), name
    assert flavor in USAGE


@pytest.mark.parametrize("flavor", ["kserve", "kubernetes"])
def test_pods_go_to_nodes_of_the_images_architectures(
    tmp_path: Path, subject: Subject, flavor: str
) -> None:
    folder = write_flavor(flavor, subject, tmp_path / "out")
    name = {"kserve": "servingruntime.yaml", "kubernetes": "kubernetes.yaml"}[flavor]
    first = documents(folder / name)[0]
    pod = first["spec"] if flavor == "kserve" else first["spec"]["template"]["spec"]
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    wanted = required["nodeSelectorTerms"][0]["matchExpressions"]
    assert wanted == [{"key": "kubernetes.io/arch", "operator": "In", "values": list(NAMES)}]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}


def test_a_service_finds_its_pods(tmp_path: Path, subject: Subject) -> None:
    deployment, service = documents(
        write_flavor("kubernetes", subject, tmp_path / "out") / "kubernetes.yaml"
    )
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_an_mlcube_names_the_image_of_its_target(tmp_path: Path, subject: Subject) -> None:
    folder = write_flavor("mlcube", subject, tmp_path / "out")
    for name in NAMES:
        (cube,) = documents(folder / name / "mlcube.yaml")
        assert cube["docker"]["image"] == f"{IMAGE}-{name}"
        assert cube["docker"]["cpu_args"] == f"--platform={TARGETS[name].oci}"
        assert set(cube["tasks"]) == {"predict", "bench"}


def test_backend_ais_ports_and_definitions_are_of_one_name(
    tmp_path: Path, subject: Subject
) -> None:
    folder = write_flavor("backend-ai", subject, tmp_path / "out")
    text = (folder / "Dockerfile.s390x").read_text()
    ports = dict(re.findall(r"(\w+):(?:http|preopen):(\d+)", text))
    assert set(ports) == {"endpoint", "infer"}
    definition = json.loads((folder / "service-defs" / "infer.json").read_text())
    assert f"--port={ports['infer']}" in definition["command"]
    script = folder / "bootstrap.sh"
    assert f"--port={ports['endpoint']}" in script.read_text()
    assert script.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, subject: Subject) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        write_flavor("mlcube", subject, tmp_path)
    with pytest.raises(UsageError, match="there already"):
        write_flavor("mlcube", subject, tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_unknown_flavor_is_told_with_the_nearest(tmp_path: Path, subject: Subject) -> None:
    with pytest.raises(UsageError, match="did you mean kubernetes"):
        write_flavor("kubernets", subject, tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["kserv"], "unknown flavor"),
        (["kserve", "--agent", "all"], "one agent at a time"),
        (["kserve", "--agent", "onnxruntime,tflite"], "one agent at a time"),
    ],
)
def test_what_the_command_refuses(tmp_path: Path, arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["flavor", *arguments, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, ZportError)
    assert told in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_evidence_that_is_malformed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evidence.toml").write_text("[flavors.mlcube]\ntitle = 'x'\nrun = 'yes'\n")
    monkeypatch.setattr(write, "__file__", str(tmp_path / "write.py"))
    with pytest.raises(DefinitionError, match="run"):
        evidence_of("mlcube")
