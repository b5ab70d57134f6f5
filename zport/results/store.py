"""The store: runs are begun, filled and ended; and asked what they found."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zport.definitions import SHOWN
from zport.errors import ResultsError
from zport.results.circumstances import Circumstances, now
from zport.results.database import clear_errors, columns_of, connect, to_record, to_row
from zport.results.files import highest_number
from zport.results.records import (
    SUBJECT,
    BenchRecord,
    CellRecord,
    ImageRecord,
    check,
    with_subject,
    without,
    without_subject,
)

Record = dict[str, Any]
TABLES = ("runs", "images", "cells", "benches")
LATEST = """
    JOIN (SELECT model, agent, target, runner, max(run) AS run FROM cells
          GROUP BY model, agent, target, runner)
    USING (model, agent, target, runner, run) ORDER BY id"""
VERDICTS = """
    SELECT model, agent, target, runner, run, written, verdict, reason, largest_absolute, seconds,
           key, NULL AS extra
    FROM cells WHERE run <= ? ORDER BY run DESC, id"""
KEPT = """
    SELECT json_extract(extra, '$.parts') AS parts FROM benches
    WHERE cell IS NULL AND mode = ? AND written = ? AND json_extract(extra, '$.key') = ?"""
EVERY = 2**62
IN_FILE = ("chosen",)
"""Keys of the agent's result that stay in its file: ``settings`` has what LoadGen made of them."""
INTERNAL = ("id", "cell")
"""Columns that tie rows together and are nobody else's."""


class Store:
    """An open results store. Threads may share it; another process opens its own.

    Every method raises :class:`ResultsError` when the file cannot be read or written, and every
    writing one for a record that lacks what it must have; then nothing of it is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path)
        self._lock = threading.RLock()
        self._columns = {table: columns_of(self._connection, table) for table in TABLES}

    @classmethod
    def open(cls, path: Path) -> Self:
        """The store at that path; it is made if it is not there."""
        return cls(path)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Writing

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Everything that is written inside is kept together, or not at all."""
        with clear_errors(self.path), self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def begin_run(
        self, circumstances: Circumstances, *, number: int | None = None, file: str | None = None
    ) -> int:
        """Begin a run and return its number: one more than the highest of the store and of the run
        files beside it. One of those that cannot be read keeps its number, and is not replaced.

        ``number`` asks for a certain one, and is passed over where another run has it already.
        ``file`` is the name of the run file that holds the same, by default ``run-N.json``: no such
        file is collected from then on, for this run is the one that may write it.
        """
        with self.all_or_nothing():
            taken = {row[0] for row in self._connection.execute("SELECT id FROM runs")}
            free = number is not None and number not in taken
            highest = max(*taken, highest_number(self.path.parent), 0)
            run = number if number is not None and free else highest + 1
            own = {"id": run, "file": file or f"run-{run}.json"}
            self._insert("runs", {"started": now(), **circumstances, **own})
        return run

    def end_run(self, run: int, *, ended: str | None = None) -> None:
        """Mark a run as ended, now or at that time. A run that is cut stays without an end."""
        with self.all_or_nothing():
            self._connection.execute(
                "UPDATE runs SET ended = ? WHERE id = ?", (ended or now(), run)
            )

    def add_cell(self, run: int, record: Mapping[str, Any]) -> None:
        """Keep a cell's result; an earlier one of the same cell in this run is replaced."""
        self.add_cells(run, [record])

    def add_cells(
        self, run: int, records: Iterable[Mapping[str, Any]], *, written: str | None = None
    ) -> None:
        """Keep the results of many cells, all or none."""
        with self.all_or_nothing():
            for record in records:
                check(CellRecord, record, f"{self.path}: cell {record.get('model')}")
                about = {"run": run, "written": written or now()}
                cell = self._insert("cells", {**without(record, ("bench",)), **about})
                if record.get("bench"):
                    of = {name: record[name] for name in SUBJECT}
                    bench = with_subject(without(record["bench"], IN_FILE), of)
                    self._insert("benches", {**bench, **about, "cell": cell})

    def add_image(self, run: int, record: Mapping[str, Any]) -> None:
        """Keep what is known of an image of this run."""
        check(ImageRecord, record, f"{self.path}: image {record.get('agent')}")
        with self.all_or_nothing():
            self._insert("images", {**record, "run": run})

    def add_bench(self, run: int, record: Mapping[str, Any]) -> None:
        """Keep a benchmark of its own: a point of a sweep, written when it says that it was."""
        check(BenchRecord, record, f"{self.path}: benchmark of {record.get('model')}")
        with self.all_or_nothing():
            bench = with_subject(record, {name: record[name] for name in SUBJECT})
            written = record.get("written") or now()
            self._insert("benches", {**bench, "run": run, "written": written, "cell": None})

    def has_bench(self, record: Mapping[str, Any]) -> bool:
        """Whether a benchmark of its own is kept already: the same ``key``, ``mode``, ``written``
        and ``parts``."""
        found = self._query(KEPT, (record["mode"], record["written"], record["key"]))
        return any(json.loads(row["parts"] or "null") == record["parts"] for row in found)

    # Asking

    def runs(self) -> list[Record]:
        """All runs, the newest first."""
        return self._select("runs", "ORDER BY id DESC")

    def cells(self, run: int) -> list[Record]:
        """The cells of a run in the order in which they were written, each with its bench."""
        return self._with_bench(self._select("cells", "WHERE run = ? ORDER BY id", run))

    def images(self, run: int) -> list[Record]:
        """The images of a run."""
        return self._select("images", "WHERE run = ? ORDER BY agent, target", run)

    def benches(self, run: int | None = None, *, of_cells: bool = True) -> list[Record]:
        """The benchmarks of a run or of all runs; without those of cells where that is asked."""
        conditions = ["run = ?"] if run is not None else []
        conditions += [] if of_cells else ["cell IS NULL"]
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        rows = self._select("benches", f"{where}ORDER BY id", *([] if run is None else [run]))
        return [without(row, INTERNAL) for row in rows]

    def latest(self) -> list[Record]:
        """The newest result of each cell over all runs, each with its ``run`` and ``written``."""
        return self._with_bench(self._select("cells", LATEST))

    def verdicts(self, until: int | None = None) -> list[Record]:
        """In short, each cell's result in each run until that one, the newest first.

        Each has the cell's identity, ``run``, ``written``, ``verdict``, ``reason``,
        ``largest_absolute``, ``seconds`` and ``key``.
        """
        columns = self._columns["cells"]
        rows = self._query(VERDICTS, (EVERY if until is None else until,))
        return [to_record({name: columns[name] for name in row.keys()}, row) for row in rows]  # noqa: SIM118 - a row is no mapping

    def find_run(self, wanted: str) -> int:
        """The number of the run that is meant: ``8``, ``run-8`` or ``run-8.json``.

        Raises :class:`ResultsError` for one that is not in the store.
        """
        number = wanted.removeprefix("run-").removesuffix(".json")
        numbers = [run["id"] for run in self.runs()]
        # Python does not read a number of thousands of digits.
        if number.isdecimal() and len(number) <= len(str(EVERY)) and int(number) in numbers:
            return int(number)
        known = ", ".join(map(str, numbers[:10])) or "none"
        raise ResultsError(
            f"no run {wanted[:SHOWN]}", where=self.path, next_step=f"newest are: {known}"
        )

    # Inside

    def _with_bench(self, cells: list[Record]) -> list[Record]:
        """The cells with the benchmark of each, as it was handed in."""
        wanted = json.dumps([cell["id"] for cell in cells])
        of_these = "WHERE cell IN (SELECT value FROM json_each(?))"
        benches = {
            bench["cell"]: without_subject(bench)
            for bench in self._select("benches", of_these, wanted)
        }
        return [{**without(cell, INTERNAL), "bench": benches.get(cell["id"])} for cell in cells]

    def _select(self, table: str, rest: str, *values: Any) -> list[Record]:
        # Only values come from outside, and they are bound.
        rows = self._query(f"SELECT {table}.* FROM {table} {rest}", values)  # noqa: S608
        return [to_record(self._columns[table], row) for row in rows]

    def _query(self, question: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        with clear_errors(self.path), self._lock:
            return self._connection.execute(question, values).fetchall()

    def _insert(self, table: str, record: Mapping[str, Any]) -> int:
        row = to_row(self._columns[table], record)
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        or_replace = "" if table == "runs" else "OR REPLACE"
        cursor = self._connection.execute(
            f"INSERT {or_replace} INTO {table} ({names}) VALUES ({marks})",  # noqa: S608
            list(row.values()),
        )
        return cursor.lastrowid or 0
