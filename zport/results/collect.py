"""Collecting: run files become runs of the store."""

from __future__ import annotations

import json
from pathlib import Path

from zport.definitions import parser_words
from zport.errors import ResultsError
from zport.results.database import UnfitError
from zport.results.files import HIGHEST, run_files
from zport.results.records import Json, RunFile, check
from zport.results.store import Store
from zport.workspace import Workspace

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


def read_run_file(path: Path) -> Json:
    """A run file. Raises :class:`ResultsError` when it is broken or of another schema."""
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise ResultsError(f"cannot be read: {error.strerror}", where=path) from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(
            f"not JSON: {parser_words(error)}", where=path,
            next_step="remove it, or restore it from a copy",
        ) from error  # fmt: skip
    return check(RunFile, raw, path)


def take(store: Store, path: Path, number: int) -> int:
    """Write a run file to the store, whole or not at all; the run's number there.

    It is the file's, but where another run of the store has that already. Raises
    :class:`ResultsError` for a broken file, and one with a value that the store cannot hold.
    """
    if number > HIGHEST:
        raise ResultsError("no run has a number that high", where=path,
                           next_step=f"give it a number up to {HIGHEST}")  # fmt: skip
    raw = read_run_file(path)
    try:
        return _take(store, raw, path, number)
    except UnfitError as error:
        raise ResultsError(error.message, where=f"{path}: {error.where}",
                           next_step="mend or remove it") from error  # fmt: skip
    except RecursionError as error:
        raise ResultsError(parser_words(error), where=path,
                           next_step="mend or remove it") from error  # fmt: skip


def _take(store: Store, raw: Json, path: Path, number: int) -> int:
    about = {name: raw.get(name) for name in CIRCUMSTANCES}
    with store.all_or_nothing():
        run = store.begin_run({**about, "started": raw["written"]}, number=number, file=path.name)
        for image in raw.get("images", []):
            store.add_image(run, image)
        store.add_cells(run, raw["cells"], written=raw["written"])
        store.end_run(run, ended=raw["written"])
    return run
