"""What a cell's containers left: kept in its folder, and read from there.

``run.json`` is written last, so a folder that has one is whole.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zport.engines import TIMED_OUT
from zport.matrix.batch import SERVED, Batch
from zport.matrix.cells import AGENT_SAYS_NO, AGENT_UNSUPPORTED, Cell, CellRun, Verdict
from zport.untrusted import take_over
from zport.workspace import part_folder, read_json, write_json

SPOKEN = "zport-agent: "
LOG = "log.txt"
KINDS: dict[int, Verdict] = {AGENT_UNSUPPORTED: "unsupported", TIMED_OUT: "timeout"}
"""What an exit status of the agent program means; any other is a crash."""
LEAVES = {"predict": ("outputs.npz", "result.json"), "bench": ("bench.json",)}
"""What a command that has not failed leaves."""
NO_RECORD = 1
"""The status of a cell whose own code has removed the record of it."""
FILES = ("bench.json", LOG, "outputs.npz", "result.json", "run.json", SERVED)
"""What the host reads or writes of a cell: never a folder, whatever the cell's own code made."""
TAIL = 4000
"""So many characters of a container's log are kept with the cell that died in it."""


def keep_served(cell: Cell, batch: Batch, folder: Path) -> None:
    """Move a finished cell's files to its own folder, with a record of how it ended."""
    with part_folder(folder) as part:
        take_over(batch.out / cell.name, part, FILES)
        served = read_json(part / SERVED) or {"commands": []}
        commands = {one["verb"]: one for one in served["commands"]}
        (part / SERVED).unlink(missing_ok=True)
        status = {verb: one["status"] for verb, one in commands.items()}
        status.setdefault(cell.verbs[0], NO_RECORD)
        failed = status[cell.verbs[0]] != 0
        _write_record(part, cell, batch, {
            **{verb: status.get(verb) for verb in cell.verbs},
            "seconds": {verb: one["seconds"] for verb, one in commands.items()},
            "reason": reason_in(part / LOG) if failed else None,
        })  # fmt: skip


def keep_dead(cell: Cell, batch: Batch, folder: Path, statuses: Sequence[int], log: Path) -> None:
    """Keep what is there of a cell that its container ended with."""
    with part_folder(folder) as part:
        left = batch.out / f"{cell.name}.part"
        if left.is_symlink() or left.exists():
            take_over(left, part, FILES)
        with (part / LOG).open("a") as file:
            file.write(f"\nthe container's own log, its last lines:\n{_tail(log)}")
        # Of several containers only the one with this cell did not end as it should.
        status = next((status for status in statuses if status != 0), 1)
        _write_record(part, cell, batch, {
            cell.verbs[0]: status,
            "seconds": {},
            "reason": f"the container died with it: {status_phrase(status)}",
        })  # fmt: skip


def read_run(cell: Cell, folder: Path) -> CellRun:
    """What a cell's folder tells of its run."""
    record = read_json(folder / "run.json")
    status, benched = record[cell.verbs[0]], record.get("bench")
    failure: Verdict | None = None
    reason = None
    absent = [name for name in LEAVES[cell.verbs[0]] if not _is_there(folder / name)]
    if status != 0:
        failure = KINDS.get(status, "crash")
        reason = _reason(status, record)
    elif absent:
        # As when the model's own code ends the process.
        failure = "crash"
        reason = f"{status_phrase(status)} and left no {' and no '.join(absent)}"
    bench = read_json(folder / "bench.json")
    if benched not in (None, 0, AGENT_SAYS_NO) or (benched and not bench):
        bench = {"valid": False, "invalid_reasons": [status_phrase(benched)]}
    return CellRun(cell, folder, failure, reason, bench, record.get("seconds", {}))


def shortages(record: dict[str, Any], cell: Cell) -> tuple[bool, bool]:
    """Whether a command of the cell ran out of time, and whether one may have of memory.

    Want of memory has no status of its own: frameworks die of it, raise, or call the model
    unsupported. LoadGen's verdict is never due to it.
    """
    statuses = {verb: record.get(verb) or 0 for verb in cell.verbs}
    if statuses.get("bench") == AGENT_SAYS_NO:
        del statuses["bench"]
    late = TIMED_OUT in statuses.values()
    return late, any(status not in (0, TIMED_OUT) for status in statuses.values())


def _is_there(path: Path) -> bool:
    """Whether the agent program wrote it, and not the model's own code another one."""
    if path.name != "result.json":
        return path.is_file()
    try:
        return all({"name", "sha256"} <= one.keys() for one in read_json(path)["inputs"])
    except (KeyError, TypeError, AttributeError):
        return False


def reason_in(log: Path) -> str | None:
    """The last thing that the agent program said in its own name, or of an exception."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    spoken = [line.removeprefix(SPOKEN) for line in lines if line.startswith(SPOKEN)]
    if spoken:
        return spoken[-1]
    raised = "Traceback (most recent call last):" in lines
    return lines[-1] if raised else None


def status_phrase(status: int) -> str:
    """An exit status in words; a signal by its name."""
    number = -status if status < 0 else status - 128
    try:
        name = signal.Signals(number).name if status < 0 or number > 0 else ""
    except ValueError:
        name = ""
    return f"ended by {name}" if name else f"ended with status {status}"


def _reason(status: int, record: dict[str, Any]) -> str:
    if status == TIMED_OUT:
        return f"no answer within {record['limit']:.0f} s"
    said, ended = record["reason"], status_phrase(status)
    return f"{ended}: {said}" if said and status < 0 else said or ended


def _write_record(folder: Path, cell: Cell, batch: Batch, record: dict[str, Any]) -> None:
    circumstances = {"limit": batch.limits[cell.name], "memory": batch.memory}
    write_json(folder / "run.json", record | circumstances)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-TAIL:] if log.exists() else ""
