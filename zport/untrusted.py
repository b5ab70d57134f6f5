"""What a container wrote, taken over by the host: folders and plain files, and nothing else.

The code in a container chooses what it leaves behind. A link there would have the host read or
write what the link names, a pipe would have it wait for ever.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

from zport.engines import Mount


def take_over(written: Path, folder: Path, files: Collection[str] = ()) -> None:
    """Move the content of a folder that a container wrote into one that no container sees.

    What is neither a plain file nor a folder is removed, and so is a folder that has the name of
    one of ``files``. A link in place of the folder gives nothing.
    """
    # A rename moves a link itself, and what is here now no container changes any more. Beside the
    # folder no name in it can be this one.
    moved = written.rename(folder.with_name(f"{folder.name}.written"))
    if not stat.S_ISDIR(moved.lstat().st_mode):
        moved.unlink()
        return
    keep_plain(moved)
    for path in moved.iterdir():
        if path.name in files and path.is_dir():
            _remove(path)
        else:
            path.rename(folder / path.name)
    moved.rmdir()


def keep_plain(folder: Path) -> list[str]:
    """Remove what is neither a plain file nor a folder, at any depth; returns what it was.

    A folder that is too deep to be looked through is removed whole.
    """
    removed = []
    for path in folder.iterdir():
        try:
            removed += _keep_plain(path)
        except (OSError, RecursionError):
            _remove(path)
            removed.append(path)
    return sorted(str(path.relative_to(folder)) for path in removed)


def _keep_plain(top: Path) -> list[Path]:
    mode = top.lstat().st_mode
    if not stat.S_ISDIR(mode):
        if not stat.S_ISREG(mode):
            top.unlink()
            return [top]
        return []
    with os.scandir(top) as entries:
        inside = [Path(entry.path) for entry in entries]
    return [removed for path in inside for removed in _keep_plain(path)]


def _remove(path: Path) -> None:
    # Python's own gives up where rm goes on: at long paths, and at a thousand folders.
    subprocess.run(["rm", "-rf", "--", path], check=True)


def keep_plain_in(mounts: Iterable[Mount]) -> None:
    """The same for all folders that a container could write to, once it has ended."""
    for mount in mounts:
        if mount.writable:
            keep_plain(mount.source)
