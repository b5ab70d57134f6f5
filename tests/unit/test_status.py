"""The page of what runs: up to date, from what ran, and not broken by what texts hold."""

from datetime import date

import pytest
from typer.testing import CliRunner

from zport.cli import app
from zport.cli.status import PAGE
from zport.defects import Defect
from zport.errors import DefinitionError
from zport.models import load_models
from zport.status import records as records_module
from zport.status.gather import Package, _state, gather, load_audits, untried_models
from zport.status.page import as_html, as_markdown, in_table, suite_text
from zport.status.records import CellRun, Records, WheelRun, load_records, record
from zport.targets import DEFAULT
from zport.workspace import Workspace

WHEEL = WheelRun(package="p", version="1.0", day=date(2026, 11, 22), file="p.whl")
NUMBERS = Defect(package="p", versions="*", kind="numbers", wrong="w", fix="f", evidence="e")
BUILD = NUMBERS.model_copy(update={"kind": "build"})


def test_the_page_is_up_to_date():
    records = load_records()
    assert PAGE.read_text(encoding="utf-8") == as_markdown(gather(records), records), (
        "run zport status"
    )


def test_every_recipe_defect_and_audit_is_on_the_page():
    names = {one.name for one in gather(load_records())}
    assert {"numpy", "protobuf", "onnxruntime"} <= names
    assert set(load_audits()) <= names


def test_a_model_that_nobody_ran_is_told():
    records = load_records()
    ran = {one.model for one in records.cells}
    one = max(load_models(["all"]), key=lambda model: model.manifest.extension().gflop or 0)
    without = {one.name, "keyword-spotting"}
    fewer = tuple(cell for cell in records.cells if cell.model not in without)
    known = records.model_copy(update={"cells": fewer})
    page = as_markdown([], known)
    assert f"| {one.name} | | | not run: 955 GFLOP are emulated only when it is named |" in page
    assert "| keyword-spotting | | | not run: not yet |" in page
    assert f"<td>{one.name}</td>" in as_html([], known)
    assert {model.name for model in untried_models(known)} == without | (
        {model.name for model in load_models(["all"])} - ran
    )


def build_folder(root, name="made_up-1.0-cp313-cp313-manylinux_2_38_%s.whl"):
    wheel = root / "wheels" / "0123456789abcdef" / (name % DEFAULT.machine)
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(b"")
    return wheel


def test_a_tested_wheel_is_taken_up_and_stays(tmp_path):
    wheel = build_folder(tmp_path)
    wheel.with_name(wheel.name + ".provenance.json").write_text("{}")
    (wheel.parent / f"odd_{DEFAULT.machine}.whl").write_bytes(b"")
    path = tmp_path / "status.json"
    first = record(Workspace(tmp_path), DEFAULT, path)
    assert [(one.package, one.version) for one in first.wheels] == [("made-up", "1.0")]
    assert record(Workspace(tmp_path / "empty"), DEFAULT, path) == first == load_records(path)


def test_a_wheel_without_provenance_was_not_tested(tmp_path):
    build_folder(tmp_path)
    assert record(Workspace(tmp_path), DEFAULT, tmp_path / "status.json").wheels == ()


@pytest.mark.parametrize(("day", "kept"), [(21, "pass"), (22, "differs"), (23, "differs")])
def test_only_an_older_verdict_is_replaced(tmp_path, monkeypatch, day, kept):
    path = tmp_path / "status.json"
    first = CellRun(model="m", agent="a", runner="qemu", verdict="pass", largest=0.0,
                    day=date(2026, 11, 22))  # fmt: skip
    found = [first]
    monkeypatch.setattr(records_module, "judged_cells", lambda *_: found)
    record(Workspace(tmp_path), DEFAULT, path)
    other = first.model_copy(update={"runner": "native", "day": date(2026, 1, 1)})
    found[:] = [first.model_copy(update={"verdict": "differs", "day": date(2026, 11, day)}), other]
    cells = {one.runner: one for one in record(Workspace(tmp_path), DEFAULT, path).cells}
    assert cells["qemu"].verdict == kept
    assert cells["native"] == other


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not there, or no JSON"),
        ("[]", "dictionary"),
        ('{"target": "x", "wheels": [{"package": "p"}]}', "wheels.0.version"),
        ('{"target": "x", "wheel": []}', "wheel"),
    ],
)
def test_records_that_are_none_say_where(tmp_path, text, told):
    path = tmp_path / "status.json"
    path.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        load_records(path)
    assert told in str(caught.value)
    assert "zport status --record" in str(caught.value)


@pytest.mark.parametrize(
    ("wheel", "defects", "state"),
    [
        (WHEEL, (), "runs"),
        (WHEEL, (NUMBERS,), "runs, with a defect"),
        (WHEEL, (BUILD,), "runs"),
        (None, (NUMBERS,), "has a defect"),
        (None, (), "looked at"),
    ],
)
def test_a_state_is_what_was_seen(wheel, defects, state):
    assert _state(None, wheel, defects) == state


def test_no_text_breaks_out_of_the_page():
    hostile = "a | b\n<script>[x](y)`"
    package = Package(hostile, "1", "has a defect",
                      defects=(NUMBERS.model_copy(update={"wrong": hostile}),))  # fmt: skip
    records = Records(target=DEFAULT.name)
    rows = [line for line in as_markdown([package], records).splitlines() if "a \\| b" in line]
    assert len(rows) == 1
    assert "<script>" not in as_html([package], records)
    assert in_table("a_b*c") == "a\\_b\\*c"


def test_a_suite_is_counted_with_what_nobody_has_explained():
    suite = {"version": "2", "differences": [{"cause": "x"}, {}],
             "targets": {DEFAULT.name: {"passed": 3, "failed": 1}}}  # fmt: skip
    told = f"2 {DEFAULT.name}: 3 passed, 1 failed; 2 differ, 1 unexplained"
    assert suite_text(suite | {"package": "p"}, "p", DEFAULT) == told
    assert suite_text(suite | {"package": "p-debian"}, "p", DEFAULT) == f"Debian's {told}"


def test_the_command_prints_the_page():
    result = CliRunner().invoke(app, ["status", "--format", "html"])
    assert result.exit_code == 0
    assert "<h2>Models</h2>" in result.stdout
