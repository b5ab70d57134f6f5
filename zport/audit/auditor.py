"""The whole way: files to processes, findings to a report."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from zport.audit.examine import examine
from zport.audit.files import File
from zport.audit.inputs import Input
from zport.audit.model import (
    DEFAULT_SEVERITY,
    Examined,
    Report,
    Severity,
    Skipped,
    at_least,
    worst_first,
)
from zport.audit.project import decided
from zport.errors import HostError

BATCH = 1 << 20
"""Bytes that a process gets at once."""
ALONE = 2 << 20
"""Bytes up to which starting processes takes longer than the work."""
WAITING = 3
"""Batches a process that are read ahead: they are what memory is needed for."""

Batch = list[tuple[str, bytes]]


@dataclass
class _Gathered:
    examined: list[Examined] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    files: int = 0


def audit(
    source: Input, *, severity: Severity = DEFAULT_SEVERITY, known: Collection[str] = (),
    processes: int | None = None,
) -> Report:  # fmt: skip
    """Audit a source.

    ``known`` are fingerprints that a baseline has accepted. Raises what going through the files
    raises, and :class:`HostError` when a process ends because memory is short.
    """
    started = time.monotonic()
    gathered = _Gathered()
    batches = _batches(source.files(), gathered)
    for examined in _examined(batches, processes or os.cpu_count() or 1):
        # Files without anything to tell are counted only: there are many.
        gathered.examined.extend(examined)
    done = gathered.examined
    wanted = [one for each in done for one in each.wanted]
    found = [one for each in done for one in each.findings] + decided(wanted, source.files)
    shown = [one for one in found if at_least(one.severity, severity)]
    return Report(
        source.title,
        tuple(worst_first(one for one in shown if one.fingerprint not in known)),
        suppressed=tuple(one for each in done for one in each.suppressed),
        known=tuple(worst_first(one for one in shown if one.fingerprint in known)),
        skipped=tuple(sorted(
            [*gathered.skipped, *(each.skipped for each in done if each.skipped)],
            key=lambda one: one.path,
        )),
        notes=tuple(note for each in done for note in each.notes),
        hidden=len(found) - len(shown),
        files=gathered.files,
        lines=sum(each.lines for each in done),
        seconds=time.monotonic() - started,
    )  # fmt: skip


def _batches(files: Iterable[File], gathered: _Gathered) -> Iterator[Batch]:
    batch: Batch = []
    size = 0
    for file in files:
        gathered.files += 1
        if file.data is None:
            gathered.skipped.append(Skipped(file.path, file.skipped))
            continue
        batch.append((file.path, file.data))
        size += len(file.data)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _examined(batches: Iterator[Batch], processes: int) -> Iterator[list[Examined]]:
    first: list[Batch] = []
    size = 0
    for batch in batches:
        first.append(batch)
        size += sum(len(data) for _, data in batch)
        if size > ALONE:
            break
    if size <= ALONE or processes == 1:
        for batch in first:
            yield examine_all(batch)
        for batch in batches:
            yield examine_all(batch)
        return
    yield from _together(_chain(first, batches), processes)


def _chain(first: list[Batch], rest: Iterator[Batch]) -> Iterator[Batch]:
    yield from first
    yield from rest


def _together(batches: Iterator[Batch], processes: int) -> Iterator[list[Examined]]:
    running: set[Future[list[Examined]]] = set()
    with ProcessPoolExecutor(processes) as pool:
        try:
            for batch in batches:
                running.add(pool.submit(examine_all, batch))
                if len(running) >= processes * WAITING:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (one.result() for one in done)
            for one in running:
                yield one.result()
        except BrokenProcessPool as error:
            raise HostError(
                "a process of the audit was ended",
                where="zport audit",
                next_step="free memory, or audit with --processes 1",
            ) from error


def examine_all(batch: Batch) -> list[Examined]:
    """What some files have; runs in a process of its own."""
    results = [examine(path, data) for path, data in batch]
    quiet = [one for one in results if not _tells(one)]
    told = [one for one in results if _tells(one)]
    if quiet:
        told.append(Examined("", sum(one.lines for one in quiet)))
    return told


def _tells(one: Examined) -> bool:
    return bool(one.findings or one.suppressed or one.wanted or one.notes or one.skipped)
