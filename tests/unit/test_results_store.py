"""The results store: what goes in comes out, whoever writes at the same time."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sqlite3
import threading
from pathlib import Path

import pytest
from made_up_results import cells

from zport.errors import ResultsError
from zport.results import Store, circumstances
from zport.results.compare import change_of, compare_cells
from zport.results.database import VERSION

HERE = {"host": "amd64", "engine": "buildah", "emulators": {"s390x": "7.2"}}


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "results.sqlite") as opened:
        yield opened


def begin(store: Store) -> int:
    return store.begin_run(circumstances(**HERE))


def present(record: dict) -> dict:
    """Without what is not there: an absent key comes back as none."""
    return {name: value for name, value in record.items() if value is not None}


def test_a_record_comes_back_as_it_was(store: Store) -> None:
    run = begin(store)
    written = {**cells(40)[0], "top1": 0.5, "spans": [{"name": "conv", "ns": 12}]}
    store.add_cell(run, written)
    (read,) = store.cells(run)
    bench = read.pop("bench")
    assert present(read).items() >= present({**written, "bench": None}).items()
    assert present(bench).items() >= present(written["bench"]).items()
    assert bench["model"] == {"name": "made-up", "files": [{"name": "model.onnx", "bytes": 5}]}


def test_a_number_that_is_none_stays_what_it_is(store: Store) -> None:
    run = begin(store)
    record = {**cells(1)[0], "largest_absolute": math.nan, "largest_relative": math.inf}
    store.add_cell(run, record)
    (read,) = store.cells(run)
    assert math.isnan(read["largest_absolute"])
    assert read["largest_relative"] == math.inf


def test_the_circumstances_of_a_run_are_kept(store: Store) -> None:
    run = store.begin_run(circumstances(**HERE, patience=3))
    (read,) = store.runs()
    assert read.items() >= {"id": run, **HERE, "patience": 3, "ended": None}.items()
    store.end_run(run)
    assert store.runs()[0]["ended"]


def test_a_cell_that_is_written_again_is_replaced_with_its_bench(store: Store) -> None:
    run = begin(store)
    record = cells(1)[0]
    store.add_cell(run, record)
    store.add_cell(run, {**record, "verdict": "crash"})
    assert [cell["verdict"] for cell in store.cells(run)] == ["crash"]
    assert len(store.benches(run)) == 1


def test_the_newest_result_of_each_cell_is_found(store: Store) -> None:
    old, new = begin(store), begin(store)
    records = cells(10)
    store.add_cells(old, records)
    store.add_cells(new, [{**record, "verdict": "timeout"} for record in records[:4]])
    latest = store.latest()
    assert len(latest) == 10
    assert [cell["run"] for cell in latest].count(new) == 4
    assert [cell["run"] for cell in latest].count(old) == 6


def test_verdicts_end_with_the_run_that_is_asked_for(store: Store) -> None:
    first, second = begin(store), begin(store)
    for run in (first, second):
        store.add_cells(run, cells(3))
    assert {one["run"] for one in store.verdicts()} == {first, second}
    assert {one["run"] for one in store.verdicts(first)} == {first}


def test_a_benchmark_of_its_own_is_no_cells(store: Store) -> None:
    run = begin(store)
    store.add_cells(run, cells(5))
    axes = {"scenario": "Offline", "threads": 4, "batch": 8, "cpu_level": "z14"}
    subject = {"model": "m", "agent": "a", "target": "s390x", "runner": "qemu", "emulated": True}
    bench = {**subject, **axes, "note": "x"}
    store.add_bench(run, bench)
    (own,) = store.benches(run, of_cells=False)
    assert present(own).items() >= bench.items()
    assert len(store.benches()) == 1 + sum(cell["bench"] is not None for cell in store.cells(run))


def test_a_benchmark_is_known_by_what_ran_and_when(store: Store) -> None:
    run = begin(store)
    bench = {
        "model": "m", "agent": "a", "target": "s390x", "runner": "qemu", "emulated": True,
        "key": "k", "mode": "performance", "written": "2026-01-01T00:00:00+00:00",
        "parts": {"performance": "performance"}, "conforming": False, "reasons": ["emulated"],
    }  # fmt: skip
    assert not store.has_bench(bench)
    store.add_bench(run, bench)
    assert store.has_bench(bench)
    (kept,) = store.benches()
    assert present(kept).items() >= bench.items()
    more = {"performance": "performance", "accuracy": "accuracy"}
    for change in (
        {"key": "other"}, {"mode": "find-peak"}, {"written": "2026-01-02T00:00:00+00:00"},
        {"parts": more},
    ):  # fmt: skip
        assert not store.has_bench({**bench, **change})


def test_two_runs_are_compared(store: Store) -> None:
    before, after = begin(store), begin(store)
    records = cells(4)
    for record in records:
        record.update(verdict="pass", largest_absolute=0.5)
    store.add_cells(before, records[:3])
    store.add_cells(after, [
        {**records[0], "verdict": "crash"}, {**records[1], "largest_absolute": 0.7}, records[3],
    ])  # fmt: skip
    changed = compare_cells(store.cells(before), store.cells(after))
    changes = [change.change for change in changed.values()]
    assert changes == ["worse", "numbers", "new", "gone"]


@pytest.mark.parametrize(
    ("was", "now", "change"),
    [("pass", "pass", "same"), ("pass", "timeout", "worse"), ("crash", "pass", "better"),
     ("crash", "differs", "other")],
)  # fmt: skip
def test_a_change_of_verdict_has_a_direction(was: str, now: str, change: str) -> None:
    assert change_of({"verdict": was}, {"verdict": now}) == change


def test_not_a_number_before_and_after_is_the_same() -> None:
    one = {"verdict": "differs", "largest_absolute": math.nan}
    assert change_of(one, dict(one)) == "same"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"verdict": None}, "verdict"),
        ({"verdict": "<b>pass</b>"}, "verdict"),
        ({"model": ""}, "model"),
        ({"emulated": "yes"}, "emulated"),
        ({"outputs": {"name": "x"}}, "outputs"),
        ({"bench": {"valid": "VALID"}}, "bench.valid"),
        ({"largest_absolute": "1e-5"}, "largest_absolute"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_whole(store: Store, change, field: str) -> None:
    run = begin(store)
    good = cells(2)
    with pytest.raises(ResultsError) as caught:
        store.add_cells(run, [good[0], {**good[1], **change}])
    assert str(caught.value.where).endswith(f": {field}")
    assert caught.value.next_step
    assert store.cells(run) == []


def test_a_cell_needs_a_run(store: Store) -> None:
    with pytest.raises(ResultsError, match="begin the run first"):
        store.add_cell(7, cells(1)[0])


def test_a_run_is_found_by_any_of_its_names(store: Store) -> None:
    run = begin(store)
    assert [store.find_run(name) for name in (str(run), f"run-{run}", f"run-{run}.json")] == [
        run
    ] * 3
    for wrong in ("99", "newest", "-1", "", "1" * 5000):
        with pytest.raises(ResultsError, match=f"newest are: {run}"):
            store.find_run(wrong)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    path.write_text("not a database, but long enough to be taken for one" * 50)
    before = path.read_bytes()
    with pytest.raises(ResultsError, match="move it away"):
        Store.open(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE cells (other TEXT)")
    other.close()
    with pytest.raises(ResultsError, match="not zport's"):
        Store.open(path)


def test_another_schema_version_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    Store.open(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {VERSION + 6}")
    newer.close()
    with pytest.raises(
        ResultsError, match=f"schema version {VERSION + 6}, this zport has {VERSION}"
    ):
        Store.open(path)


def test_a_store_that_was_cut_short_says_so(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with Store.open(path) as store:
        store.add_cells(begin(store), cells(200))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ResultsError, match="broken"), Store.open(path) as store:
        store.cells(1)


def _write_run(path: Path, seed: int) -> None:
    with Store.open(path) as store:
        run = begin(store)
        for record in cells(60, seed):
            store.add_cell(run, {**record, "note": f"writer {seed}"})
        store.end_run(run)


def test_two_processes_write_runs_at_once(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_write_run, args=(path, seed)) for seed in (1, 2, 3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with Store.open(path) as store:
        runs = store.runs()
        assert sorted(run["id"] for run in runs) == [1, 2, 3]
        assert all(run["ended"] for run in runs)
        notes = [{cell["note"] for cell in store.cells(run["id"])} for run in runs]
        assert sorted(map(sorted, notes)) == [["writer 1"], ["writer 2"], ["writer 3"]]
        assert all(len(store.cells(run["id"])) == 60 for run in runs)


def _write_and_die(path: Path) -> None:
    store = Store.open(path)
    run = begin(store)
    for number, record in enumerate(cells(60)):
        if number == 25:
            os.kill(os.getpid(), signal.SIGKILL)
        store.add_cell(run, record)


def test_a_run_that_is_killed_leaves_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    with Store.open(path) as store:
        (run,) = store.runs()
        assert run["ended"] is None
        assert len(store.cells(run["id"])) == 25


def test_threads_share_a_store(store: Store) -> None:
    run = begin(store)
    threads = [
        threading.Thread(target=store.add_cells, args=(run, cells(100)[part::4]))
        for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.cells(run)) == 100
