"""What the agent writes: whole, or not at all."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from zport_agent.errors import UsageError


def output_folder(path: Path, *stale: str) -> Path:
    """Make the folder, and remove what an earlier run left there under the names ``stale``.

    A run that fails must not leave the last run's result to be taken for its own.
    Raises UsageError when the folder cannot be made or changed.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (path / name).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}; name a folder to write to") from None
    return path


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises UsageError when the folder refuses it."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        # mkstemp makes private files; results are for the user who mounted the folder.
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def write_json(path: Path, value: Any) -> None:
    """Write JSON (strict: no NaN) in ASCII, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())
