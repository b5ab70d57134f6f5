"""Cells: what the agent program is asked for, and which of them are the same."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from zport.agents import load_agents
from zport.cli.matrix import run_pytest
from zport.errors import UsageError
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
