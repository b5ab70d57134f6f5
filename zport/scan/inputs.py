"""Inputs: which kind of file each one is, and the set of requirements that it holds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from zport.definitions import shown
from zport.errors import DefinitionError, UsageError
from zport.scan.locks import read_poetry_lock, read_pylock, read_uv_lock
from zport.scan.manifests import named, read_dockerfile, read_environment, read_pyproject
from zport.scan.model import Lock, Loose
from zport.scan.requirement_files import read_requirements

KINDS = (
    "requirements.txt, pyproject.toml, uv.lock, poetry.lock, pylock.toml, environment.yml, "
    "Dockerfile, or names of packages"
)
READERS: tuple[tuple[str, Callable[[Path, Sequence[str]], Lock | Loose]], ...] = (
    (r"^uv\.lock$", read_uv_lock),
    (r"^poetry\.lock$", lambda path, _: read_poetry_lock(path)),
    (r"^pylock(\..+)?\.toml$", lambda path, _: read_pylock(path)),
    (r"\.toml$", read_pyproject),
    (r"\.ya?ml$", lambda path, _: read_environment(path)),
    (r"(^|\.)(?i:docker|container)file(\.|$)", lambda path, _: read_dockerfile(path)),
)
"""Readers by the file's name; every other file is one of requirements."""
LARGEST = 64 << 20
"""Bytes that an input may have: no lock comes near it."""


def read_inputs(
    arguments: Sequence[str], extras: Sequence[str] = (), *, complete: bool = False
) -> Lock | Loose:
    """The requirements that the arguments name: one lock, or loose ones from several places.

    Raises :class:`UsageError` for arguments that do not go together, and what reading them raises.
    """
    if not arguments:
        raise UsageError("nothing to scan", where="zport scan", next_step=f"name a {KINDS}")
    files = [text for text in arguments if is_file(text)]
    names = [text for text in arguments if text not in files]
    read = [read_file(Path(text), extras, complete=complete) for text in files]
    if extras and not any(Path(text).name in ("pyproject.toml", "uv.lock") for text in files):
        raise UsageError("--extra is for pyproject.toml and uv.lock", where="--extra",
                         next_step="write NAME[EXTRA] for other requirements")  # fmt: skip
    if names:
        read.append(named(names))
    if len(read) == 1:
        return read[0]
    loose = [one for one in read if isinstance(one, Loose)]
    if len(loose) < len(read):
        raise UsageError("a lock stands alone: it says all that is installed",
                         where=" ".join(arguments), next_step="scan it by itself")  # fmt: skip
    return Loose(
        " ".join(one.title for one in loose),
        *(tuple(text for one in loose for text in getattr(one, field))
          for field in ("requirements", "constraints", "outside", "notes")),
    )  # fmt: skip


def is_file(text: str) -> bool:
    """Whether an argument means a file: it is there, or cannot be a requirement."""
    # Not pathlib's: a name that is too long is no file either.
    return os.path.exists(text) or bool(  # noqa: PTH110
        re.search(r"[/\\]|\.(txt|toml|lock|ya?ml|in|cfg)$|Dockerfile|Containerfile", text)
        and "@" not in text
    )


def read_file(path: Path, extras: Sequence[str], *, complete: bool = False) -> Lock | Loose:
    """The requirements of one file, read as its name says."""
    _check(path)
    for pattern, read in READERS:
        if re.search(pattern, path.name):
            try:
                return read(path, extras)
            except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
                # A table where a list should be, or the other way round: no format checks all.
                raise DefinitionError(
                    f"its tables are not those of a lock or project: {error}",
                    where=path,
                    next_step="write it again with the tool that made it",
                ) from error
    return read_requirements(path, complete=complete)


def _check(path: Path) -> None:
    if not os.path.exists(path):  # noqa: PTH110 - as above
        raise UsageError(
            f"no such file: {shown(str(path))}", where="zport scan", next_step=f"name a {KINDS}"
        )
    if path.is_dir():
        held = [
            one.name
            for one in sorted(path.iterdir())
            if re.search(r"\.lock$|^requirements.*\.txt$|^py(lock|project).*\.toml$", one.name)
        ]
        hint = f"such as {path / held[0]}" if held else f"a {KINDS}"
        raise UsageError(
            f"{path} is a folder", where="zport scan", next_step=f"name a file: {hint}"
        )
    if path.stat().st_size > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST >> 20} MB", where="zport scan",
                         next_step="name a file that lists packages")  # fmt: skip
