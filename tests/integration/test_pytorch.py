"""PyTorch in its agent's image: files of the other byte order, its profiler, what is left out.

Files are written on one machine and read on the other. PyTorch alone misreads some of them without
an error; what the agent gives it to read must be right bit by bit, or be refused where the numbers
are lost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.integration.conftest import IBM_Z, ROOT
from zport.agents import load_agents
from zport.engines import Mount
from zport.engines.buildah import Buildah
from zport.job import Job, Request
from zport.targets import REFERENCE, TARGETS
from zport.trace.spans import read_trace
from zport.workspace import Workspace

AGENT = "pytorch-debian"
MACHINES = (IBM_Z.name, REFERENCE.name)
TRACED = "keyword-spotting-torchscript"
EXCHANGE = ROOT / "tests/fixtures/torch"
PATIENCE = 1500
LOST = "legacy-complex128.pt"
"""What a big-endian machine writes as zeros."""
MISREAD = {
    "script.pt", "program.pt2", "legacy-complex64.pt", LOST,
    "zip-complex32.pt", "zip-uint16.pt", "zip-uint32.pt", "zip-uint64.pt",
}  # fmt: skip
"""What PyTorch 2.6 alone reads without an error and wrong, where the writer is another machine."""


class Directly(Buildah):
    """Runs a command in an agent's image, and not as a verb of the agent."""

    def _entry_point(self, image: str) -> list[str]:
        return []


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    """The agent's image on each machine."""
    if os.geteuid() != 0:
        pytest.skip("Buildah and binfmt need root")
    job = Job(Request(
        [IBM_Z, REFERENCE], load_agents(AGENT), Buildah(), Workspace(ROOT / "build"), Console(),
        test=False,
    ))  # fmt: skip
    job.build()
    return {plan.target.name: plan.step.image for plan in job.agents}


def said(image: str, machine: str, script: str, files: Mount, log: Path) -> Any:
    """What a script of the fixtures says in the image of a machine."""
    name, *verb = script.split()
    command = ("python3", f"/exchange/{name}", *verb, files.target)
    mounts = [Mount(EXCHANGE, "/exchange"), files]
    status = Directly().run(image, TARGETS[machine], command, mounts, log, seconds=PATIENCE)
    text = log.read_text()
    assert status == 0, text[-3000:]
    return json.loads(text[text.index("{") :])


@pytest.fixture(scope="module")
def written(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every case as each machine's PyTorch saves it."""
    folders = {}
    for machine, image in images.items():
        folder = folders[machine] = tmp_path_factory.mktemp(machine) / "files"
        folder.mkdir()
        folder.chmod(0o777)
        mount = Mount(folder, "/files", writable=True)
        answers = said(image, machine, "exchange.py write", mount, folder.with_name("log.txt"))
        assert {name: one for name, one in answers.items() if one != "written"} == {}
    return folders


@pytest.mark.parametrize(("writer", "reader"), list(product(MACHINES, MACHINES)))
def test_files_of_one_machine_mean_the_same_on_the_other(
    images: dict[str, str], written: dict[str, Path], tmp_path: Path, writer: str, reader: str
) -> None:
    files = Mount(written[writer], "/files")
    answers = said(images[reader], reader, "exchange.py read", files, tmp_path / "log.txt")
    alone = answers.pop("bare")
    assert set(answers) == {path.name for path in written[writer].iterdir()}
    lost = {LOST} if writer == IBM_Z.name else set()
    not_right = {name: one for name, one in answers.items() if one != "right"}
    assert set(not_right) == lost, not_right
    assert all("numbers are lost" in one for one in not_right.values()), not_right
    silent = {name for name, one in alone.items() if one.startswith("wrong")}
    assert silent == (MISREAD if writer != reader else lost), alone


def test_odd_models(images: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    folder.chmod(0o777)
    machine = REFERENCE.name
    files = Mount(folder, "/models", writable=True)
    answers = said(images[machine], machine, "odd_models.py", files, tmp_path / "log.txt")
    right = {name for name, one in answers.items() if one == {"output": [3.0, 6.0]}}
    assert right == {"tensor-of-no-dimension.pt2", "whole-number.pt"}, answers
    assert "input 3 is no tensor" in answers["number.pt2"]
    assert "no attribute 'forward'" in answers["no-forward.pt"]
    assert "gave a NoneType; expected what runs the model" in answers["no-return.pt"]


@pytest.fixture(scope="module")
def traced(images: dict[str, str]) -> str:
    """What ``zport trace`` prints of a small model's operators on both machines."""
    done = subprocess.run(
        [sys.executable, "-m", "zport", "trace", TRACED, "--agent", AGENT, "--engine", "buildah",
         "--arch", ",".join(MACHINES), "--level", "framework", "--iterations", "1",
         "--warmup", "0"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("machine", MACHINES)
def test_operators_of_the_profiler_lie_in_their_predict_call(traced: str, machine: str) -> None:
    name = f"{TRACED}-{AGENT}-{machine}-framework"
    trace = read_trace(ROOT / "build" / "traces" / name / "trace.otlp.json")
    assert trace.resource["zport.framework.name"] == "pytorch"
    [call] = [span for span in trace.spans if span.level == "MODEL_TRACE"]
    operators = [span for span in trace.spans if span.operator]
    assert all(call.start <= one.start and one.end <= call.end for one in operators)
    [convolution, *_] = [one for one in operators if one.operator == "aten::_convolution"]
    assert convolution.attributes["zport.inputs"][:2] == ["float[1,1,58,12]", "float[64,1,10,4]"]
    assert trace.children[convolution.identity], "what runs inside it is inside it"
    assert "aten::_convolution" in traced


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_left_out_is_not_said_to_be_installed(
    images: dict[str, str], tmp_path: Path, machine: str
) -> None:
    log = tmp_path / "log.txt"
    command = ("dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n")
    assert Directly().run(images[machine], TARGETS[machine], command, [], log, PATIENCE) == 0
    installed = {line[4:] for line in log.read_text().splitlines() if line.startswith("ii ")}
    assert {"libtorch2.6", "python3-torch", "python3-sympy"} <= installed
    assert not installed & set(load_agents(AGENT)[0].leave_out.packages)
