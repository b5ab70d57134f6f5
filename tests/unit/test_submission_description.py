"""A system's description and measurements.json: what is found out, what is asked for, bad input."""

import json

import pytest
from submitted import BENCH, FIXTURES, change, copied, only

from zport.errors import SubmissionError
from zport.submission.logs import DetailLog
from zport.submission.measurements import (
    measurements_of,
    read_measurements,
    require_measurements,
    user_conf,
)
from zport.submission.rules import load_rules
from zport.submission.runs import collect_runs
from zport.submission.system import describe, draft, field_faults, found_fields, one_system

RULES = load_rules()
REAL = BENCH / "sensors-linear" / "onnxruntime" / "amd64"
EMULATED = BENCH / "sensors-linear" / "onnxruntime" / "s390x"


def described(tmp_path, **fields):
    """The system that the fixture's file describes, with some fields changed or left out."""
    said = json.loads((FIXTURES / "box.json").read_text()) | fields
    path = tmp_path / "box.json"
    path.write_text(json.dumps({name: one for name, one in said.items() if one is not None}))
    return describe(path, "acme", collect_runs([REAL]), RULES.system)


def test_the_runs_tell_what_they_know(tmp_path) -> None:
    fields = described(tmp_path).fields
    assert field_faults(fields, RULES.system) == []
    assert fields["framework"] == "onnxruntime 1.21.0"
    assert "MLPerf LoadGen 6.0.17" in fields["other_software_stack"]
    assert "little-endian" in fields["sw_notes"]
    assert (fields["submitter"], fields["division"]) == ("acme", "open")
    assert (fields["accelerators_per_node"], fields["accelerator_model_name"]) == ("0", "N/A")


def test_the_file_has_the_last_word_and_numbers_become_text(tmp_path) -> None:
    fields = described(tmp_path, framework="ours", accelerators_per_node=0, cooling=" air ").fields
    assert (fields["framework"], fields["accelerators_per_node"]) == ("ours", "0")
    assert (fields["cooling"], fields["host_processor_core_count"]) == ("air", "2")


def test_an_emulated_system_is_marked(tmp_path) -> None:
    runs = collect_runs([EMULATED])
    system = describe(FIXTURES / "box.json", "acme", runs, RULES.system)
    assert system.emulated
    assert system.fields["system_name"] == "a virtual machine (emulated)"
    assert system.fields["hw_notes"].startswith("EMULATED: s390x by runner qemu")
    assert "host_processor_model_name" not in found_fields(runs)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("cooling", None, "cooling is missing"),
        ("cooling", "", "cooling is empty"),
        ("status", "released", "status is none of available, preview, rdi"),
        ("system_type", "pocket", "system_type is none of"),
        ("number_of_nodes", "one", "number_of_nodes is no whole number"),
        ("submitter", "other", "box.json: submitter: is other, the command line says acme"),
        ("division", "closed", "box.json: division: is closed, the command line says open"),
        ("is_network", "true", "only the open division"),
        ("cooling", ["air"], "cooling: has to be text"),
        ("cooling", True, "cooling: has to be text"),
        ("colling", "air", "did you mean cooling"),
    ],
)
def test_a_field_that_does_not_fit(tmp_path, field, value, said) -> None:
    with pytest.raises(SubmissionError) as error:
        described(tmp_path, **{field: value})
    assert said in str(error.value)


def test_all_that_is_missing_is_said_at_once(tmp_path) -> None:
    with pytest.raises(SubmissionError, match=r"2 fields do not fit: status .*; cooling "):
        described(tmp_path, status=None, cooling=None)


@pytest.mark.parametrize("content", [None, b"[]", b"{", b"\xff"])
def test_a_description_that_is_no_object(tmp_path, content) -> None:
    path = tmp_path / "box.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SubmissionError, match=r"box\.json"):
        describe(path, "acme", collect_runs([REAL]), RULES.system)


def test_a_draft_holds_what_is_known_and_says_what_is_not(tmp_path) -> None:
    path = tmp_path / "box.json"
    runs = collect_runs([REAL])
    empty = draft(path, "acme", runs, RULES.system)
    fields = json.loads(path.read_text())
    assert list(fields) == RULES.system.required
    assert "cooling" in empty and "framework" not in empty and "hw_notes" not in empty
    path.write_text(json.dumps(fields | dict.fromkeys(empty, "1")
                               | {"status": "rdi", "system_type": "edge"}))  # fmt: skip
    assert describe(path, "acme", runs, RULES.system).name == "box"
    with pytest.raises(SubmissionError, match="is there already"):
        draft(path, "acme", runs, RULES.system)


def test_runs_of_two_systems(tmp_path) -> None:
    runs = collect_runs([BENCH])
    with pytest.raises(SubmissionError, match="2 systems: onnxruntime, amd64, native"):
        one_system(runs)
    folder = copied(tmp_path)
    change(folder / "performance" / "bench.json",
           lambda it: it["info"]["framework"].update(version="9"))  # fmt: skip
    with pytest.raises(SubmissionError, match=r"onnxruntime 9"):
        one_system([*collect_runs([folder]), *collect_runs([REAL])])


def test_measurements_of_a_model_of_the_project() -> None:
    said = read_measurements(FIXTURES / "measurements.json", RULES.measurements)
    assert measurements_of(only(REAL), said, RULES.measurements) == {
        "input_data_types": "fp32",
        "retraining": "no",
        "starting_weights_filename": "sensors-linear.onnx",
        "weight_data_types": "fp32",
        "weight_transformations": "none; the weights are seeded constants, not trained",
    }


def test_measurements_that_nobody_says(tmp_path) -> None:
    folder = copied(tmp_path)
    change(folder / "record.json", lambda it: it.update(model="mine"))
    change(folder / "performance" / "bench.json", lambda it: it["model"].update(weights=None))
    with pytest.raises(SubmissionError) as error:
        require_measurements([only(folder)], {}, RULES.measurements)
    assert ("mine: input_data_types, retraining, weight_data_types, weight_transformations"
            in str(error.value))  # fmt: skip


@pytest.mark.parametrize(
    ("said", "where"),
    [({"mine": []}, "mine"), ({"mine": {"retraining": 1}}, "mine.retraining: no text"),
     ({"mine": {"colour": "red"}}, "mine.colour: unknown field")],
)  # fmt: skip
def test_measurements_that_do_not_fit(tmp_path, said, where) -> None:
    path = tmp_path / "measurements.json"
    path.write_text(json.dumps(said))
    with pytest.raises(SubmissionError) as error:
        read_measurements(path, RULES.measurements)
    assert where in str(error.value)


def test_user_conf_restates_the_log() -> None:
    assert user_conf(only(REAL)).splitlines()[1:] == [
        "3d-unet.Server.min_duration = 600000",
        "3d-unet.Server.min_query_count = 100",
        "3d-unet.Server.target_latency_percentile = 99",
        "3d-unet.Server.target_qps = 1",
        "3d-unet.Server.target_latency = 1000",
    ]
    lines = user_conf(only(EMULATED)).splitlines()
    assert "sensors-linear.MultiStream.samples_per_query = 2" in lines
    assert "sensors-linear.MultiStream.target_latency_percentile = 50" in lines


def test_numbers_of_a_user_conf_have_no_exponent(tmp_path) -> None:
    run = only(copied(tmp_path))
    values = run.performance.log.values | {"effective_target_qps": 1e-05,
                                           "effective_target_latency_ns": 1e15}  # fmt: skip
    object.__setattr__(run.performance, "log", DetailLog(tmp_path, values))
    assert user_conf(run).splitlines()[-2:] == [
        "3d-unet.Server.target_qps = 0.00001", "3d-unet.Server.target_latency = 1000000000",
    ]  # fmt: skip
