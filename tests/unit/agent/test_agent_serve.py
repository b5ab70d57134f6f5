"""Many cells in one process: what one does to itself, the others do not feel."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zport_agent import cli, serve
from zport_agent.errors import UsageError

SEGFAULT = "import ctypes\n\ndef preprocess(ctx, data):\n    ctypes.string_at(1 << 40)\n"
HANG = "import time\n\ndef preprocess(ctx, data):\n    time.sleep(600)\n"
FILLS = (
    "import numpy as np\n\ndef preprocess(ctx, data):\n"
    "    return [np.empty(1 << 27) for _ in range(256)]\n"
)
MEMORY = 8 << 30
RAISES = "def preprocess(ctx, data):\n    raise SystemExit(3)\n"


@pytest.fixture
def batch(tmp_path: Path, files: Path) -> Callable[..., Path]:
    """Writes a batch of cells, each by its name and the folder of its model."""

    def write_batch(*cells: tuple[str, Path], seconds: float = 60) -> Path:
        folder = tmp_path / "batch"
        folder.mkdir(exist_ok=True)
        commands = [["predict", "--files", str(files), "--model"]]
        plan = [
            {"name": name, "seconds": seconds, "commands": [[*commands[0], str(model)]]}
            for name, model in cells
        ]
        (folder / "cells.json").write_text(
            json.dumps({"framework": "numpy", "memory": MEMORY, "cells": plan})
        )
        return folder

    return write_batch


@pytest.fixture
def model(tmp_path: Path, write: Callable[[Any], Path], document: dict[str, Any]) -> Any:
    """Makes a model folder of its own, perhaps with other preprocessing."""

    def make(name: str, preprocess: str | None = None) -> Path:
        document["zport"]["byte_order"] = "little"
        folder = write(document | ({"preprocess": preprocess} if preprocess else {}))
        return folder.rename(tmp_path / name)

    return make


def serve_apart(folder: Path, out: Path, *first: str) -> subprocess.CompletedProcess[bytes]:
    """Serve in a process of its own, which knows the framework `numpy` from this folder."""
    code = "\n".join([
        "import sys", "from zport_agent import backends, cli",
        "backends.BACKENDS['numpy'] = 'conftest:Doubler'", *first,
        "sys.exit(cli.main(sys.argv[1:]))",
    ])  # fmt: skip
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(serve.__file__).parents[1])])
    return subprocess.run(
        [sys.executable, "-c", code, "serve", "--batch", str(folder), "--out", str(out)],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, check=False,
    )  # fmt: skip


def statuses(out: Path, name: str) -> list[int]:
    return [
        one["status"] for one in json.loads((out / name / "served.json").read_text())["commands"]
    ]


def test_each_cell_has_its_folder(batch: Any, model: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = batch(("one", model("one")), ("two", model("two")))
    assert cli.main(["serve", "--batch", str(folder), "--out", str(out)]) == 0
    for name in ("one", "two"):
        assert statuses(out, name) == [0]
        assert (out / name / "outputs.npz").exists()
        assert "doubler: 2 inputs" in (out / name / "log.txt").read_text()
    assert not list(out.glob("*.part"))


def test_a_crash_is_one_cells_own(batch: Any, model: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = batch(("bad", model("bad", SEGFAULT)), ("good", model("good")))
    assert serve.serve(folder, out) == 2
    assert statuses(out, "bad") == [-signal.SIGSEGV]
    assert "Segmentation fault" in (out / "bad" / "log.txt").read_text()
    assert statuses(out, "good") == [0]


def test_a_hanging_cell_is_ended(batch: Any, model: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = batch(("slow", model("slow", HANG)), seconds=1)
    assert serve.serve(folder, out) == 1
    assert statuses(out, "slow") == [serve.TIMED_OUT]


def test_a_cell_that_wants_too_much_memory_is_refused_it(
    batch: Any, model: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert serve_apart(batch(("fills", model("fills", FILLS))), out).returncode == 0
    assert statuses(out, "fills") == [5]
    assert "Unable to allocate" in (out / "fills" / "log.txt").read_text()


def test_a_cell_that_ends_its_process_is_told_from_one_that_succeeds(
    batch: Any, model: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    serve.serve(batch(("sly", model("sly", RAISES))), out)
    assert statuses(out, "sly") != [0]
    assert not (out / "sly" / "outputs.npz").exists()


def test_what_follows_a_failed_command_is_not_run(batch: Any, model: Any, tmp_path: Path) -> None:
    out, folder = tmp_path / "out", batch(("bad", model("bad", SEGFAULT)))
    plan = json.loads((folder / "cells.json").read_text())
    plan["cells"][0]["commands"] *= 2
    (folder / "cells.json").write_text(json.dumps(plan))
    serve.serve(folder, out)
    assert len(statuses(out, "bad")) == 1


def test_a_claimed_cell_is_left_to_its_container(batch: Any, model: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = batch(("one", model("one")), ("two", model("two")))
    (out / "claims").mkdir(parents=True)
    (out / "claims" / "one").touch()
    assert serve.serve(folder, out) == 1
    assert not (out / "one").exists()
    assert (out / "two").exists()


def test_stop_ends_the_work_at_once(batch: Any, model: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = batch(("slow", model("slow", HANG)), ("next", model("next")))
    threading.Timer(0.5, (folder / "stop").touch).start()
    started = time.monotonic()
    assert serve.serve(folder, out) == 0
    assert time.monotonic() - started < 30
    assert (out / "claims" / "slow").exists()
    assert not (out / "claims" / "next").exists()


def test_a_framework_that_crashes_on_import_is_the_claimed_cells_crash(
    batch: Any, model: Any, tmp_path: Path
) -> None:
    out, folder = tmp_path / "out", batch(("one", model("one")), ("two", model("two")))
    (tmp_path / "crashing.py").write_text("import ctypes\nctypes.string_at(1 << 40)\n")
    ended = serve_apart(
        folder, out, f"sys.path.append({str(tmp_path)!r})",
        "backends.BACKENDS['numpy'] = 'crashing:Backend'",
    )  # fmt: skip
    assert ended.returncode == -signal.SIGSEGV, ended.stderr
    assert [claim.name for claim in (out / "claims").iterdir()] == ["one"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"cells": [{}]}', '{"framework": "numpy", "cells": [{"name": "one"}]}']
)
def test_a_bad_batch_is_one_clear_message(text: str, tmp_path: Path) -> None:
    (tmp_path / "cells.json").write_text(text)
    with pytest.raises(UsageError, match="not a batch"):
        serve.serve(tmp_path, tmp_path / "out")


def test_no_batch_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--batch is a folder with"):
        serve.serve(tmp_path, tmp_path / "out")
