"""What a container wrote, taken over by the host: folders and plain files, and nothing else.

The code in a container chooses what it leaves behind. A link there would have the host read or
write what the link names, a pipe would have it wait for ever.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from zport.engines import Mount
from zport.errors import DefinitionError


def take_over(written: Path, folder: Path) -> None:
    """Move the content of a folder that a container wrote into one that no container sees.

    What is neither a plain file nor a folder is removed. A link in place of the folder gives
    nothing.
    """
    # A rename moves a link itself, and what is here now no container changes any more.
    moved = written.rename(folder / ".written")
    if not stat.S_ISDIR(moved.lstat().st_mode):
        moved.unlink()
        return
    keep_plain(moved)
    for path in moved.iterdir():
        path.rename(folder / path.name)
    moved.rmdir()


def keep_plain(folder: Path) -> list[str]:
    """Remove what is neither a plain file nor a folder, at any depth; returns what it was."""
    removed = []
    for place, folders, files in os.walk(folder):
        for path in (Path(place) / name for name in (*folders, *files)):
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                path.unlink()
                removed.append(str(path.relative_to(folder)))
    return sorted(removed)


def keep_plain_in(mounts: Iterable[Mount]) -> None:
    """The same for all folders that a container could write to, once it has ended."""
    for mount in mounts:
        if mount.writable:
            keep_plain(mount.source)


def require_inside(folder: Path, name: str, *, where: Path) -> None:
    """Raise :class:`DefinitionError` for a file that a definition names and that lies, links
    followed, outside the definition's folder."""
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise DefinitionError(
            f"{name} leads out of the folder {folder.name}",
            where=where,
            next_step="put the file itself there",
        )
