"""The matrix as a pytest run, for real: the agents' images, s390x under QEMU, models that crash."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import AGENT, PATIENCE, MainJob, copy_checkout

SEGFAULT = "import ctypes\n\ndef preprocess(ctx, data):\n    ctypes.string_at(1 << 40)\n"
HANG = "def preprocess(ctx, data):\n    while True:\n        pass\n"
KILLS_ITS_CONTAINER = (
    "import os, signal\n\ndef preprocess(ctx, data):\n    os.kill(os.getppid(), signal.SIGKILL)\n"
)
FILLS_MEMORY = (
    "import numpy as np\n\ndef preprocess(ctx, data):\n"
    "    return [np.empty(1 << 29) for _ in range(64)]\n"
)
"""256 GB in pieces, of which none is touched: only a limit refuses them."""

Matrix = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def project(main_job: MainJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with models that misbehave, and a build folder that has fetched everything."""
    copy = copy_checkout(tmp_path_factory.mktemp("matrix"), main_job, "wheels")
    for name, preprocess in (
        ("crashes", SEGFAULT), ("hangs", HANG), ("kills", KILLS_ITS_CONTAINER),
        ("fills", FILLS_MEMORY),
    ):  # fmt: skip
        folder = copy / "models" / name
        shutil.copytree(copy / "models" / "silero-vad", folder)
        document = yaml.safe_load((folder / "manifest.yml").read_text())
        document |= {"name": name, "preprocess": preprocess}
        (folder / "manifest.yml").write_text(yaml.safe_dump(document))
    return copy


@pytest.fixture
def matrix(project: Path) -> Matrix:
    """Calls ``zport matrix`` there."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments), cwd=project, capture_output=True, text=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip

    return call


def command(*arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "zport",
        "matrix",
        "--engine",
        "buildah",
        "--agent",
        AGENT,
        *arguments,
    ]


def latest(project: Path) -> dict[str, dict]:
    """The last run's cells by model and target."""
    runs = (project / "build/results").glob("run-*.json")
    newest = max(runs, key=lambda path: int(path.stem[4:]))
    cells = json.loads(newest.read_text())["cells"]
    return {f"{cell['model']} {cell['target']}": cell for cell in cells}


def test_models_that_misbehave_are_verdicts_and_harm_no_other(
    matrix: Matrix, project: Path
) -> None:
    """All in one container of each image; the time limit is a fraction of the usual one."""
    ran = matrix("--model", "kills,crashes,hangs,fills,silero-vad", "--patience", "0.05", "--jobs",
                 "1")  # fmt: skip
    assert ran.returncode == 11, ran.stdout + ran.stderr
    cells = latest(project)
    for target in ("amd64", "s390x"):
        assert cells[f"silero-vad {target}"]["verdict"] == "pass"
        assert cells[f"crashes {target}"]["verdict"] == "crash"
        assert "SIGSEGV" in cells[f"crashes {target}"]["reason"]
        assert cells[f"hangs {target}"]["verdict"] == "timeout"
        assert "no answer within" in cells[f"hangs {target}"]["reason"]
        assert cells[f"kills {target}"]["verdict"] == "crash"
    assert cells["fills amd64"]["verdict"] == "crash"
    assert "Unable to allocate" in cells["fills amd64"]["reason"]
    # An emulator that meets the limit itself may hang instead of the program's exception.
    assert cells["fills s390x"]["verdict"] in ("crash", "timeout")
    assert "Traceback" not in ran.stdout
    assert "crash: ended by SIGSEGV" in ran.stdout


def test_lf_shows_what_failed_alone(matrix: Matrix) -> None:
    matrix("--model", "crashes,silero-vad")
    again = matrix("--model", "crashes,silero-vad", "--", "--lf", "-v")
    assert again.returncode == 11
    assert f"crashes/manifest.yml::{AGENT}-s390x-qemu FAILED" in again.stdout
    assert "silero-vad/manifest.yml" not in again.stdout


def test_items_are_chosen_by_name_and_mark(matrix: Matrix) -> None:
    def chosen(*arguments: str) -> list[str]:
        listed = matrix("--model", "crashes,silero-vad", "--", "--collect-only", "-q", *arguments)
        assert listed.returncode == 0, listed.stdout + listed.stderr
        return [line.partition("/")[2] for line in listed.stdout.splitlines() if "::" in line]

    assert len(chosen()) == 4
    assert chosen("-k", "silero and s390x") == [f"silero-vad/manifest.yml::{AGENT}-s390x-qemu"]
    assert chosen("-m", "runner(name='native') and model(name='crashes')") == [
        f"crashes/manifest.yml::{AGENT}-amd64-native"
    ]
    assert len(chosen("-m", "framework(name='onnxruntime') and target(name='s390x')")) == 2


def test_x_stops_and_junit_tells(matrix: Matrix, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    stopped = matrix("--model", "crashes,silero-vad", "--", "-x", f"--junit-xml={junit}")
    assert stopped.returncode == 11
    cases = ET.parse(junit).findall(".//testcase")
    assert len(cases) < 4
    failure = next(case.find("failure") for case in cases if case.find("failure") is not None)
    assert failure.text.startswith("crash: ended by SIGSEGV")
    properties = {one.get("name"): one.get("value") for one in cases[0].iter("property")}
    assert properties["verdict"] in ("pass", "crash")


def test_workers_of_xdist_share_one_run(matrix: Matrix, project: Path) -> None:
    shutil.rmtree(project / "build/results/cells")
    ran = matrix("--model", "magika,silero-vad", "--", "-n", "2", "-k", "amd64")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout
    assert {cell["verdict"] for cell in latest(project).values()} == {"pass"}


def test_an_interrupted_run_goes_on(project: Path, matrix: Matrix) -> None:
    """Ctrl-C once the first cell is kept; the next run takes that one as it is."""
    cells = project / "build/results/cells"
    shutil.rmtree(cells, ignore_errors=True)
    running = subprocess.Popen(
        command("--model", "silero-vad,silero-vad-sequence", "--jobs", "1"), cwd=project,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while not list(cells.glob("*-s390x-*/run.json")):
        assert running.poll() is None
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=120)[0]
    assert running.returncode == 130, said
    first = {path: path.stat().st_mtime for path in cells.glob("*/run.json")}
    assert len(first) == 3, said
    assert not list((project / "build/results").glob(".batch.*"))
    assert matrix("--model", "silero-vad,silero-vad-sequence").returncode == 0
    assert len(list(cells.glob("*/run.json"))) == 4
    assert all(path.stat().st_mtime == before for path, before in first.items())


def test_pytest_alone_runs_manifests(project: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "zport.matrix.plugin", "-p", "no:cacheprovider",
         "--zport-engine", "buildah", "--zport-agent", AGENT,
         "--zport-build-folder", str(project / "build"),
         "models/silero-vad"],
        cwd=project, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--runner", "qmeu"], 2, "choose from native, qemu, ssh://"),
        (["--runner", "ssh://"], 2, "write ssh://[USER@]HOST[:PORT]"),
        (["--runner", "ssh://nobody@127.0.0.1:1"], 9, "no connection"),
        (["--", "-k", "no-such-cell"], 2, "no cell is left to run"),
        (["--", "--no-such-flag"], 2, "pytest refuses its arguments"),
    ],
)
def test_bad_requests_get_one_clear_message(
    matrix: Matrix, arguments: list[str], status: int, words: str
) -> None:
    refused = matrix("--model", "silero-vad", *arguments)
    assert refused.returncode == status, refused.stdout + refused.stderr
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr + refused.stdout
