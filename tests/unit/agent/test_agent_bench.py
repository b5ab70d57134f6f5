"""LoadGen's logs, and real runs of LoadGen where it is installed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zport_agent
from zport_agent.cli import bench, main
from zport_agent.errors import BenchError
from zport_agent.loadgen.log import decode_answer, parse_detail, read_accuracy, read_detail

Document = dict[str, Any]
Write = Callable[[Any], Path]


def line(key: str, value: str, error: str = "false") -> str:
    return f':::MLLOG {{"key": "{key}", "value": {value}, "metadata": {{"is_error": {error}}}}}\n'


def test_a_valid_log() -> None:
    log = parse_detail(
        "something else\n"
        + line("effective_min_query_count", "11")
        + line("result_validity", '"VALID"')
        + line("result_50.00_percentile_latency_ns", "2935790")
        + line("result_99.90_percentile_latency_ns", "3183376")
        + line("result_mean_latency_ns", "2163387"),
        "detail.txt",
    )
    assert log.valid and log.reasons() == []
    assert log.latencies() == {"50.00": 2935790, "99.90": 3183376, "mean": 2163387}
    assert log.settings() == {"min_query_count": 11}


def test_an_invalid_log_says_why() -> None:
    log = parse_detail(
        line("result_validity", '"INVALID"')
        + line("result_min_queries_met", "false")
        + line("result_min_duration_met", "true")
        + line("error_runtime", '"out of time"', "true"),
        "detail.txt",
    )
    assert not log.valid
    assert log.reasons() == [
        "the minimum number of queries was not reached",
        "error_runtime: out of time",
    ]


@pytest.mark.parametrize("value", ["-nan", "nan", "inf", "-inf", "NaN", "-Infinity"])
def test_words_json_has_not(value: str) -> None:
    log = parse_detail(line("a", value) + line("b", f"[1, {value}, 2]"), "detail.txt")
    assert log.values == {"a": None, "b": [1, None, 2]}


def test_such_words_inside_text_stay() -> None:
    assert parse_detail(line("a", '"not nan: -nan"'), "x").values == {"a": "not nan: -nan"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no :::MLLOG line"),
        ("only words\n", "no :::MLLOG line"),
        (line("a", "1") + ':::MLLOG {"key": "b", "val', "detail.txt, line 2: broken"),
        (":::MLLOG [1]\n", "expected an object with 'key' and 'value'"),
        (':::MLLOG {"key": "a"}\n', "expected an object with 'key' and 'value'"),
    ],
)
def test_a_broken_log(text: str, expected: str) -> None:
    with pytest.raises(BenchError, match=expected):
        parse_detail(text, "detail.txt")


@pytest.mark.parametrize("text", ["[", "{}x", '[{"qsl_idx": 0}]', '[{"qsl_idx": 0, "data": "0"}]'])
def test_a_broken_accuracy_log(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BenchError, match="not a whole accuracy log"):
        read_accuracy(tmp_path / "a.json")


def test_absent_logs(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no detail log"):
        read_detail(tmp_path / "none")
    with pytest.raises(BenchError, match="no accuracy log"):
        read_accuracy(tmp_path / "none")


@pytest.fixture
def flags(write: Write, document: Document, files: Path, tmp_path: Path) -> list[str]:
    """The verb with its three folders; results go to ``tmp_path``."""
    model = write(document)
    return ["bench", "--model", str(model), "--files", str(files), "--out", str(tmp_path)]


def test_loadgen_is_absent(
    flags: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    assert main(flags) == 7
    assert "LoadGen cannot be imported" in capsys.readouterr().err


# LoadGen allows one scenario a process, so each run gets its own. The child gets the backend of
# this folder's conftest under the name the fixture gives it.
CHILD = """
import sys, types
sys.path[:0] = [{here!r}, {agent!r}]
import conftest
from zport_agent import backends, cli
module = sys.modules["doubler_backend"] = types.ModuleType("doubler_backend")
module.Doubler = conftest.Doubler
backends.BACKENDS["numpy"] = "doubler_backend:Doubler"
{before}
sys.exit(cli.main({arguments!r}))
"""


def child(arguments: list[str], before: str = "") -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")
    agent = str(Path(zport_agent.__file__).parents[1])
    here = str(Path(__file__).parent)
    code = CHILD.format(here=here, agent=agent, arguments=arguments, before=before)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("scenario", "unit", "more"),
    [
        ("SingleStream", "ns", ()),
        ("MultiStream", "ns", ("--samples-per-query", "2")),
        ("Server", "samples/s", ("--target-qps", "200", "--target-latency-ns", "1000000000")),
        ("Offline", "samples/s", ()),
    ],
)
def test_scenarios(
    flags: list[str],
    tmp_path: Path,
    scenario: str,
    unit: str,
    more: tuple[str, ...],
) -> None:
    small = ("--scenario", scenario, "--percentile", "0.5", "--min-query-count", "11", *more)
    done = child([*flags, *small])
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["valid"] is True and result["invalid_reasons"] == []
    assert result["metric"]["unit"] == unit and result["metric"]["value"] > 0
    assert result["scenario"] == result["settings"]["scenario"] == scenario
    assert result["latency_ns"]["50.00"] > 0


def test_too_few_queries_are_invalid(flags: list[str], tmp_path: Path) -> None:
    done = child([*flags, "--min-query-count", "3"])
    assert done.returncode == 1
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["valid"] is False
    assert any("early stopping" in reason for reason in result["invalid_reasons"])


def test_accuracy_log_is_little_endian(flags: list[str], tmp_path: Path) -> None:
    done = child([*flags, "--accuracy"])
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "bench.json").read_text())
    answers = read_accuracy(tmp_path / "loadgen" / "mlperf_log_accuracy.json")
    assert result["byte_order"] == "little" and result["valid"] is True
    layout = result["answers"][1]["outputs"]
    assert [(entry["name"], entry["dtype"]) for entry in layout] == [("y", "<f4"), ("n", "<i8")]
    assert np.frombuffer(answers[1][:8], "<f4").tolist() == [8, 10]
    assert answers[1].hex() == "0000004100002041" + "0200000000000000"


def test_the_accuracy_of_a_labelled_set_is_counted_from_the_log(
    write: Write, document: Document, flags: list[str], tmp_path: Path
) -> None:
    document["zport"]["labels"] = [{"sum": 12.0}, {"sum": 17.0}]
    write(document)
    done = child([*flags, "--accuracy"])
    assert done.returncode == 0, done.stderr
    assert "1 of 2 answers are right" in done.stdout
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["task_accuracy"] == {"answers": 2, "right": 1, "fraction": 0.5}
    assert [one["features"] for one in result["answers"]] == [[{"sum": 12.0}], [{"sum": 18.0}]]


def test_an_answer_is_decoded_by_its_layout() -> None:
    layout = [
        {"name": "y", "dtype": "<f4", "shape": [2]},
        {"name": "n", "dtype": "<i8", "shape": []},
    ]
    data = bytes.fromhex("0000004100002041" + "0200000000000000")
    outputs = decode_answer(data, layout)
    assert outputs["y"].tolist() == [8.0, 10.0] and outputs["n"] == 2
    assert outputs["y"].dtype.isnative
    for broken in (data[:-1], data + b"\0"):
        with pytest.raises(BenchError, match=r"cut short|bytes, its outputs have"):
            decode_answer(broken, layout)


def test_a_search_for_the_peak(flags: list[str], tmp_path: Path) -> None:
    # Other work on the machine may hide the peak, which is then said to be none.
    for _ in range(3):
        done = child([*flags, "--scenario", "Server", "--find-peak", "--settings", "emulation",
                      "--target-qps", "250", "--target-latency-ns", "20000000"],
                     SLOWER + "\n")  # fmt: skip
        # Whether the run at the peak itself has queries enough to be VALID is another matter.
        assert done.returncode in (0, 1), done.stdout + done.stderr
        result = json.loads((tmp_path / "bench.json").read_text())
        if result["metric"]["value"] is not None:
            break
    assert result["mode"] == "find-peak"
    assert result["metric"]["name"] == "peak_target_qps"
    # 500 calls a second are what there is time for; so many queries may wait that more seem to be.
    assert 250 <= result["metric"]["value"] <= 2000
    assert result["settings_conform"] is False


# Takes 2 ms a call, whatever the number of rows: a batch pays.
SLOWER = """
import time
def predict(self, inputs, real=conftest.Doubler.predict):
    time.sleep(0.002)
    return {"y": real(self, inputs)["y"]}
conftest.Doubler.predict = predict
"""


@pytest.mark.parametrize("scenario", ["Offline", "Server", "MultiStream"])
def test_samples_go_together(flags: list[str], tmp_path: Path, scenario: str) -> None:
    more = ["--target-qps", "2000", "--target-latency-ns", "10000000000"]
    done = child([*flags, "--scenario", scenario, "--batch", "4", "--min-query-count", "40",
                  "--percentile", "0.5", *more], SLOWER)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["batch"] == 4
    assert 1 < result["largest_batch"] <= 4


def test_answers_in_a_batch_are_those_alone(flags: list[str], tmp_path: Path) -> None:
    done = child([*flags, "--scenario", "Offline", "--accuracy", "--batch", "2"], SLOWER)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = read_accuracy(tmp_path / "loadgen" / "mlperf_log_accuracy.json")
    assert np.frombuffer(answers[0], "<f4").tolist() == [2, 4, 6]
    assert np.frombuffer(answers[1], "<f4").tolist() == [8, 10]


NO_BATCH = {
    "a scalar output": ("", "output 'n' has shape []"),
    "a fixed dimension": (
        "conftest.Doubler.inputs = lambda self: [backends.TensorSpec('x', 'float32', (3,))]",
        "input 'x' of the model has shape [3]",
    ),
    "rows that see each other": (
        "conftest.Doubler.predict = lambda self, inputs: {'y': inputs['x'] / inputs['x'].sum()}",
        "is another one in a batch than alone",
    ),
}


@pytest.mark.parametrize("name", NO_BATCH)
def test_what_cannot_go_together_is_refused(flags: list[str], tmp_path: Path, name: str) -> None:
    before, words = NO_BATCH[name]
    done = child([*flags, "--scenario", "Offline", "--batch", "2"], before)
    assert done.returncode == 6, done.stdout + done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "bench.json").exists()


def test_single_stream_has_no_batch(flags: list[str]) -> None:
    done = child([*flags, "--scenario", "SingleStream", "--batch", "2"])
    assert done.returncode == 2
    assert "a query of SingleStream is one sample" in done.stderr


def test_a_run_by_files_says_where_each_setting_is_from(flags: list[str], tmp_path: Path) -> None:
    conf = tmp_path / "user.conf"
    conf.write_text("*.*.min_duration = 0\n*.SingleStream.min_query_count = 70\n*.*.odd = 1\n")
    done = child([*flags, "--scenario", "SingleStream", "--user-conf", str(conf)])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "min_duration_ms is 0 (user.conf), MLPerf's is 600000" in done.stdout
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["basis"] == "mlperf" and result["settings_conform"] is False
    assert result["settings"]["min_query_count"] == 70
    assert result["chosen"]["min_query_count"] == {"value": 70, "from": "user.conf"}
    assert result["unheeded"] == ["odd"]
    assert result["settings"]["qsl_rng_seed"] > 0


def test_a_bad_file_ends_before_anything_runs(flags: list[str], tmp_path: Path) -> None:
    conf = tmp_path / "user.conf"
    conf.write_text("*.*.min_duration=0\n")
    done = child([*flags, "--user-conf", str(conf)])
    assert done.returncode == 2
    assert f"{conf}, line 1" in done.stderr and "Traceback" not in done.stderr


def harness_flags(flags: list[str], *more: str) -> list[str]:
    """The same model by MLHarness's flags."""
    model, files, out = flags[2], flags[4], flags[6]
    return ["mlharness", "--model_path", model, "--files", files, "--output", out, *more]


def test_mlharness_flags(flags: list[str], tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for name in ("1.npy", "2.npy", "3.npy"):
        np.save(inputs / name, np.ones(4, "<f4"))
    done = child(harness_flags(
        flags, "--backend", "NumPy", "--dataset", "ones", "--dataset_path", str(inputs),
        "--scenario", "Server", "--count", "50", "--time", "0.001", "--qps", "300",
        "--max_latency", "2",
    ))  # fmt: skip
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["library"] == {"name": "ones", "samples": 3}
    assert result["scenario"] == "Server" and result["basis"] == "mlperf"
    assert result["requested"]["target_qps"] == 300
    assert result["requested"]["target_latency_ns"] == 2_000_000_000
    assert result["requested"]["min_duration_ms"] == result["requested"]["max_duration_ms"] == 1
    assert result["settings"]["max_query_count"] == 50
    assert done.returncode == (0 if result["valid"] else 1), done.stderr


def test_mlharness_accuracy_of_the_first_inputs(flags: list[str], tmp_path: Path) -> None:
    done = child(harness_flags(flags, "--accuracy", "--count", "1"))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "bench.json").read_text())
    assert [one["file"] for one in result["answers"]] == ["a.npy"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--backend", "mxnet"], "the model's framework is numpy"),
        (["--qps", "-1"], "expected a number above 0"),
        (["--trace_level", "SOME"], "invalid choice"),
        (["--dataset_path", "/nowhere"], "name a folder of inputs"),
        (["--mlperf_conf", "/nowhere.conf"], "name a configuration file"),
    ],
)
def test_mlharness_bad_flags(flags: list[str], more: list[str], words: str) -> None:
    done = child(harness_flags(flags, *more))
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr


def test_another_processor_of_the_emulator_is_a_new_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(bench.os, "execve", lambda *call: started.append(call))
    monkeypatch.setenv("QEMU_CPU", "z13")
    bench.become("z13", ["bench"])
    bench.become(None, ["bench"])
    assert started == []
    bench.become("z14", ["bench", "--cpu", "z14"])
    ((program, command, environment),) = started
    assert command == [program, "-m", "zport_agent", "bench", "--cpu", "z14"]
    assert environment["QEMU_CPU"] == "z14"


def test_a_model_that_fails_ends_the_run_cleanly(flags: list[str], tmp_path: Path) -> None:
    before = (
        "calls = []\n"
        "def predict(self, inputs, real=conftest.Doubler.predict):\n"
        "    calls.append(1)\n"
        "    if len(calls) > 4: raise MemoryError('no more')\n"
        "    return real(self, inputs)\n"
        "conftest.Doubler.predict = predict\n"
    )
    done = child(flags, before)
    assert done.returncode == 7
    assert "the model failed under LoadGen: MemoryError('no more')" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bench.json").exists()


def test_flags_are_checked_as_the_manifest_is(flags: list[str], tmp_path: Path) -> None:
    done = child([*flags, "--percentile", "90"])
    assert done.returncode == 2
    assert "bench settings: percentile: expected less than 1" in done.stderr
