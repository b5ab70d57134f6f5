"""zport bench for real: the agent's image, LoadGen, s390x under QEMU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.conftest import AGENT, IBM_Z
from zport.results import Store, store_path
from zport.workspace import Workspace

MODEL = "sensors-linear"
PATIENCE = 900
WHOLE = ("performance", "accuracy")


def bench(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zport", "bench", "--engine", "buildah", "--agent", AGENT,
         "--model", MODEL, *arguments],
        cwd=project, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "PYTHONPATH": str(project)},
    )  # fmt: skip


def records(project: Path) -> list[dict[str, Any]]:
    folder = project / "build" / "bench" / MODEL / AGENT
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*/*/*/record.json"))]


def test_scenarios_on_an_emulated_machine_are_kept_once(checkout: Path) -> None:
    asked = ("--arch", IBM_Z.name, "--scenario", "SingleStream,Server", "--accuracy")
    ran = bench(checkout, *asked)
    assert ran.returncode in (0, 11), ran.stdout + ran.stderr
    assert "emulated: nothing of it says" in ran.stdout
    assert "on real machines" not in ran.stdout
    kept = records(checkout)
    assert [one["scenario"] for one in kept] == ["Server", "SingleStream"]
    for one in kept:
        assert one["emulated"] is True and one["conforming"] is False
        assert "the processor is emulated" in one["reasons"]
        assert one["byte_order"] == "big" and one["host"]["info"]["byte_order"] == "big"
        for part in WHOLE:
            logs = Path(one["folder"]) / part / "loadgen"
            assert {path.name for path in logs.iterdir()} == {
                f"mlperf_log_{name}"
                for name in ("summary.txt", "detail.txt", "accuracy.json", "trace.json")
            }
    before = {Path(one["folder"]) / "record.json" for one in kept}
    times = {path: path.stat().st_mtime_ns for path in before}

    again = bench(checkout, *asked)
    assert again.returncode == ran.returncode, again.stdout + again.stderr
    assert "run  " not in again.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == times
    with Store.open(store_path(Workspace(checkout / "build"))) as store:
        assert len(store.benches(of_cells=False)) == len(kept)
    page = (checkout / "build" / "report" / "index.html").read_text()
    assert kept[0]["key"] in page


def test_answers_of_both_machines_are_decoded_alike(checkout: Path) -> None:
    """The accuracy log says nothing of its byte order: the agent answers little-endian on both."""
    ran = bench(checkout, "--arch", f"{IBM_Z.name},amd64", "--scenario", "Offline", "--accuracy",
                "--set", "min_query_count=4")  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = []
    for one in records(checkout):
        result = json.loads((Path(one["folder"]) / "accuracy" / "bench.json").read_text())
        assert result["byte_order"] == "little"
        (answer,) = result["answers"]
        outputs = [(output["name"], output["dtype"]) for output in answer["outputs"]]
        said.append((one["byte_order"], outputs, answer["features"]))
    (first, *ours), (second, *theirs) = said
    assert {first, second} == {"little", "big"}
    assert ours == theirs
    assert all(dtype.startswith("<") for _, dtype in ours[0])
