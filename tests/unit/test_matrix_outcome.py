"""What a cell's containers left, in words."""

import json
import signal
from types import SimpleNamespace

import pytest

from zport.engines import TIMED_OUT
from zport.matrix.cells import CellRun
from zport.matrix.outcome import keep_dead, keep_served, read_run, reason_in, status_phrase


@pytest.fixture
def batch(tmp_path):
    """A batch of one cell, with its folders."""
    out = tmp_path / "out"
    out.mkdir()
    return SimpleNamespace(out=out, limits={"cell": 60.0}, memory=1 << 30)


CELL = SimpleNamespace(name="cell", verbs=("predict", "bench"))


def serve(batch, *commands, log=""):
    folder = batch.out / "cell"
    folder.mkdir()
    (folder / "log.txt").write_text(log)
    if ("predict", 0) in commands:
        (folder / "outputs.npz").touch()
        (folder / "result.json").write_text('{"inputs": [{"name": "x", "sha256": "0"}]}')
    told = [{"verb": verb, "status": status, "seconds": 1.5} for verb, status in commands]
    (folder / "served.json").write_text(json.dumps({"commands": told}))


def kept(batch, tmp_path):
    keep_served(CELL, batch, tmp_path / "kept")
    return read_run(CELL, tmp_path / "kept")


def test_a_good_cell(batch, tmp_path):
    serve(batch, ("predict", 0), ("bench", 0))
    run = kept(batch, tmp_path)
    assert (run.failure, run.reason) == (None, None)
    assert run.seconds == {"predict": 1.5, "bench": 1.5}
    assert not (batch.out / "cell").exists()


@pytest.mark.parametrize(
    ("status", "log", "failure", "words"),
    [
        (-signal.SIGSEGV, "", "crash", "ended by SIGSEGV"),
        (-signal.SIGABRT, "zport-agent: half way\n", "crash", "ended by SIGABRT: half way"),
        (TIMED_OUT, "", "timeout", "no answer within 60 s"),
        (6, "zport-agent: no operator Foo\n", "unsupported", "no operator Foo"),
        (5, "noise\nzport-agent: preprocess failed\nmore\n", "crash", "preprocess failed"),
        (70, "Traceback (most recent call last):\n  File\nMemoryError\n", "crash", "MemoryError"),
        (137, "", "crash", "ended by SIGKILL"),
        (3, "", "crash", "ended with status 3"),
    ],
)
def test_a_bad_cell_says_why(batch, tmp_path, status, log, failure, words):
    serve(batch, ("predict", status), log=log)
    run = kept(batch, tmp_path)
    assert (run.failure, run.reason) == (failure, words)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("outputs.npz", None),
        ("result.json", None),
        ("result.json", "{"),
        ("result.json", "[" * 100_000),
        ("result.json", "[]"),
        ("result.json", '{"inputs": [1]}'),
        ("result.json", '{"inputs": [{"name": "x"}]}'),
    ],
)
def test_a_cell_that_ends_well_without_an_answer_crashed(batch, tmp_path, name, content):
    serve(batch, ("predict", 0))
    (batch.out / "cell" / name).unlink()
    if content:
        (batch.out / "cell" / name).write_text(content)
    run = kept(batch, tmp_path)
    assert (run.failure, run.reason) == ("crash", f"ended with status 0 and left no {name}")


@pytest.mark.parametrize("name", ["run.json", "served.json", "log.txt", "outputs.npz", ".written"])
def test_a_folder_of_a_cells_own_does_not_end_the_run(batch, tmp_path, name):
    serve(batch, ("predict", 0))
    place = batch.out / "cell" / name
    place.unlink(missing_ok=True)
    (place / "inside").mkdir(parents=True)
    assert kept(batch, tmp_path).failure == (None if name in (".written", "log.txt", "run.json")
                                             else "crash")  # fmt: skip


def test_a_benchmark_that_crashed_is_not_valid(batch, tmp_path):
    serve(batch, ("predict", 0), ("bench", -signal.SIGSEGV))
    run = kept(batch, tmp_path)
    assert run.failure is None
    assert run.bench == {"valid": False, "invalid_reasons": ["ended by SIGSEGV"]}


def test_a_cell_that_died_with_its_container_keeps_its_log(batch, tmp_path):
    part = batch.out / "cell.part"
    part.mkdir()
    (part / "log.txt").write_text("its own words\n")
    log = tmp_path / "serve.log"
    log.write_text("qemu: uncaught target signal\n")
    keep_dead(CELL, batch, tmp_path / "kept", [0, 139], log)
    run = read_run(CELL, tmp_path / "kept")
    assert (run.failure, run.reason) == ("crash", "the container died with it: ended by SIGSEGV")
    text = (tmp_path / "kept" / "log.txt").read_text()
    assert "its own words" in text
    assert "uncaught target signal" in text


def test_reason_without_a_log(tmp_path):
    assert reason_in(tmp_path / "none") is None


def test_statuses_that_are_no_signal():
    assert status_phrase(255) == "ended with status 255"
    assert status_phrase(-200) == "ended with status -200"


@pytest.mark.parametrize(
    ("runner", "machine", "emulated"),
    [("qemu", None, True), ("native", None, False), ("native", "IBM", False),
     ("ssh://z16", "IBM", False), ("ssh://z16", "QEMU", True)],
)  # fmt: skip
def test_a_run_on_an_emulated_processor_is_known(tmp_path, runner, machine, emulated):
    (tmp_path / "result.json").write_text(json.dumps({"info": {"machine": machine}}))
    run = CellRun(SimpleNamespace(runner=runner), tmp_path, None, None, None)
    assert run.emulated is emulated


def test_a_run_that_left_nothing_is_emulated_where_this_machine_emulates(tmp_path):
    assert CellRun(SimpleNamespace(runner="qemu"), tmp_path, "crash", "why", None).emulated
    assert not CellRun(SimpleNamespace(runner="ssh://z"), tmp_path, "crash", "why", None).emulated
