"""Files that stand where a text should be and cannot be read as one."""

from pathlib import Path

UNREADABLE = {
    "absent": r"cannot read it: no such file|the lock is missing",
    "a folder": r"cannot read it: is a directory",
    "a ring of links": r"cannot read it: too many levels of symbolic links \(it is a link\)",
    "a dangling link": r"no such file or directory \(it is a link\)|the lock is missing",
    "no text": r"not UTF-8 text: byte 0 is 0xff",
}
"""What is in the file's place, and what is said of it."""


def put_unreadable(path: Path, kind: str) -> tuple[Path, str]:
    """Put it there; the path, and a pattern of what has to be said."""
    path.unlink(missing_ok=True)
    if kind == "a folder":
        path.mkdir()
    elif kind == "a ring of links":
        path.symlink_to(path.name)
    elif kind == "a dangling link":
        path.symlink_to("nowhere")
    elif kind == "no text":
        path.write_bytes(b"\xff\xfe\0")
    return path, UNREADABLE[kind]
