"""Sweeps: which points there are, what each is asked, and what is kept of it."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from zport_agent.loadgen.conf import read_conf

from zport.bench.record import PointResult, not_conforming, read_result, write_record
from zport.bench.run import Bench, PointRunner, folder_of, plan_points
from zport.bench.sweep import (
    ConfFile,
    Point,
    Setup,
    Sweep,
    parse_counts,
    parse_scenarios,
    parse_settings,
    read_conf_file,
)
from zport.bench.table import print_results, summary, went_wrong
from zport.errors import UsageError
from zport.matrix import cells
from zport.matrix.cells import Cell, CellRun
from zport.matrix.runners import Place, find_runner
from zport.progress import Progress
from zport.results import open_results
from zport.targets import TARGETS
from zport.workspace import write_json

REAL, EMULATED = TARGETS["amd64"], TARGETS["s390x"]


@pytest.fixture
def cell(tmp_path):
    """Makes a cell of a model that is there, in an image that is not."""

    def make(name="tiny", target=REAL, runner="native", weights="trained"):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        extension = SimpleNamespace(gflop=None, weights=weights)
        manifest = SimpleNamespace(version="1", extension=lambda: extension)
        model = SimpleNamespace(
            name=name, folder=folder, manifest=manifest, definition=lambda: {"manifest.yml": "00"}
        )
        step = SimpleNamespace(
            name=f"agent-a-{target.name}", image=f"i:{target.name}", key=f"image-{target.name}"
        )
        agent = SimpleNamespace(
            agent=SimpleNamespace(name="a", framework="f"), target=target, step=step, provided=()
        )
        return Cell(model, agent, runner, folder, "files")

    return make


def points(cell, **axes):
    return Sweep(**{"scenarios": ["Server"], **axes}).points([cell])


def test_every_combination_is_a_point(cell):
    made = points(cell(), scenarios=["Server", "Offline"], threads=[1, 2], batches=[1, 4],
                  cpus=["z13", "z14"])  # fmt: skip
    assert len(made) == 16
    assert len({point.key for point in made}) == 16
    assert len({point.name for point in made}) == 16


def test_a_query_of_single_stream_has_no_batch(cell):
    made = points(cell(), scenarios=["SingleStream", "Offline"], batches=[1, 8])
    assert [(p.setup.scenario, p.setup.batch) for p in made] == [
        ("SingleStream", 1), ("Offline", 1), ("Offline", 8),
    ]  # fmt: skip


def test_runs_of_one_point_have_its_key_and_their_own_names(cell):
    made = points(cell(), accuracy=True, find_peak=True)
    assert [point.mode for point in made] == ["performance", "accuracy", "find-peak"]
    assert len({point.key for point in made}) == 1
    assert len({point.name for point in made}) == 3
    assert [p.mode for p in points(cell(), scenarios=["Offline"], find_peak=True)] == [
        "performance"
    ]


@pytest.mark.parametrize(
    "change",
    [{"threads": [2]}, {"basis": "mlperf"}, {"settings": {"min_query_count": 3}},
     {"user_conf": ConfFile("user.conf", "*.*.min_duration = 1\n")}, {"benchmark": "resnet50"}],
)  # fmt: skip
def test_whatever_is_asked_is_in_the_key(cell, change):
    assert points(cell())[0].key != points(cell(), **change)[0].key
    assert points(cell())[0].key == points(cell())[0].key


def test_the_emulator_is_in_the_key_where_there_is_one(cell, monkeypatch):
    def keys(version):
        monkeypatch.setattr(cells, "emulator_version", lambda target: version)
        made = (cell("t", EMULATED, "qemu"), cell("t", EMULATED, "ssh://z"), cell())
        return [points(one)[0].key for one in made]

    before, after = keys("7.2"), keys("9.0")
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True]


def test_flags_say_all_of_it(cell):
    setup = Setup(
        "Server", 2, 4, "z13", "mlperf", None, ConfFile("user.conf", "*.*.min_duration = 1\n"),
        "resnet50", {"target_qps": 2.5},
    )  # fmt: skip
    base = cell()
    point = Point(base.model, base.agent, "qemu", base.files, "k", setup, "accuracy")
    flags = point.flags
    assert flags[:8] == (
        "--scenario", "Server", "--threads", "2", "--batch", "4", "--settings", "mlperf",
    )  # fmt: skip
    said = dict(zip(flags[8::2], flags[9::2], strict=False))
    assert read_conf(said["--user-conf"]).values == {("*", "*", "min_duration"): "1"}
    assert (said["--benchmark"], said["--cpu"], said["--target-qps"]) == ("resnet50", "z13", "2.5")
    assert flags[-1] == "--accuracy"
    assert point.verbs == ("bench",)


def test_the_agents_command_line_takes_these_flags(cell):
    from zport_agent.cli import _parser

    for point in points(
        cell(), batches=[2], cpus=["z13"], find_peak=True, accuracy=True,
        mlperf_conf=ConfFile("m", "#\n"), settings={"percentile": 0.5},
    ):  # fmt: skip
        options = _parser().parse_args(
            ["bench", "--model", "m", "--files", "f", "--out", "o", *point.flags]
        )
        assert (options.mode, options.batch, options.cpu) == (point.mode, 2, "z13")
        assert options.percentile == 0.5


def test_limits_grow_with_what_the_run_is_told_to_last(cell, workspace):
    runner = PointRunner(workspace, Progress(Console(file=io.StringIO()), workspace, "test"))
    native = SimpleNamespace(pace=1)

    def limit(**axes):
        return runner.limit(points(cell(), **axes)[-1], native)

    assert limit() == 600
    assert limit(basis="mlperf") == 600 + 3 * 600
    assert limit(settings={"min_duration_ms": 5000}) == 615
    assert limit(basis="mlperf", find_peak=True) == 600 + 3 * 20 * 600


def a_job(workspace, cells):
    """What a job is to a bench, with runners of this machine that are never started."""
    here = Place(SimpleNamespace(name="made-up"), workspace, REAL, 1)
    return SimpleNamespace(
        cells=lambda: cells, host=REAL, agents=[],
        runners=[find_runner("native", here), find_runner("qemu", here)],
        request=SimpleNamespace(
            targets=[one.target for one in cells], workspace=workspace, patience=1,
            engine=SimpleNamespace(
                name="made-up", facts=lambda image: SimpleNamespace(
                    size=5, compressed=False, layers=()),
            ),
        ),
        progress=Progress(Console(file=io.StringIO()), workspace, "test"),
    )  # fmt: skip


def test_a_cpu_level_is_the_emulators(cell, workspace):
    job = a_job(workspace, [cell(), cell("other", EMULATED, "qemu")])
    with pytest.raises(UsageError, match="which has no other level"):
        plan_points(job, Sweep(["Offline"], cpus=["z13"]))
    job = a_job(workspace, [cell("other", EMULATED, "qemu")])
    assert len(plan_points(job, Sweep(["Offline"], cpus=["z13", "z14"]))) == 2


def test_a_sweep_of_nothing_is_refused(cell, workspace):
    with pytest.raises(UsageError, match="no point is left"):
        plan_points(a_job(workspace, [cell()]), Sweep(["SingleStream"], batches=[2]))
    with pytest.raises(UsageError, match="no point is left"):
        plan_points(a_job(workspace, []), Sweep(["Offline"]))


def bench_json(mode="performance", **more):
    return {
        "scenario": "Server", "mode": mode, "valid": True, "invalid_reasons": [],
        "metric": {"name": "r", "unit": "samples/s", "value": 5.0}, "latency_ns": {"50.00": 7},
        "query_count": 11, "largest_batch": 1, "requested": {"percentile": 0.5},
        "benchmark": "tiny", "chosen": {"min_duration_ms": {"value": 0, "from": "emulation"}},
        "unheeded": [], "basis": "emulation",
        "departures": [{"setting": "min_duration_ms", "value": 0, "mlperf": 600000,
                        "from": "emulation"}],
        "info": {"framework": {"name": "f", "version": "1.0"}, "machine": None, "threads": 1},
        "task_accuracy": {"answers": 2, "right": 1, "fraction": 0.5},
        **more,
    }  # fmt: skip


def left_by(workspace, point, status=0, bench=None, log=""):
    """A point's folder as a container leaves it."""
    folder = folder_of(workspace, point) / point.mode
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", {"bench": status, "seconds": {"bench": 1.5}, "reason": None})
    (folder / "log.txt").write_text(log)
    if bench:
        write_json(folder / "bench.json", bench)
    failure = {0: None, 6: "unsupported"}.get(status, "crash")
    return read_result(point, CellRun(point, folder, failure, None, None, {"bench": 1.5}))


def test_a_record_has_all_circumstances_and_where_its_parts_are(cell, workspace, monkeypatch):
    monkeypatch.setattr(cells, "emulator_version", lambda target: "7.2")
    point, accuracy = points(cell("tiny", EMULATED, "qemu"), accuracy=True)
    results = [
        left_by(workspace, point, bench=bench_json()),
        left_by(workspace, accuracy, bench=bench_json("accuracy", departures=[])),
    ]
    folder = folder_of(workspace, point)
    assert folder == workspace.root / "bench/tiny/a/s390x/Server" / point.key
    job = a_job(workspace, [])
    record = write_record(job, folder, results)
    assert record == json.loads((folder / "record.json").read_text())
    assert record.items() >= {
        "model": "tiny", "agent": "a", "target": "s390x", "runner": "qemu", "emulated": True,
        "threads": 1, "batch": 1, "scenario": "Server", "basis": "emulation", "conforming": False,
        "image_key": "image-s390x", "emulator": "7.2", "framework": {"name": "f", "version": "1.0"},
        "parts": {"performance": "performance", "accuracy": "accuracy"},
        "settings": {"min_duration_ms": {"value": 0, "from": "emulation"}},
        "task_accuracy": {"answers": 2, "right": 1, "fraction": 0.5},
    }.items()  # fmt: skip
    assert record["reasons"] == [
        "min_duration_ms is 0 (emulation), MLPerf's is 600000", "the processor is emulated",
    ]  # fmt: skip
    before = (folder / "record.json").stat().st_mtime_ns
    os.utime(folder / "record.json", ns=(1, 1))
    write_record(job, folder, results)
    assert (folder / "record.json").stat().st_mtime_ns == 1 != before


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"departures": []}, []),
        ({"departures": [], "valid": False}, ["LoadGen calls the performance run INVALID"]),
        ({"departures": [], "info": {"machine": "QEMU"}}, ["the processor is emulated"]),
    ],
)
def test_only_a_real_valid_run_by_the_rules_conforms(cell, workspace, change, reasons):
    (point,) = points(cell())
    assert not_conforming(left_by(workspace, point, bench=bench_json(**change))) == reasons


def test_weights_that_were_not_trained_do_not_conform(cell, workspace):
    (point,) = points(cell(weights="seeded"))
    result = left_by(workspace, point, bench=bench_json(departures=[]))
    assert not_conforming(result) == ["the weights are seeded, not trained"]


def test_a_search_is_no_run_of_its_scenario(cell, workspace):
    _, peak = points(cell(), find_peak=True)
    folder = folder_of(workspace, peak)
    write_record(a_job(workspace, []), folder,
                 [left_by(workspace, peak, bench=bench_json("find-peak"))])  # fmt: skip
    assert (folder / "peak.json").exists()
    assert not (folder / "record.json").exists()


@pytest.mark.parametrize(
    ("status", "bench", "log", "failure", "refused"),
    [
        (6, None, "zport-agent: --batch 2: no\n", "--batch 2: no", True),
        (124, None, "", "it left no result", False),
        (-11, bench_json(), "", "it left no result", False),
        (
            1,
            None,
            "noise\nqemu: unable to find CPU model\n",
            "qemu: unable to find CPU model",
            False,
        ),
    ],
)
def test_a_run_without_a_result_has_no_record(
    cell, workspace, status, bench, log, failure, refused
):
    (point,) = points(cell())
    result = left_by(workspace, point, status, bench, log)
    assert (result.failure, result.unsupported, result.bench) == (failure, refused, None)
    assert write_record(a_job(workspace, []), folder_of(workspace, point), [result]) is None
    assert not (folder_of(workspace, point) / "record.json").exists()
    assert went_wrong(result) is not refused


def test_a_bench_keeps_each_point_once(cell, workspace):
    """Everything ran already, so no container is started; the store gets what it lacks."""
    job = a_job(workspace, [cell()])
    made = plan_points(job, Sweep(["Server"], accuracy=True))
    left_by(workspace, made[0], bench=bench_json())
    left_by(workspace, made[1], bench=bench_json("accuracy"))
    for _ in range(2):
        results = Bench(job, made).work()
        assert [result.point.mode for result in results] == ["performance", "accuracy"]
    with open_results(workspace) as store:
        (kept,) = store.benches()
        assert kept["key"] == made[0].key
        assert kept["framework"] == "f" and kept["cpu_level"] == "default"
        assert kept["info"]["threads"] == 1
        (run,) = store.runs()
        assert run["ended"] and run["verb"] == "bench"
        assert [image["agent"] for image in store.images(run["id"])] == ["a"]


def result_of(point, emulated=False, bench=None):
    return PointResult(point, Path("folder"), bench or bench_json(), None, False, emulated, 1.0)


def test_emulated_results_never_stand_beside_real_ones(cell):
    (real,), (emulated,) = points(cell()), points(cell("slow", EMULATED, "qemu"))
    out = io.StringIO()
    print_results(Console(file=out, width=150),
                  [result_of(emulated, emulated=True), result_of(real)])  # fmt: skip
    first, second = out.getvalue().split("emulated: nothing of it says how fast")
    assert "tiny" in first and "slow" not in first
    assert "slow" in second and "tiny" not in second


def test_what_is_invalid_is_counted_and_fails(cell):
    (point,) = points(cell())
    good, bad = result_of(point), result_of(point, bench=bench_json(valid=False))
    assert summary([good, bad]) == "1 of 2 runs VALID, 1 INVALID"
    assert [went_wrong(good), went_wrong(bad)] == [False, True]


def test_a_search_fails_only_without_a_peak(cell):
    _, peak = points(cell(), find_peak=True)
    found = result_of(peak, bench=bench_json("find-peak", valid=False))
    assert not went_wrong(found)
    none = {"name": "peak_target_qps", "unit": "samples/s", "value": None}
    assert went_wrong(result_of(peak, bench=bench_json("find-peak", metric=none)))


def test_lists_are_parsed():
    assert parse_scenarios("all") == ["SingleStream", "MultiStream", "Server", "Offline"]
    assert parse_scenarios("Offline, Server") == ["Offline", "Server"]
    assert parse_counts("1, 4,4", "--threads") == [1, 4]
    assert parse_settings(["min-query-count=3", "percentile=0.5"]) == {
        "min_query_count": 3, "percentile": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "given", "words"),
    [
        (parse_scenarios, "Ofline", "did you mean Offline"),
        (lambda text: parse_counts(text, "--batch"), "1,x", "no list of whole numbers"),
        (lambda text: parse_counts(text, "--batch"), "0", "no list of whole numbers"),
        (lambda text: parse_counts(text, "--batch"), "", "no list of whole numbers"),
        (parse_settings, ["min_query_count"], "is not NAME=VALUE"),
        (parse_settings, ["min_queries=3"], "did you mean min_query_count"),
        (parse_settings, ["percentile=often"], "is no number"),
        (parse_settings, ["percentile=90"], "percentile: expected less than 1"),
        (parse_settings, ["min_query_count=1.5"], "min_query_count"),
        (parse_settings, ["scenario=3"], "unknown setting"),
    ],
)
def test_bad_lists_are_refused(parse, given, words):
    with pytest.raises(UsageError) as caught:
        parse(given)
    assert words in str(caught.value)
    assert caught.value.next_step


def test_configuration_files_are_checked_before_anything_runs(tmp_path):
    path = tmp_path / "user.conf"
    path.write_text("*.*.min_duration = 5\n")
    assert read_conf_file(path, "--user-conf") == ConfFile("user.conf", "*.*.min_duration = 5\n")
    assert read_conf_file(None, "--user-conf") is None
    path.write_text("*.*.min_duration=5\n")
    with pytest.raises(UsageError, match=r"user\.conf, line 1"):
        read_conf_file(path, "--user-conf")
    with pytest.raises(UsageError, match="cannot be read"):
        read_conf_file(tmp_path / "none", "--user-conf")
