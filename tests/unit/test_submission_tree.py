"""A submission's tree: what lies where, how it is checked, and the command that writes it."""

import hashlib
import json
import re
import shutil

import pytest
from submitted import BENCH, DETAIL, FIXTURES, change, copied, only, set_log, wish
from typer.testing import CliRunner

from zport.cli import app
from zport.errors import HostError, SubmissionError, UsageError
from zport.submission.accuracy import accuracy_text, cut_log, states_accuracy
from zport.submission.assemble import assemble
from zport.submission.readme import submission_readme
from zport.submission.rules import load_rules
from zport.submission.runs import collect_runs
from zport.submission.tree import check_tree, write_tree

RULES = load_rules()
ROUND = RULES.round("v6.1")
HOME = "open/acme"
SERVER = f"{HOME}/results/box/sensors-linear/Server"
ANSWERS = BENCH.glob("*/*/amd64/*/*/accuracy/loadgen/mlperf_log_accuracy.json")


def written(tmp_path, runs=None, **more):
    """The tree of the runs, and what is wrong with it."""
    out = tmp_path / "tree"
    made = assemble(collect_runs([runs or BENCH]), wish(**more), RULES)
    return out, write_tree(made, out)


def zport(*arguments):
    return CliRunner().invoke(app, ["submission", *map(str, arguments)])


def options(tmp_path):
    return ["--submitter", "acme", "--system", FIXTURES / "box.json", "--out", tmp_path / "tree",
            "--benchmark", "sensors-linear=3d-unet-99",
            "--measurements", FIXTURES / "measurements.json"]  # fmt: skip


def test_what_lies_where(tmp_path) -> None:
    out, faults = written(tmp_path)
    assert faults == []
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        f"{HOME}/README.md",
        f"{HOME}/model_mapping.json",
        f"{SERVER}/README.md",
        f"{SERVER}/accuracy/accuracy.txt",
        f"{SERVER}/accuracy/mlperf_log_accuracy.json",
        f"{SERVER}/accuracy/mlperf_log_detail.txt",
        f"{SERVER}/accuracy/mlperf_log_summary.txt",
        f"{SERVER}/measurements.json",
        f"{SERVER}/performance/run_1/mlperf_log_detail.txt",
        f"{SERVER}/performance/run_1/mlperf_log_summary.txt",
        f"{SERVER}/user.conf",
        f"{HOME}/src/README.md",
        f"{HOME}/systems/box.json",
    ]
    assert json.loads((out / HOME / "model_mapping.json").read_text()) == {
        "sensors-linear": "3d-unet-99"
    }


def test_logs_are_passed_on_as_they_are(tmp_path) -> None:
    folder = copied(tmp_path)
    out, _ = written(tmp_path, folder)
    for half, place in (("performance", "performance/run_1"), ("accuracy", "accuracy")):
        for name in ("mlperf_log_detail.txt", "mlperf_log_summary.txt"):
            kept = (folder / half / "loadgen" / name).read_bytes()
            assert (out / SERVER / place / name).read_bytes() == kept


def test_the_accuracy_log_is_cut_and_hashed(tmp_path) -> None:
    out, _ = written(tmp_path)
    (whole,) = ANSWERS
    data, cut = whole.read_bytes(), (out / SERVER / "accuracy" / whole.name).read_bytes()
    assert len(data) > 10240 >= len(cut)
    assert cut == data[:4096] + b"\n\n...\n\n" + data[-4096:]
    text = (out / SERVER / "accuracy" / "accuracy.txt").read_text()
    assert f"\nhash={hashlib.sha256(data).hexdigest()}\n" in text
    assert "bytes of their outputs, little-endian" in text
    assert "scores <f4 [16," in text


def test_a_short_accuracy_log_stays_whole(tmp_path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 10240)
    assert cut_log(path, RULES.accuracy_log) == b"x" * 10240


def test_an_accuracy_that_is_stated(tmp_path) -> None:
    folder = copied(tmp_path)
    unet = ROUND.benchmarks["3d-unet-99"]
    assert not states_accuracy(accuracy_text(only(folder).accuracy, unet), unet)
    (folder / "accuracy" / "accuracy.txt").write_text("Accuracy: mean = 0.86170\nhash=0123\n")
    text = accuracy_text(only(folder).accuracy, unet)
    assert states_accuracy(text, unet)
    assert len(re.findall("^hash=", text, re.MULTILINE)) == 1 and "0123" not in text
    (folder / "accuracy" / "accuracy.txt").write_bytes(b"\xff")
    with pytest.raises(SubmissionError, match=r"accuracy\.txt: cannot be read"):
        accuracy_text(only(folder).accuracy, unet)


def test_an_accuracy_that_was_measured_of_a_part_is_not_the_benchmarks(tmp_path) -> None:
    folder = copied(tmp_path)
    resnet = ROUND.benchmarks["resnet"]
    change(folder / "accuracy" / "bench.json",
           lambda it: it.update(task_accuracy={"right": 3, "answers": 4}))  # fmt: skip
    text = accuracy_text(only(folder).accuracy, resnet)
    assert "of labelled inputs: accuracy=75.000%, good=3, total=4" in text
    assert not states_accuracy(text, resnet)
    change(folder / "accuracy" / "bench.json",
           lambda it: it.update(task_accuracy={"right": 37500, "answers": 50000}))  # fmt: skip
    assert accuracy_text(only(folder).accuracy, resnet).startswith("accuracy=75.000%, good=37500")


def test_an_emulated_run_is_left_out_and_told_of(tmp_path) -> None:
    out, _ = written(tmp_path)
    readme = (out / HOME / "README.md").read_text()
    assert "- sensors-linear MultiStream: its processor was emulated" in readme
    assert "| Server | 1.00141 samples/s |" in readme and "| VALID | accepts it |" in readme


def test_emulated_runs_are_put_in_where_that_is_asked_for(tmp_path) -> None:
    run = copied(tmp_path, emulated=True)
    out, faults = written(tmp_path, run, emulated=True)
    assert faults == []
    readme = (out / HOME / "README.md").read_text()
    assert "**EMULATED.**" in readme and "| none | INVALID | refuses it |" in readme
    assert "- INVALID: too few queries" in readme
    scenario = f"{HOME}/results/box/sensors-linear/MultiStream"
    assert "**EMULATED.**" in (out / scenario / "README.md").read_text()
    assert "EMULATED" in json.loads((out / HOME / "systems/box.json").read_text())["hw_notes"]
    assert "little-endian" in (out / scenario / "accuracy" / "accuracy.txt").read_text()


def test_only_emulated_runs(tmp_path) -> None:
    with pytest.raises(SubmissionError, match="all 1 runs are of an emulated processor"):
        written(tmp_path, copied(tmp_path, emulated=True))


def test_a_run_that_would_end_the_checker_is_left_out(tmp_path) -> None:
    folder, other = copied(tmp_path), tmp_path / "bench" / "other"
    shutil.copytree(folder, other)
    change(other / "record.json", lambda it: it.update(model="mobilenet"))
    shutil.rmtree(other / "accuracy")
    made = assemble(collect_runs([tmp_path]), wish(), RULES)
    assert ([one.run.model for one in made.entries], made.broken) == (["sensors-linear"], 1)
    assert "no accuracy run" in submission_readme(made)
    shutil.rmtree(folder)
    with pytest.raises(SubmissionError, match="no run is left to submit: mobilenet Server: acc"):
        assemble(collect_runs([tmp_path]), wish(), RULES)


def test_what_does_not_conform_is_put_in_or_left_out(tmp_path) -> None:
    folder, other = copied(tmp_path), tmp_path / "bench" / "other"
    shutil.copytree(folder, other)
    change(other / "record.json", lambda it: it.update(model="mobilenet"))
    said = tmp_path / "said.json"
    types = {"weight_data_types": "fp32", "input_data_types": "fp32"}
    said.write_text(json.dumps({"mobilenet": types, "sensors-linear": types}))
    made = assemble(collect_runs([tmp_path]), wish(measurements=said), RULES)
    assert [one.standing.clean for one in made.entries] == [False, True]
    made = assemble(collect_runs([tmp_path]), wish(conforming=True), RULES)
    assert [one.run.model for one in made.entries] == ["sensors-linear"]
    assert "data set has 50000" in made.left_out[0][1]


def test_two_runs_for_one_place(tmp_path) -> None:
    folder = copied(tmp_path)
    shutil.copytree(folder, folder.with_name("twice"))
    with pytest.raises(SubmissionError, match=r"one place for a model and scenario: .*1 threads"):
        written(tmp_path, tmp_path)


def test_nothing_is_written_over(tmp_path) -> None:
    (tmp_path / "tree").mkdir()
    with pytest.raises(SubmissionError, match="is there already"):
        written(tmp_path)


def test_a_tree_is_there_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zport.submission.tree.shutil.copyfile", fail)
    with pytest.raises(HostError, match="No space left"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["measurements.json", "user.conf", "README.md", "accuracy/accuracy.txt",
     "accuracy/mlperf_log_accuracy.json", "accuracy/mlperf_log_detail.txt",
     "accuracy/mlperf_log_summary.txt", "performance/run_1/mlperf_log_detail.txt",
     "performance/run_1/mlperf_log_summary.txt"],
)  # fmt: skip
def test_a_tree_that_lacks_a_file(tmp_path, name) -> None:
    out, _ = written(tmp_path)
    (out / SERVER / name).write_text("")
    assert any(f"{name} is empty" in fault for fault in readable(out, name))
    (out / SERVER / name).unlink()
    assert any(f"{name} is missing" in fault for fault in check_tree(out, RULES))


def readable(out, name):
    """The faults of a tree; an empty measurements.json is no JSON, which is said too."""
    if name == "measurements.json":
        with pytest.raises(SubmissionError, match="not JSON"):
            check_tree(out, RULES)
        return [f"{name} is empty"]
    return check_tree(out, RULES)


def test_a_tree_that_was_changed(tmp_path) -> None:
    out, _ = written(tmp_path)
    (out / SERVER / "accuracy" / "accuracy.txt").write_text("accuracy\n")
    (out / SERVER / "accuracy" / "mlperf_log_accuracy.json").write_bytes(b"x" * 10241)
    change(out / SERVER / "measurements.json", lambda it: it.update(retraining=""))
    change(out / HOME / "systems" / "box.json", lambda it: it.update(submitter="other", cooling=""))
    shutil.rmtree(out / HOME / "src")
    assert check_tree(out, RULES) == [
        "src: is missing",
        "systems/box.json: cooling is empty",
        "systems/box.json: submitter is not acme",
        f"{SERVER.removeprefix(HOME + '/')}: measurements.json: retraining is missing or empty",
        f"{SERVER.removeprefix(HOME + '/')}: accuracy/mlperf_log_accuracy.json is not cut",
        f"{SERVER.removeprefix(HOME + '/')}: accuracy/accuracy.txt has no hash=",
    ]
    (out / HOME / "systems" / "box.json").unlink()
    assert "systems/box.json: is missing" in check_tree(out, RULES)
    assert check_tree(tmp_path / "nowhere", RULES) == ["no results"]


def test_what_a_reason_says_is_no_markup(tmp_path) -> None:
    folder = copied(tmp_path)
    change(folder / "record.json", lambda it: it.update(reasons=["a|b <script> [x](y)\n# z"]))
    readme = submission_readme(assemble(collect_runs([folder]), wish(), RULES))
    assert r"- a\|b \<script\> \[x\](y) # z" in readme


def test_the_command_writes_a_tree(tmp_path) -> None:
    done = zport(BENCH, *options(tmp_path))
    assert (done.exit_code, done.exception) == (0, None)
    assert "accepts it" in done.output and "left out  sensors-linear MultiStream" in done.output
    assert check_tree(tmp_path / "tree", RULES) == []


def test_the_command_says_that_a_run_is_invalid(tmp_path) -> None:
    done = zport(copied(tmp_path, emulated=True), "--emulated", *options(tmp_path))
    assert isinstance(done.exception, SubmissionError)
    assert done.exception.exit_code == 16
    assert "1 of 1 runs in the tree are INVALID or would be refused" in str(done.exception)
    assert "INVALID" in done.output and "EMULATED" in done.output
    assert (tmp_path / "tree" / HOME / "README.md").is_file()


def test_the_command_says_that_a_broken_run_was_left_out(tmp_path) -> None:
    folder, other = copied(tmp_path), tmp_path / "bench" / "other"
    shutil.copytree(folder, other)
    change(other / "record.json", lambda it: it.update(scenario="Offline"))
    for half in ("performance", "accuracy"):
        change(other / half / "bench.json", lambda it: it.update(scenario="Offline"))
        set_log(other, "effective_scenario", "Offline", half)
    with (other / "performance" / DETAIL).open("a") as file:
        file.write(":::MLLOG -nan\n")
    done = zport(tmp_path / "bench", *options(tmp_path))
    assert "1 left out, because the checker ends at them" in str(done.exception)


def test_the_command_drafts_a_description(tmp_path) -> None:
    done = zport(BENCH, "--submitter", "acme", "--system", tmp_path / "z.json", "--draft")
    assert done.exit_code == 0 and "fill in status, system_type" in done.output
    assert json.loads((tmp_path / "z.json").read_text())["submitter"] == "acme"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--submitter", "a b"], "'a b' is no name for a folder"),
        (["--submitter", "../up"], "is no name for a folder"),
        (["--system", "box.txt"], "box.txt is no .json file"),
        (["--system", "a box.json"], "'a box' is no name for a folder"),
        (["--benchmark", "resnet"], "expected MODEL=NAME, found 'resnet'"),
        (["--round", "v1"], "unknown round 'v1'"),
    ],
)
def test_a_flag_that_does_not_fit(tmp_path, changed, said) -> None:
    done = zport(BENCH, *options(tmp_path), *changed)
    assert isinstance(done.exception, UsageError) and said in str(done.exception)
    assert not (tmp_path / "tree").exists()


def test_a_folder_for_the_tree_has_to_be_named() -> None:
    done = zport(BENCH, "--submitter", "acme", "--system", FIXTURES / "box.json")
    assert isinstance(done.exception, UsageError) and "--out" in str(done.exception)


def test_only_the_open_division_is_written(tmp_path) -> None:
    done = zport(BENCH, *options(tmp_path), "--division", "closed")
    assert done.exit_code == 2 and "closed" in done.output
