"""Run files are collected once each; a broken one is told and keeps no other out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_results import run_file, write_run

from zport.errors import ResultsError
from zport.results import Store, circumstances, open_results, store_path
from zport.results.circumstances import commit_of
from zport.results.collect import collect, read_run_file
from zport.workspace import Workspace, write_json


def collected(workspace: Workspace) -> list[ResultsError]:
    with Store.open(store_path(workspace)) as store:
        return collect(store, workspace)


def test_run_files_become_runs_of_their_numbers(workspace: Workspace) -> None:
    for number in (2, 10, 3):
        write_run(workspace, number, 5)
    with open_results(workspace) as store:
        assert [run["id"] for run in store.runs()] == [10, 3, 2]
        file = json.loads((workspace.results / "run-3.json").read_text())
        assert [cell["key"] for cell in store.cells(3)] == [cell["key"] for cell in file["cells"]]
        assert len(store.images(3)) == len(file["images"])
        assert store.begin_run(circumstances(host="x", engine="x", emulators={})) == 11


def test_a_run_file_is_collected_once(workspace: Workspace) -> None:
    write_run(workspace, 1, 5)
    for _ in range(2):
        open_results(workspace).close()
    with open_results(workspace) as store:
        assert len(store.runs()) == 1


def test_the_file_of_a_run_that_is_in_the_store_is_not_another_run(workspace: Workspace) -> None:
    with open_results(workspace) as store:
        run = store.begin_run(circumstances(host="x", engine="x", emulators={}))
        write_run(workspace, run, 5)
    with open_results(workspace) as store:
        assert [one["id"] for one in store.runs()] == [run]


def test_a_deleted_store_is_made_again(workspace: Workspace) -> None:
    write_run(workspace, 4, 5)
    open_results(workspace).close()
    store_path(workspace).unlink()
    with open_results(workspace) as store:
        assert len(store.cells(4)) == 5


def test_the_first_version_of_run_files_is_read(workspace: Workspace) -> None:
    """It had neither emulators nor a commit."""
    record = run_file(3)
    for name in ("emulators", "commit"):
        del record[name]
    write_json(workspace.results / "run-1.json", record)
    assert collected(workspace) == []


def with_cell(**fields: object) -> bytes:
    """A run file whose first cell has these fields."""
    record = run_file(1)
    record["cells"][0].update(fields)
    return json.dumps(record).encode()


BROKEN = {
    "empty": (b"", "not JSON"),
    "cut": (b'{"schema": 1, "cells": [', "not JSON"),
    "not text": (b"\xff\xfe\x00", "not JSON"),
    "a list": (b"[]", "(whole)"),
    "no cells": (b'{"schema": 1, "zport": "0", "written": "x"}', "cells"),
    "newer": (b'{"schema": 2, "zport": "0", "written": "x", "cells": []}', "schema"),
    "deep": (b"[" * 200_000, "nested too deeply"),
    "a number of many digits": (b"1" * 5000, "not JSON"),
    "a number too large": (with_cell(seconds=10**26), "seconds: the results store cannot hold"),
    "a number far too large": (with_cell(seconds=10**400), "seconds"),
    "a list of threads": (with_cell(bench={"info": {"threads": [1]}}), "threads: the results"),
    "half a character": (with_cell(bench={"info": {"threads": "\ud800"}}), "threads: the results"),
    "a cell without a verdict": (
        json.dumps({**run_file(1), "cells": [{"model": "m"}]}).encode(),
        "cells.0.agent",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_run_file_is_told_and_the_others_taken(workspace: Workspace, name: str) -> None:
    content, said = BROKEN[name]
    write_run(workspace, 1, 3)
    write_run(workspace, 3, 3)
    broken = workspace.results / "run-2.json"
    broken.write_bytes(content)
    (problem,) = collected(workspace)
    assert str(broken) in str(problem)
    assert said in str(problem)
    assert problem.next_step
    with open_results(workspace) as store:
        assert [run["id"] for run in store.runs()] == [3, 1]


@pytest.mark.parametrize("digits", [16, 19, 23])
def test_a_run_file_with_a_number_that_is_too_high_is_told(
    workspace: Workspace, digits: int
) -> None:
    write_run(workspace, 1, 3)
    path = workspace.results / f"run-{'9' * digits}.json"
    path.write_bytes((workspace.results / "run-1.json").read_bytes())
    (problem,) = collected(workspace)
    assert str(path) in str(problem)
    assert "number" in problem.message
    with open_results(workspace) as store:
        assert store.begin_run(circumstances(host="x", engine="x", emulators={})) == 2


@pytest.mark.parametrize("name", BROKEN)
def test_the_next_run_does_not_replace_a_file_that_cannot_be_read(
    workspace: Workspace, name: str
) -> None:
    write_run(workspace, 1, 3)
    (workspace.results / "run-4.json").write_bytes(BROKEN[name][0])
    with open_results(workspace) as store:
        assert store.begin_run(circumstances(host="x", engine="x", emulators={})) == 5
    assert len(collected(workspace)) == 1


def test_a_run_file_that_was_mended_is_taken(workspace: Workspace) -> None:
    workspace.results.mkdir(parents=True)
    (workspace.results / "run-1.json").write_text("{")
    assert len(collected(workspace)) == 1
    write_run(workspace, 1, 3)
    assert collected(workspace) == []


def test_files_with_other_names_are_no_run_files(workspace: Workspace) -> None:
    workspace.results.mkdir(parents=True)
    for name in ("run-x.json", "run-1.json.bak", "run-.json", "notes.json"):
        (workspace.results / name).write_text("{")
    assert collected(workspace) == []


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "run-1.json").mkdir()
    with pytest.raises(ResultsError, match="cannot be read"):
        read_run_file(tmp_path / "run-1.json")


def test_without_git_there_is_no_commit(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
