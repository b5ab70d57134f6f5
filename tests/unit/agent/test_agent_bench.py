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
from zport_agent.cli import main
from zport_agent.errors import BenchError
from zport_agent.loadgen_log import parse_detail, read_accuracy, read_detail

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
