"""Trees of git commits: their files, their submodules, and how they go into a tar archive."""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from zport.engines.process import DIE_WITH_PARENT
from zport.errors import FetchError

URL = re.compile(
    r"(https?|ssh|git)://[^\s/-][^\s/]*/\S+|file:///\S+|\w[\w.+-]*@\w[\w.-]*:[^:\s]\S*"
)
"""Where a submodule may come from: a URL, or ssh's short form. No helper that runs a command."""
LINK, SUBMODULE = "120000", "160000"
EXECUTABLE = 0o100


@dataclass(frozen=True)
class Entry:
    """A file, a link or a submodule of a tree. ``mode`` is git's, ``path`` goes from the top."""

    path: bytes
    mode: str
    oid: str
    repository: Path

    @property
    def is_submodule(self) -> bool:
        return self.mode == SUBMODULE


@dataclass(frozen=True)
class Tree:
    """The entries of a commit, and the URLs of its submodules by their paths from the top."""

    entries: tuple[Entry, ...]
    submodules: dict[bytes, str]

    def url_of(self, entry: Entry, where: str) -> str:
        """What ``.gitmodules`` says. Raises :class:`FetchError` when it says nothing."""
        if entry.path not in self.submodules:
            raise FetchError("the submodule has no URL in .gitmodules", where=where,
                             next_step="pin another commit, or leave submodules out")  # fmt: skip
        return self.submodules[entry.path]


def run_git(
    command: Sequence[str], repository: Path | None, environment: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run git, in a repository or outside of any; it ends when zport does."""
    return subprocess.run(
        [*DIE_WITH_PARENT, *git_command(command, repository)], cwd="/", env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip


def git_command(command: Sequence[str], repository: Path | None) -> list[str]:
    """The command line of git. The repository is named, so none is looked for."""
    return ["git", *([] if repository is None else [f"--git-dir={repository}"]), *command]


def read_tree(
    repository: Path, commit: str, under: bytes, environment: dict[str, str], where: str
) -> Tree:
    """The tree of a commit, with ``under`` before its paths.

    Raises :class:`FetchError` when it cannot be read, or has a name that leaves the folder.
    """
    listed = run_git(["ls-tree", "-r", "-z", "--full-tree", commit], repository, environment)
    if listed.returncode != 0:
        raise broken(repository, listed.stderr)
    entries = []
    for line in listed.stdout.split(b"\0")[:-1]:
        about, _, path = line.partition(b"\t")
        mode, _, oid = about.decode().split(" ")
        if any(part in (b"", b".", b"..") or part.lower() == b".git" for part in path.split(b"/")):
            raise FetchError(f"the tree has a file named {path!r}", where=where,
                             next_step="do not use this commit")  # fmt: skip
        entries.append(Entry(under + path, mode, oid, repository))
    submodules = {}
    if any(entry.is_submodule for entry in entries):
        submodules = _submodules(repository, commit, environment)
    return Tree(tuple(entries), {under + path: url for path, url in submodules.items()})


def _submodules(repository: Path, commit: str, environment: dict[str, str]) -> dict[bytes, str]:
    blob = ["config", "--blob", f"{commit}:.gitmodules", "--null", "--list"]
    named: dict[bytes, dict[bytes, bytes]] = {}
    for setting in run_git(blob, repository, environment).stdout.split(b"\0"):
        key, _, value = setting.partition(b"\n")
        name, _, field = key.rpartition(b".")
        named.setdefault(name, {})[field] = value
    return {
        fields[b"path"].rstrip(b"/"): fields[b"url"].decode(errors="replace")
        for fields in named.values()
        if {b"path", b"url"} <= fields.keys()
    }


def resolve_url(parent: str, url: str, where: str) -> str:
    """The URL of a submodule; a relative one goes from its parent's, as git does it.

    Raises :class:`FetchError` for one that is not fetched: a local path where the parent is remote,
    a helper that would run a command, more ``..`` than the parent has folders.
    """
    resolved = url
    if url.startswith(("./", "../")):
        resolved = parent.rstrip("/")
        while url.startswith(("./", "../")):
            step, _, url = url.partition("/")
            if step == "..":
                resolved = resolved.rpartition("/")[0]
        resolved = f"{resolved}/{url}".rstrip("/")
    local = resolved.startswith("file:")
    if not URL.fullmatch(resolved) or (local and not parent.startswith("file:")):
        raise FetchError(f"submodules are not fetched from {resolved!r}", where=where,
                         next_step="pin another commit, or leave submodules out")  # fmt: skip
    return resolved


class Trees:
    """Reads the files of trees out of any number of repositories, one git for each."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._readers: dict[Path, subprocess.Popen[bytes]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A reader may stand in the middle of a file when something failed.
        for reader in self._readers.values():
            reader.kill()
        self._open.close()

    def add(self, tar: tarfile.TarFile, top: str, entry: Entry, seconds: int) -> None:
        """Write an entry into the archive, under the folder ``top``, with that time.

        Raises :class:`FetchError` when the repository does not have its content.
        """
        info = tarfile.TarInfo(f"{top}/{entry.path.decode('utf-8', 'surrogateescape')}")
        info.mtime = seconds
        info.mode = 0o755 if int(entry.mode, 8) & EXECUTABLE else 0o644
        if entry.is_submodule:
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
            return
        size, content = self._content(entry)
        if entry.mode == LINK:
            info.type, info.mode = tarfile.SYMTYPE, 0o777
            info.linkname = content.read(size).decode("utf-8", "surrogateescape")
            tar.addfile(info)
        else:
            info.size = size
            tar.addfile(info, content)
        content.read(1)  # the line end after every object

    def _content(self, entry: Entry) -> tuple[int, Content]:
        reader = self._reader(entry.repository)
        assert reader.stdin is not None
        assert reader.stdout is not None
        try:
            reader.stdin.write(f"{entry.oid}\n".encode())
            reader.stdin.flush()
        except BrokenPipeError as error:
            raise broken(entry.repository, b"") from error
        answer = reader.stdout.readline().split()
        if len(answer) != 3 or answer[1] != b"blob":
            raise broken(entry.repository, b" ".join(answer))
        return int(answer[2]), Content(reader.stdout, entry.repository)

    def _reader(self, repository: Path) -> subprocess.Popen[bytes]:
        if repository not in self._readers:
            command = [*DIE_WITH_PARENT, *git_command(["cat-file", "--batch"], repository)]
            self._readers[repository] = self._open.enter_context(
                subprocess.Popen(
                    command, cwd="/", env=self.environment, stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                )
            )  # fmt: skip
        return self._readers[repository]


@dataclass(frozen=True)
class Content:
    """What git writes, whole: a file that ends early is an error of the repository."""

    stream: IO[bytes]
    repository: Path

    def read(self, size: int = 0, /) -> bytes:
        """Exactly that many bytes. Raises :class:`FetchError` when there are fewer."""
        data = self.stream.read(size)
        if len(data) < size:
            raise broken(self.repository, b"")
        return data


def broken(repository: Path, said: bytes) -> FetchError:
    """The clear form of a repository of the build folder that git cannot read."""
    reason = said.decode(errors="replace").strip().splitlines() or ["it ends early"]
    return FetchError(
        f"the fetched repository cannot be read: {reason[0]}",
        where=repository,
        next_step="remove that folder, then run the same command again",
    )
