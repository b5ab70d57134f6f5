"""What a run leaves: the same cells in ``run-N.json`` and in the store."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from made_up_results import cells

from zport.engines import ImageFacts
from zport.report.results import write_results
from zport.results import circumstances, open_results
from zport.targets import REFERENCE
from zport.workspace import Workspace

AGENT = SimpleNamespace(
    agent=SimpleNamespace(name="onnxruntime"),
    target=REFERENCE,
    step=SimpleNamespace(image="localhost/zport/onnxruntime:1", key="0123"),
    provided=(),
)
FACTS = {AGENT.step.image: ImageFacts(("sha256:a",), 312_000_000, compressed=False)}


@pytest.fixture
def results() -> list[SimpleNamespace]:
    return [SimpleNamespace(record=lambda record=record: record) for record in cells(7)]


def write(workspace: Workspace, results, run: int | None = None):
    return write_results(workspace, REFERENCE, "buildah", [AGENT], FACTS, results, run)


def test_a_run_is_in_its_file_and_in_the_store(workspace: Workspace, results) -> None:
    path = write(workspace, results)
    assert path == workspace.results / "run-1.json"
    file = json.loads(path.read_text())
    assert file.keys() >= {"schema", "zport", "commit", "written", "host", "engine", "emulators"}
    with open_results(workspace) as store:
        (run,) = store.runs()
        assert run["ended"]
        assert run["host"] == file["host"] == REFERENCE.name
        assert [cell["key"] for cell in store.cells(1)] == [cell["key"] for cell in file["cells"]]
        assert [image["bytes"] for image in store.images(1)] == [312_000_000]


def test_each_run_has_a_file_of_its_own(workspace: Workspace, results) -> None:
    names = [write(workspace, results[:n]).name for n in (1, 2, 3)]
    assert names == ["run-1.json", "run-2.json", "run-3.json"]
    with open_results(workspace) as store:
        assert [len(store.cells(run)) for run in (1, 2, 3)] == [1, 2, 3]


def test_a_run_file_that_cannot_be_read_is_not_replaced(workspace: Workspace, results) -> None:
    workspace.results.mkdir(parents=True)
    newer = workspace.results / "run-1.json"
    newer.write_text('{"schema": 2}')
    assert write(workspace, results).name == "run-2.json"
    assert newer.read_text() == '{"schema": 2}'


def test_cells_that_were_written_as_they_came_are_not_there_twice(
    workspace: Workspace, results
) -> None:
    with open_results(workspace) as store:
        run = store.begin_run(circumstances(host="amd64", engine="buildah", emulators={}))
        for result in results[:4]:
            store.add_cell(run, result.record())
    assert write(workspace, results, run).name == f"run-{run}.json"
    with open_results(workspace) as store:
        assert len(store.runs()) == 1
        assert len(store.cells(run)) == len(results)


def test_a_store_that_cannot_be_used_leaves_no_file(workspace: Workspace, results) -> None:
    """The number is the store's: without it a file could take another run's place."""
    workspace.results.mkdir(parents=True)
    (workspace.results / "results.sqlite").write_text("no database" * 100)
    with pytest.raises(Exception, match="move it away"):
        write(workspace, results)
    assert not list(workspace.results.glob("run-*.json"))
