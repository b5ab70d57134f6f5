"""Commits of git repositories, packed as tar archives whose bytes depend on the commit alone.

Each repository has a bare copy in the build folder. A commit is in it under a reference of its
own, which git writes last: a fetch that was killed leaves no reference, and the next run fetches
again. Git takes none of the user's configuration but what says how to reach a server.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zport.errors import FetchError, HostError, ZportError
from zport.sources.git_tree import Entry, Trees, broken, read_tree, resolve_url, run_git
from zport.workspace import Workspace, digest, disk_error, make_folder, part_folder

ATTEMPTS = 4
REACHING = re.compile(
    r"url\..+\.insteadof|safe\.directory"
    r"|http\.(.+\.)?(proxy|proxyauthmethod|proxyssl\w+|sslcainfo|sslcapath|sslbackend)",
    re.IGNORECASE | re.DOTALL,
)
"""The keys of the user's configuration that count: rewritten URLs, proxies, their certificates."""
REACHING_ENVIRONMENT = {
    "GIT_EXEC_PATH", "GIT_HTTP_PROXY_AUTHMETHOD", "GIT_PROXY_SSL_CAINFO", "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
}  # fmt: skip
SETTINGS = (
    ("core.hooksPath", "/dev/null"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    # One pack, moved into place whole, however few objects there are.
    ("fetch.unpackLimit", "1"),
    # A connection that has died ends, as it does for other downloads.
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
)
FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
REFUSED = re.compile(r"unadvertised object|dumb http|not support shallow|shallow capabilities")
"""What git says where a server does not give single commits."""
ABSENT = re.compile(r"not our ref|no such remote ref|couldn't find remote ref")
LASTING = re.compile(
    r"(?i)not found|could not read|authentication|denied|not appear to be a git repo|not exist"
    r"|dubious ownership|transport .* not allowed|no space left"
)
"""Failures that another try does not mend."""


@dataclass(frozen=True)
class GitArchive:
    """A commit as an uncompressed tar archive, pinned twice: by the commit and by SHA-256.

    The files lie in one folder, named as ``filename`` without its ``.tar``. ``submodules`` says
    whether those of the tree are in it, all the way down; without, their folders are empty. Files
    are as the repository stores them: no line ends converted, pointers of LFS left as they are.
    """

    url: str
    commit: str
    submodules: bool
    filename: str
    sha256: str

    def __str__(self) -> str:
        return f"git:{self.url} {self.commit}"


def pack(workspace: Workspace, archive: GitArchive, path: Path) -> None:
    """Fetch a commit, and write it to ``path`` as a tar archive.

    Names are sorted, the owner is root (0), the time is the commit's, modes are 0644 and 0755, the
    format is GNU's: the same commit gives the same bytes, whatever git is installed.

    Raises :class:`HostError` when git is missing or the disk is full, :class:`FetchError` when a
    repository or commit cannot be had, or the tree has names that no folder should be given.
    """
    if shutil.which("git") is None:
        raise HostError("git is not installed", where=str(archive),
                        next_step="apt-get install git")  # fmt: skip
    make_folder(path.parent)
    with _environment(workspace) as environment, Trees(environment) as trees:
        repository = fetch(workspace, archive.url, archive.commit, environment)
        entries = _entries(workspace, archive, environment)
        shown = run_git(["show", "-s", "--format=%ct", archive.commit], repository, environment)
        if shown.returncode != 0:
            raise broken(repository, shown.stderr)
        try:
            with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="utf-8",
                              errors="surrogateescape") as tar:  # fmt: skip
                for entry in sorted(entries, key=lambda entry: entry.path):
                    trees.add(tar, archive.filename.removesuffix(".tar"), entry, int(shown.stdout))
        except OSError as error:
            raise disk_error(error, path) from error


def _entries(
    workspace: Workspace, archive: GitArchive, environment: dict[str, str]
) -> Iterator[Entry]:
    """The files of the commit and, if they are asked for, of its submodules."""
    todo = [(archive.url, archive.commit, b"")]
    while todo:
        url, commit, under = todo.pop()
        repository = fetch(workspace, url, commit, environment)
        tree = read_tree(repository, commit, under, environment, str(archive))
        for entry in tree.entries:
            if entry.is_submodule and archive.submodules:
                where = f"{archive}: {entry.path.decode(errors='replace')}"
                inner = resolve_url(url, tree.url_of(entry, where), where)
                todo.append((inner, entry.oid, entry.path + b"/"))
            else:
                yield entry


def fetch(workspace: Workspace, url: str, commit: str, environment: dict[str, str]) -> Path:
    """The bare repository that has the commit with all its files; its history may be short.

    Raises :class:`FetchError` with git's own reason after the last attempt.
    """
    name = digest(url)[:16]
    repository = workspace.root / "git" / f"{name}.git"
    reference = f"refs/zport/{commit}"
    with workspace.exclusive(f"git-{name}"):
        if not repository.exists():
            _make(repository, environment)
        found = _commit_of(repository, reference, environment)
        if not found:
            _remove_leftovers(repository)
            _bring(repository, url, commit, environment)
            found = _commit_of(repository, reference, environment)
    if found != commit:
        raise FetchError(
            f"{commit} is no commit" + (f" but a tag of {found}" if found else ""),
            where=f"git:{url}",
            next_step="pin the commit itself",
        )
    return repository


def _make(repository: Path, environment: dict[str, str]) -> None:
    """An empty bare repository, in the place of what was there."""
    with part_folder(repository) as part:
        command = ["init", "--bare", "--quiet", "--template=", str(part)]
        made = run_git(command, None, environment)
        if made.returncode != 0:
            raise _failure(made.stderr.decode(errors="replace"), repository, str(repository))


def _commit_of(repository: Path, reference: str, environment: dict[str, str]) -> str:
    """The commit that a reference leads to, or nothing."""
    command = ["rev-parse", "--quiet", "--verify", f"{reference}^{{commit}}"]
    return run_git(command, repository, environment).stdout.decode().strip()


def _remove_leftovers(repository: Path) -> None:
    """Remove what a killed git left: its locks hold the next one off, its parts only take room.

    The caller holds the repository alone, so no living git has these.
    """
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*"):
        for left in repository.glob(pattern):
            left.unlink(missing_ok=True)


def _bring(repository: Path, url: str, commit: str, environment: dict[str, str]) -> None:
    """Fetch one commit: alone where the server gives it so, else with all branches and tags."""
    where = f"git:{url} {commit}"
    reference = f"refs/zport/{commit}"
    said = _fetch(["--depth=1", "--", url, f"+{commit}:{reference}"], repository, environment)
    if said and REFUSED.search(said):
        if (repository / "shallow").exists():
            # Commits that once came alone: such a server cannot fill the gaps between them.
            _make(repository, environment)
        refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        said = _fetch(["--", url, *refs], repository, environment)
        if not said:
            marked = run_git(["update-ref", reference, commit], repository, environment)
            said = "not our ref" if marked.returncode else ""
    if said:
        raise _failure(said, repository, where)


def _fetch(what: Sequence[str], repository: Path, environment: dict[str, str]) -> str:
    """Run git's fetch, again after a failure that may pass; returns what it said if it failed."""
    said = ""
    for attempt in range(ATTEMPTS):
        time.sleep((2**attempt - 1) / 2)
        done = run_git([*FETCH, *what], repository, environment)
        if done.returncode == 0:
            return ""
        said = done.stderr.decode(errors="replace") or "no reason given"
        if any(pattern.search(said) for pattern in (REFUSED, ABSENT, LASTING)):
            break
    return said


def _failure(said: str, repository: Path, where: str) -> ZportError:
    if "no space left" in said.lower():
        return HostError(
            "the disk is full",
            where=repository,
            next_step="free space on that disk, then run the same command again",
        )
    if ABSENT.search(said):
        return FetchError(
            "the repository has no such commit",
            where=where,
            next_step="check the pinned commit and the URL",
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.lower().startswith(("fatal:", "error:"))]
    return FetchError(
        f"git cannot fetch: {(telling or lines)[0]}",
        where=where,
        next_step="check the URL, the network and the proxies; "
        "a repository that asks for a password is not fetched",
    )


@contextmanager
def _environment(workspace: Workspace) -> Iterator[dict[str, str]]:
    """What git runs in: no prompt, no hooks, no configuration but what reaches servers."""
    folder = make_folder(workspace.root / "git")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".config.") as name:
        config = Path(name) / "config"
        environment = {
            **{key: value for key, value in os.environ.items() if _is_kept(key)},
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        for key, value in [*SETTINGS, *_reaching()]:
            written = run_git(["config", "--file", str(config), "--add", key, value], None,
                              environment)  # fmt: skip
            if written.returncode != 0:
                raise _failure(written.stderr.decode(errors="replace"), config, "git config")
        yield environment


def _is_kept(key: str) -> bool:
    return key in REACHING_ENVIRONMENT or not key.startswith(("GIT_", "SSH_ASKPASS"))


def _reaching() -> list[tuple[str, str]]:
    """The user's settings that say how servers are reached."""
    # The settings of a repository that the environment names are not the user's.
    outside = {k: v for k, v in os.environ.items() if k not in ("GIT_DIR", "GIT_WORK_TREE")}
    listed = subprocess.run(
        ["git", "config", "--list", "--null", "--includes"],
        cwd="/", env=outside, capture_output=True, check=False,
    )  # fmt: skip
    pairs = (item.partition("\n") for item in listed.stdout.decode(errors="replace").split("\0"))
    return [(key, value) for key, _, value in pairs if REACHING.fullmatch(key)]
