"""Cells: what the agent program is asked for, and which of them are the same."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from zport.agents import load_agents
from zport.cli.matrix import run_pytest
from zport.errors import UsageError
from zport.matrix import cells
from zport.matrix.cells import Cell, refuse_unproven
from zport.models import load_models
from zport.targets import DEFAULT, REFERENCE


@pytest.fixture
def cell():
    """Makes a cell of a model and an image that are made up."""

    def make(target, runner):
        model = SimpleNamespace(name="m", definition=lambda: {"manifest.yml": "00"})
        agent = SimpleNamespace(target=target, step=SimpleNamespace(key="image"))
        return Cell(model, agent, runner, Path("files"), "files")

    return make


def test_loadgen_runs_unless_only_answers_are_asked_for(cell):
    full = cell(DEFAULT, "qemu")
    answers = replace(full, measured=False)
    assert full.verbs == ("predict", "bench")
    assert answers.verbs == ("predict",)
    assert full.key != answers.key


def test_the_reference_is_the_same_cell_either_way(cell):
    reference = cell(REFERENCE, "native")
    assert reference.verbs == ("predict",)
    assert replace(reference, measured=False).key == reference.key


def test_a_cell_elsewhere_is_another_cell(cell):
    assert cell(REFERENCE, "native").key != cell(REFERENCE, "ssh://far").key
    assert cell(REFERENCE, "ssh://far").verbs == ("predict", "bench")


AGENTS = load_agents("onnxruntime,tflite")


def test_an_agent_that_no_model_runs_in_proves_nothing():
    tflite = load_models(["alexa-int8"])
    refuse_unproven(AGENTS, tflite, every=False)
    refuse_unproven(AGENTS[1:], tflite, every=True)
    for agents, every in ((AGENTS[:1], False), (AGENTS, True)):
        with pytest.raises(UsageError, match="none of the models runs in onnxruntime"):
            refuse_unproven(agents, tflite, every=every)


def test_without_cells_pytest_collects_nothing_else(monkeypatch):
    monkeypatch.setattr("zport.matrix.session.MatrixSession", lambda job: SimpleNamespace(cells={}))
    monkeypatch.setattr(pytest, "main", lambda *arguments, **named: pytest.fail("it was run"))
    with pytest.raises(UsageError, match="no cell is left to run"):
        run_pytest(SimpleNamespace(), [])


def test_a_cell_of_another_emulator_is_another_cell(cell, monkeypatch):
    def keys(version):
        monkeypatch.setattr(cells, "emulator_version", lambda target: version)
        return [cell(DEFAULT, runner).key for runner in ("qemu", "native", "ssh://far")]

    before, after, unknown = keys("7.2"), keys("9.0"), keys(None)
    assert before[0] != after[0]
    assert unknown[0] not in (before[0], after[0])
    assert before[1:] == after[1:] == unknown[1:]


def test_keys_of_cells_on_real_processors_stay(cell):
    """Else what was measured on them would have to be measured again."""
    keys = [cell(DEFAULT, runner).key for runner in ("native", "ssh://far")]
    assert keys == ["3c33a2e19e512861", "b979724a9f57054e"]
