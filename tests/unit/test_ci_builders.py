"""Several build machines: the bake file's targets keep to their own, and nodes are told apart."""

import io
import json

import pytest
from rich.console import Console
from test_plan import S390X, Packages, Providers, project  # noqa: F401 - project is a fixture

from zport import job as job_module
from zport.agents import load_agents
from zport.engines import buildx
from zport.engines.buildx import Node, parse_nodes, require_nodes
from zport.errors import EngineError
from zport.job import Request
from zport.native import plan_natively
from zport.steps.bake import bake, closed
from zport.steps.step import Step
from zport.targets import REFERENCE, TARGETS

INSPECTED = """\
Name:          ours
Driver:        remote
Last Activity: 2026-11-23 05:28:37 +0000 UTC

Nodes:
Name:             here
Endpoint:         unix:///run/here.sock
Status:           running
BuildKit version: v0.12.5
Platforms:        linux/amd64*, linux/amd64/v2, linux/s390x
Labels:
 org.mobyproject.buildkit.worker.executor: containerd

Name:     z
Endpoint: tcp://z.example.org:1234
Error:    rpc error: code = Unavailable
"""


@pytest.fixture
def inspected(monkeypatch):
    """What buildx says of a builder, to choose."""

    def say(text):
        monkeypatch.setattr(buildx, "read_nodes", lambda builder: parse_nodes(text))

    return say


def test_nodes_are_read_with_what_they_were_made_for():
    here, z = parse_nodes(INSPECTED)
    assert here == Node(
        "here", "unix:///run/here.sock", "running",
        frozenset(["linux/amd64", "linux/amd64/v2", "linux/s390x"]), frozenset(["linux/amd64"]),
    )  # fmt: skip
    assert (z.name, z.endpoint, z.runs) == ("z", "tcp://z.example.org:1234", False)


@pytest.mark.parametrize("text", ["", "Name: ours\n", "Name: ours\n\nNodes:\n", "Nodes:\nx\n"])
def test_without_nodes_there_are_none(text):
    assert parse_nodes(text) == []


def test_a_node_that_is_away_is_named_with_what_to_do(inspected):
    inspected(INSPECTED)
    with pytest.raises(EngineError, match=r"node z at tcp://z\.example\.org:1234") as caught:
        require_nodes("ours", [REFERENCE])
    assert caught.value.where == "builder ours"
    assert "--leave --name ours --node z" in caught.value.next_step


def test_a_target_without_a_node_is_named(inspected):
    inspected(INSPECTED.partition("\nName:     z")[0])
    assert len(require_nodes("ours", [REFERENCE, S390X])) == 1
    arm64 = TARGETS["arm64"]
    with pytest.raises(EngineError, match=f"no node for {arm64.oci}") as caught:
        require_nodes("ours", [arm64])
    assert f"--platform {arm64.oci}" in caught.value.next_step


@pytest.fixture
def native(project, workspace, monkeypatch):  # noqa: F811
    """The small agent, planned natively for two targets."""
    monkeypatch.setattr(job_module, "Archive", lambda *_, **__: Packages())
    monkeypatch.setattr(job_module, "Resolver", lambda *_: Providers())
    request = Request([REFERENCE, S390X], load_agents("tiny"), None, workspace,
                      Console(file=io.StringIO()), base="bootstrap")  # fmt: skip
    return plan_natively(request)


def test_no_step_of_a_native_plan_needs_another_machine(native):
    for step in native.steps.values():
        assert {native.steps[need].target for need in step.needs} <= {step.target}
        platforms = {line.split()[1] for line in step.dockerfile.splitlines()
                     if line.startswith("FROM ")}  # fmt: skip
        assert platforms == {f"--platform={step.target.oci}"}, step.name


def test_every_target_has_its_own_toolchain(native):
    assert {"toolchain-s390x", "toolchain-amd64"} <= set(native.steps)
    assert [agent.target for _, agent in native.agents] == [REFERENCE, S390X]
    assert "toolchain-s390x-emulated" not in native.steps


def test_a_bake_file_closes_every_build(native):
    written = json.loads(json.dumps(bake(native.steps, ["agent-tiny-s390x"])))
    assert written["group"]["default"]["targets"] == ["agent-tiny-s390x"]
    for name, target in written["target"].items():
        runs = [line for line in target["dockerfile-inline"].splitlines()
                if line.startswith("RUN ")]  # fmt: skip
        assert all(line.startswith("RUN --network=none ") for line in runs), name
        assert target["platforms"] == [native.steps[name].target.oci]
        assert set(target["contexts"].values()) <= {f"target:{one}" for one in written["target"]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("RUN true", "RUN --network=none true"),
        ("RUN --mount=type=cache,target=/c true", "RUN --network=none --mount=type=cache,target=/c "
         "true"),
        ("RUN --network=none true", "RUN --network=none true"),
        ("COPY RUN /there", "COPY RUN /there"),
        ("# RUN true", "# RUN true"),
    ],
)  # fmt: skip
def test_a_command_has_no_network(line, expected):
    assert closed(f"FROM scratch\n{line}\n") == f"FROM scratch\n{expected}\n"


def test_a_bake_file_expands_nothing():
    """Bake takes ${NAME} and %{ for its own, in JSON too."""
    text = "FROM scratch\nENV PATH=${PATH}:/own%{x}\nRUN echo $HOME 100%\n"
    step = Step("one", "", "base", REFERENCE, "", "localhost/one", "1", 0, dockerfile=text)
    inline = bake({"one": step}, ["one"])["target"]["one"]["dockerfile-inline"]
    assert "$${PATH}:/own%%{x}" in inline
    assert "$HOME 100%" in inline
