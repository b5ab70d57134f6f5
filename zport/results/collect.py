"""Collecting: run files become runs of the store."""

from __future__ import annotations

import json
import re
from pathlib import Path

from zport.errors import ResultsError
from zport.results.records import Json, RunFile, check
from zport.results.store import Store
from zport.workspace import Workspace

NAME = re.compile(r"run-(\d+)\.json")
CIRCUMSTANCES = ("zport", "commit", "host", "engine", "emulators")


def store_path(workspace: Workspace) -> Path:
    """Where a build folder's results store lies."""
    return workspace.results / "results.sqlite"


def open_results(workspace: Workspace) -> Store:
    """The build folder's store with all its run files in it; those that are broken stay outside."""
    store = Store.open(store_path(workspace))
    try:
        collect(store, workspace)
    except BaseException:
        store.close()
        raise
    return store


def collect(store: Store, workspace: Workspace) -> list[ResultsError]:
    """Take every run file that the store does not have yet; what is wrong with the others.

    A file that cannot be read keeps no other one out, and is tried again the next time.
    """
    problems = []
    with workspace.exclusive("results-collect"):
        known = {run["file"] for run in store.runs()}
        for number, path in run_files(workspace.results):
            if path.name not in known:
                try:
                    take(store, path, number)
                except ResultsError as error:
                    problems.append(error)
    return problems


def run_files(folder: Path) -> list[tuple[int, Path]]:
    """The run files of a folder with their numbers, in order."""
    found = ((NAME.fullmatch(path.name), path) for path in folder.glob("run-*.json"))
    return sorted((int(match[1]), path) for match, path in found if match)


def read_run_file(path: Path) -> Json:
    """A run file. Raises :class:`ResultsError` when it is broken or of another schema."""
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise ResultsError(f"cannot be read: {error.strerror}", where=path) from error
    except ValueError as error:
        raise ResultsError(
            f"not JSON: {error}", where=path, next_step="remove it, or restore it from a copy"
        ) from error
    return check(RunFile, raw, path)


def take(store: Store, path: Path, number: int) -> int:
    """Write a run file to the store, whole or not at all; the run's number there.

    It is the file's, but where another run of the store has that already. Raises
    :class:`ResultsError` for a broken file.
    """
    raw = read_run_file(path)
    about = {name: raw.get(name) for name in CIRCUMSTANCES}
    with store.all_or_nothing():
        run = store.begin_run({**about, "started": raw["written"]}, number=number, file=path.name)
        for image in raw.get("images", []):
            store.add_image(run, image)
        store.add_cells(run, raw["cells"], written=raw["written"])
        store.end_run(run, ended=raw["written"])
    return run
