"""Collecting runs for a submission, and how each stands by the official checker's rules."""

import pytest
from submitted import BENCH, DETAIL, change, copied, only, set_log

from zport.errors import DefinitionError, SubmissionError, UsageError
from zport.submission import rules as rules_module
from zport.submission.checks import judge
from zport.submission.logs import read_detail
from zport.submission.rules import benchmarks_of, load_rules
from zport.submission.runs import collect_runs

RULES = load_rules()
ROUND = RULES.round("v6.1")
UNET = ROUND.benchmarks["3d-unet-99"]


def standing(folder, benchmark="3d-unet-99", asked=ROUND):
    return judge(only(folder), asked.benchmarks[benchmark], asked, RULES)


def test_runs_are_collected_once_and_sorted() -> None:
    runs = collect_runs([BENCH, BENCH / "sensors-linear"])
    assert [run.title for run in runs] == ["sensors-linear MultiStream", "sensors-linear Server"]
    assert [run.record.emulated for run in runs] == [True, False]
    server = runs[1]
    assert server.accuracy is not None
    assert server.accuracy.result.byte_order == "little"
    assert len(server.accuracy.result.answers) == 43
    assert server.performance.log.values["result_validity"] == "VALID"


def test_a_run_by_the_rules_stands_clean() -> None:
    assert standing(BENCH / "sensors-linear" / "onnxruntime" / "amd64").clean


def test_an_invalid_emulated_run_says_all_that_is_wrong() -> None:
    found = standing(BENCH / "sensors-linear" / "onnxruntime" / "s390x")
    assert not found.valid and not found.clean and not found.ends
    assert found.reasons[0] == "too few queries for LoadGen's early stopping rule"
    assert found.refused == (
        "performance: the least duration was set to 0 ms, at least 600000 are asked for",
        "performance: too few queries for the early stopping rule",
        "performance: the log has no result: early_stopping_latency_ms is 0",
    )
    assert found.notes[0].startswith("EMULATED")
    assert any("min_query_count is 10 (flag), MLPerf's is 662" in note for note in found.notes)


@pytest.mark.parametrize(
    ("key", "value", "half", "said"),
    [
        ("effective_min_duration_ms", 599999, "performance", "599999 ms"),
        ("effective_performance_sample_count", 42, "performance", "42 samples"),
        ("effective_qsl_rng_seed", 0, "performance", "not the seeds of v6.1: qsl_rng_seed"),
        ("early_stopping_met", False, "performance", "too few queries"),
        ("result_completed_samples_per_sec", 0, "performance", "the log has no result"),
        ("result_completed_samples_per_sec", None, "performance", "the log has no result"),
        ("effective_scenario", "Offline", "performance", "the log is of scenario Offline"),
        ("effective_test_mode", "AccuracyOnly", "performance", "the log is of mode"),
        ("effective_accuracy_sample_count", 42, "accuracy", "42 samples"),
        ("effective_test_mode", "PerformanceOnly", "accuracy", "the log is of mode"),
    ],
)  # fmt: skip
def test_each_rule_of_the_checker(tmp_path, key, value, half, said) -> None:
    folder = copied(tmp_path)
    set_log(folder, key, value, half)
    (fault,) = standing(folder).refused
    assert fault.startswith(f"{half}: ") and said in fault


def test_a_latency_bound_and_a_larger_data_set(tmp_path) -> None:
    folder = copied(tmp_path)
    faults = standing(folder, "resnet").refused
    assert [fault for fault in faults if "bound" in fault] == [
        "performance: the latency bound was 1000 ms, at most 15 are allowed"
    ]
    assert "accuracy: it has 43 samples, the benchmark's data set has 50000" in faults


def test_the_seeds_of_another_round_are_refused(tmp_path) -> None:
    (fault,) = standing(copied(tmp_path), asked=RULES.round("v6.0")).refused
    assert fault.startswith("performance: not the seeds of v6.0: qsl_rng_seed, ")


def test_an_answer_that_is_missing(tmp_path) -> None:
    folder = copied(tmp_path)
    reasons = ["no answer for input 7"]
    change(folder / "accuracy" / "bench.json",
           lambda it: it.update(valid=False, invalid_reasons=reasons))  # fmt: skip
    assert standing(folder).refused == ("accuracy: no answer for input 7",)


def test_an_error_that_loadgen_logged(tmp_path) -> None:
    folder = copied(tmp_path)
    path = folder / "performance" / DETAIL
    line = next(one for one in path.read_text().splitlines() if '"is_error": false' in one)
    with path.open("a") as file:
        file.write(line.replace('"is_error": false', '"is_error": true') + "\n")
    (fault,) = standing(folder).refused
    assert fault.startswith("performance: LoadGen logged an error: ")


@pytest.mark.parametrize("broken", ["-nan", "nan", "inf"])
def test_what_is_no_json_ends_the_checker(tmp_path, broken) -> None:
    folder = copied(tmp_path)
    path = folder / "performance" / DETAIL
    with path.open("a") as file:
        file.write(f':::MLLOG {{"key": "x", "value": {broken}, "metadata": {{}}}}\n')
    found = standing(folder)
    assert found.ends and "what is no JSON" in found.refused[0]


def test_half_a_run_ends_the_checker(tmp_path) -> None:
    folder = copied(tmp_path)
    (folder / "accuracy" / "bench.json").unlink()
    found = standing(folder)
    assert found.ends and "no accuracy run" in found.refused[-1]


def test_the_first_of_several_lines_counts(tmp_path) -> None:
    path = tmp_path / "mlperf_log_detail.txt"
    line = ':::MLLOG {"key": "a", "value": %d, "metadata": {"is_error": false}}\n'
    path.write_text(line % 1 + "something else\n" + line % 2)
    assert read_detail(path).values == {"a": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"\xff\xfe", "no text"), (b"", "no detail log"),
     (b"hello\n:::MLLOG {}\n", "no detail log")],
)  # fmt: skip
def test_a_bad_detail_log(tmp_path, content, said) -> None:
    path = tmp_path / "mlperf_log_detail.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SubmissionError, match=said):
        read_detail(path)


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        ("record.json", lambda it: it.pop("model"), "record.json: model"),
        ("record.json", lambda it: it.update(model="a/b"), "record.json: model"),
        ("record.json", lambda it: it.update(emulated="no"), "record.json: emulated"),
        ("record.json", lambda it: it.update(scenario="Slow"), "record.json: scenario"),
        ("record.json", lambda it: it.update(reasons=None), "record.json: reasons"),
        ("performance/bench.json", lambda it: it.update(mode="accuracy"), "bench.json: mode"),
        (
            "performance/bench.json",
            lambda it: it.update(scenario="Offline"),
            "json: scenario",
        ),
        ("performance/bench.json", lambda it: it.pop("valid"), "bench.json: valid"),
        ("accuracy/bench.json", lambda it: it.update(byte_order="middle"), "byte_order"),
        ("accuracy/bench.json", lambda it: it.update(answers={}), "bench.json: answers"),
    ],
)
def test_a_folder_that_does_not_fit(tmp_path, file, edit, said) -> None:
    folder = copied(tmp_path)
    change(folder / file, edit)
    with pytest.raises(SubmissionError) as error:
        collect_runs([folder])
    assert said in str(error.value) and "next: " in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe"])
@pytest.mark.parametrize("file", ["record.json", "performance/bench.json"])
def test_a_file_that_is_no_object(tmp_path, file, content) -> None:
    folder = copied(tmp_path)
    (folder / file).write_bytes(content)
    with pytest.raises(SubmissionError, match=file.rsplit("/", 1)[-1]):
        collect_runs([folder])


@pytest.mark.parametrize(
    "file",
    ["performance/loadgen/mlperf_log_summary.txt", "accuracy/loadgen/mlperf_log_accuracy.json",
     "accuracy/loadgen/mlperf_log_detail.txt", "performance/bench.json"],
)  # fmt: skip
def test_a_file_that_is_not_there(tmp_path, file) -> None:
    folder = copied(tmp_path)
    (folder / file).unlink()
    with pytest.raises(SubmissionError, match=file.rsplit("/", 1)[-1]):
        collect_runs([folder])


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_no_runs(tmp_path, name) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SubmissionError, match=r"no record\.json in or below it"):
        collect_runs([tmp_path / name])


def test_the_rules_are_whole() -> None:
    assert len(RULES.system.required) == len(set(RULES.system.required)) == 35
    assert set(RULES.system.may_be_empty) < set(RULES.system.required)
    assert {one.name for one in RULES.rounds} == {"v6.1", "v6.0"}
    for one in RULES.rounds:
        assert set(one.seeds) == {"qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"}
        assert set(RULES.fixed.values()) <= set(one.benchmarks)
        assert set(RULES.loadgen.values()) <= set(one.benchmarks)


def test_loadgen_has_the_seeds_of_the_newest_round() -> None:
    """What LoadGen itself says that its rules are, from a run of it by MLPerf's settings."""
    values = only(BENCH / "sensors-linear" / "onnxruntime" / "amd64").performance.log.values
    assert {name: values[f"effective_{name}"] for name in ROUND.seeds} == ROUND.seeds


def test_rules_that_are_broken(tmp_path, monkeypatch) -> None:
    broken = tmp_path / "rules.toml"
    broken.write_text(rules_module.RULES.read_text().replace("dataset = 43", 'dataset = "many"'))
    monkeypatch.setattr(rules_module, "RULES", broken)
    with pytest.raises(DefinitionError, match="dataset"):
        load_rules.__wrapped__()


def test_the_benchmark_that_a_model_stands_for() -> None:
    models = {"resnet": None, "resnet50": "resnet50", "unet3d-128": "3d-unet", "mine": "mine"}
    assert benchmarks_of(models, {"mine": "yolo-99"}, RULES, ROUND) == {
        "resnet": "resnet", "resnet50": "resnet", "unet3d-128": "3d-unet-99", "mine": "yolo-99",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "standing for none: silero-vad"),
        ({"silero-vad": "llama3.1-8b"}, "no benchmark of v6.1 that zport has the logs for"),
        ({"silero-vad": "retinanet"}, "no benchmark of v6.1"),
        ({"silero-vad": "rgat", "resnet50": "yolo-95"}, "takes resnet50 for resnet, whatever"),
    ],
)
def test_a_model_that_the_open_division_does_not_take(given, said) -> None:
    with pytest.raises(SubmissionError, match=said):
        benchmarks_of({"silero-vad": "silero-vad", "resnet50": None}, given, RULES, ROUND)


def test_an_unknown_round() -> None:
    with pytest.raises(UsageError, match=r"unknown round 'v7\.0'"):
        RULES.round("v7.0")
