"""Many cells in one container: each command is a child process, so that none harms the next.

The framework is imported once, by the parent, and each child is forked from it: under emulation
that import is most of a small cell's time. Several containers may serve the same batch: each cell
goes to the one that claims it.
"""

import contextlib
import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from zport_agent.backends import open_backend
from zport_agent.errors import AgentError, UsageError
from zport_agent.output import output_folder, write_json

CELLS = "cells.json"
"""In the batch's folder: ``{"framework": NAME, "memory": BYTES, "cells": [CELL]}``, where a cell is
``{"name": NAME, "seconds": LIMIT, "commands": [ARGUMENTS]}``; each command gets ``--out``."""
STOP = "stop"
"""A file of this name in the batch's folder ends the work at once."""
CLAIMS = "claims"
LOG = "log.txt"
SERVED = "served.json"
"""In a finished cell's folder: ``{"commands": [{"verb", "status", "seconds"}]}``."""

TIMED_OUT = 124
BROKEN = 70
"""Exit statuses: ended for taking too long, as timeout(1) has it; an exception nobody expected, as
sysexits.h has it. A negative one is the signal that ended the command."""

_BLINK = 0.05


class Stopped(Exception):  # noqa: N818 - not an error
    """The batch was told to stop."""


@contextlib.contextmanager
def _open_to_all() -> Iterator[None]:
    """New files are for whoever mounted the folder, not for this container's user alone."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


@_open_to_all()
def serve(batch: Path, out: Path) -> int:
    """Run every cell of the batch that nobody else has claimed; returns how many that were.

    A cell's files are written to ``out/NAME.part``, which becomes ``out/NAME`` when its commands
    have ended, well or not. One that was claimed and never got there died with its container.
    Raises UsageError for a batch that cannot be read.
    """
    plan = _read(batch / CELLS)
    claims = output_folder(out / CLAIMS)
    served = 0
    with contextlib.suppress(Stopped):
        for cell in plan["cells"]:
            if _claim(claims / cell["name"]):
                # After the claim: a framework that crashes here is this cell's crash.
                if not served:
                    _import_framework(plan["framework"], cell["seconds"])
                _serve_cell(cell, out, batch / STOP, plan["memory"])
                served += 1
    return served


def _read(path: Path) -> dict[str, Any]:
    try:
        plan: dict[str, Any] = json.loads(path.read_text())
        for cell in plan["cells"]:
            _ = plan["framework"], cell["name"], cell["seconds"], cell["commands"]
        _ = plan["memory"]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; --batch is a folder with {CELLS}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a batch: {error!r}") from None
    return plan


def _claim(path: Path) -> bool:
    """Take a cell, if no other container has."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        return False
    return True


def _import_framework(name: str, seconds: float) -> None:
    """Import what every cell needs. A child says what is wrong with it; this only warms up."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    with contextlib.suppress(AgentError):
        open_backend(name)
    from zport_agent import predict  # noqa: F401

    # Its thread has to end before anything is forked.
    faulthandler.cancel_dump_traceback_later()


def _serve_cell(cell: dict[str, Any], out: Path, stop: Path, memory: int) -> None:
    part = output_folder(out / f"{cell['name']}.part")
    deadline = time.monotonic() + cell["seconds"]
    commands = []
    for arguments in cell["commands"]:
        started = time.monotonic()
        child = _fork([*arguments, "--out", str(part)], part / LOG, memory)
        status = _await(child, deadline, stop)
        seconds = round(time.monotonic() - started, 3)
        commands.append({"verb": arguments[0], "status": status, "seconds": seconds})
        if status != 0:
            break
    write_json(part / SERVED, {"commands": commands})
    part.rename(out / cell["name"])


def _fork(arguments: Sequence[str], log: Path, memory: int) -> int:
    """Start one command in a child of its own; returns its process."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become(arguments, log, memory)
    with contextlib.suppress(OSError):  # The child does the same, and may be gone already.
        os.setpgid(child, child)
    return child


def _await(child: int, deadline: float, stop: Path) -> int:
    """A child's exit status, or the signal that ended it, negative.

    Raises Stopped when the batch is stopped meanwhile.
    """
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        late, stopped = time.monotonic() > deadline, stop.exists()
        if late or stopped:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            if stopped:
                raise Stopped
            return TIMED_OUT
        time.sleep(_BLINK)


def _become(arguments: Sequence[str], log: Path, memory: int) -> NoReturn:
    """In the child: run one verb with its output in the log, and end.

    Some emulators ignore a limit that a program sets for itself; there the engine's holds.
    """
    status = BROKEN
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = sys.stderr = os.fdopen(descriptor, "w", buffering=1, errors="backslashreplace")
        faulthandler.enable()
        from zport_agent.cli import main

        status = main(arguments)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
