"""Git repositories on the local disk, and what the tests do with them."""

import os
import subprocess
import tarfile
from pathlib import Path

from zport.sources import git
from zport.sources.git import GitArchive

TIME = 1_700_000_000


def run(folder: Path, *command: object, **environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    facts = {"NAME": "T", "EMAIL": "t@example.org", "DATE": f"{TIME} +0100"}
    who = {f"GIT_{one}_{k}": v for one in ("AUTHOR", "COMMITTER") for k, v in facts.items()}
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *map(str, command)], cwd=folder,
        env={**kept, **who, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    run(folder, "init", "--quiet", "--initial-branch=main", ".")
    commit(folder, files)
    return folder


def commit(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    run(folder, "add", "--all")
    run(folder, "commit", "--quiet", "--message=change")
    return run(folder, "rev-parse", "HEAD")


def head(folder: Path, name: str = "HEAD") -> str:
    return run(folder, "rev-parse", name)


def archive_of(folder: Path | str, commit: str, *, submodules: bool = False) -> GitArchive:
    url = folder.as_uri() if isinstance(folder, Path) else folder
    return GitArchive(url, commit, submodules, "leaf-1.0.tar", "0" * 64)


def packed(workspace, archive: GitArchive, tmp_path: Path) -> Path:
    path = tmp_path / "packed/leaf.tar"
    git.pack(workspace, archive, path)
    return path


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def content(path: Path, name: str) -> bytes:
    with tarfile.open(path) as tar:
        file = tar.extractfile(f"leaf-1.0/{name}")
        assert file is not None
        return file.read()
