"""The SQLite file: opening it safely, its schema's version, and rows that are records."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from zport.errors import ResultsError
from zport.workspace import make_folder

VERSION = 1
"""The version of ``schema.sql``; a store of another one is refused."""
APPLICATION = 0x7A706F72
"""Marks the file as zport's (``zpor``)."""
SCHEMA = Path(__file__).with_name("schema.sql")
SURROGATE = re.compile("[\ud800-\udfff]")
BUSY = 60.0
"""Seconds that a writer waits for another one."""

Columns = dict[str, str]


class UnfitError(ResultsError):
    """A value of a record that a store cannot hold; ``where`` is its field."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the store at that path, which is made if it is not there.

    Raises :class:`ResultsError` for a file that is no store, or one of another schema version.
    """
    make_folder(path.parent)
    with clear_errors(path):
        connection = sqlite3.connect(
            path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            # A database that is empty has no lock yet that would keep two from making the tables.
            with FileLock(path.with_name(f".{path.name}.lock")):
                _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    version = _pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not tables and not version:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(
            f"BEGIN; {SCHEMA.read_text()} PRAGMA application_id = {APPLICATION};"
            f" PRAGMA user_version = {VERSION}; COMMIT;"
        )
    elif _pragma(connection, "application_id") != APPLICATION:
        raise ResultsError(
            "a database, but not zport's", where=path, next_step="move it away: a new one is made"
        )
    elif version != VERSION:
        raise ResultsError(
            f"written with schema version {version}, this zport has {VERSION}",
            where=path,
            next_step="use the zport that wrote it, or move it away: a new one is made "
            "from the run files beside it",
        )
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as :class:`ResultsError` that names the file and what to do."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a defect of zport's, not the file's
    except sqlite3.IntegrityError as error:
        raise ResultsError(
            f"the record does not fit the others: {error}",
            where=path,
            next_step="begin the run first, and give each run a file of its own",
        ) from error
    except sqlite3.OperationalError as error:
        raise ResultsError(
            f"the results store does not answer: {error}",
            where=path,
            next_step="see that the folder can be written, has free space and is a local disk's",
        ) from error
    except sqlite3.DatabaseError as error:
        raise ResultsError(
            f"the results store is broken: {error}",
            where=path,
            next_step="move it away: a new one is made from the run files beside it",
        ) from error


def columns_of(connection: sqlite3.Connection, table: str) -> Columns:
    """The declared type of each of a table's columns."""
    rows = connection.execute(f"PRAGMA table_info({table})")
    return {row["name"]: row["type"] for row in rows}


def to_row(columns: Columns, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as a row: JSON where a column holds it; what has no column goes to ``extra``.

    Raises :class:`UnfitError` for a value that its column cannot hold.
    """
    row = {name: _stored(columns[name], record.get(name)) for name in columns if name != "extra"}
    for name, value in row.items():
        if not _fits(value):
            raise UnfitError("the results store cannot hold this value", where=name,
                             next_step="write a number of 64 bits, or a text")  # fmt: skip
    extra = {name: value for name, value in record.items() if name not in columns}
    return {**row, "extra": json.dumps(extra) if extra else None}


def to_record(columns: Columns, row: sqlite3.Row) -> dict[str, Any]:
    """A row as the record that it was."""
    record = {name: _loaded(columns[name], row[name]) for name in columns if name != "extra"}
    extra = row["extra"] if "extra" in columns else None
    return {**record, **json.loads(extra or "{}")}


def _stored(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "JSON":
        return json.dumps(value)
    # SQLite has no NaN, it would become NULL. As text it stays what it is.
    if isinstance(value, float) and kind == "REAL" and math.isnan(value):
        return "nan"
    return value


def _fits(value: Any) -> bool:
    """Whether SQLite holds a value: no list, no number beyond 64 bits, no half of a character."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, str):
        return not SURROGATE.search(value)
    return value is None or isinstance(value, float)


def _loaded(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "JSON":
        return json.loads(value)
    if kind == "BOOLEAN":
        return bool(value)
    return float(value) if kind == "REAL" else value
