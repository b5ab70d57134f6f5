"""Cells: what the agent program is asked for, and which of them are the same."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from zport.matrix.cells import Cell
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
