"""Commits as archives: from real repositories on the local disk, over git's own protocols."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from repositories import TIME, archive_of, commit, content, head, names, packed, repository, run

from zport.errors import ChecksumError, FetchError, HostError
from zport.sources import git
from zport.sources.fetch import Fetcher
from zport.sources.git import GitArchive
from zport.sources.pypi import Index

ABSENT = "1" * 40

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
    pytest.mark.usefixtures("home"),
]


@pytest.fixture(autouse=True)
def naps(monkeypatch):
    """The pauses between tries, noted and not slept."""
    slept: list[float] = []
    monkeypatch.setattr(git, "time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def leaf(tmp_path):
    """A repository with every kind of file, and a later commit."""
    folder = tmp_path / "leaf"
    folder.mkdir()
    (folder / "link").symlink_to("src/a.c")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o775)
    shutil.move(folder, tmp_path / "made")
    repository(folder, {"src/a.c": b"int a;\r\n", "src-old": b"", "data.bin": bytes(range(256)),
                        ".gitattributes": b"* text=auto eol=lf\nsrc export-ignore\n*.h ident\n",
                        "id.h": b"$Id$\n", "long/" + "x" * 150: b"long"})  # fmt: skip
    for path in (tmp_path / "made").iterdir():
        shutil.move(path, folder)
    run(folder, "add", "--all")
    run(folder, "commit", "--quiet", "--amend", "--no-edit")
    run(folder, "tag", "--annotate", "--message=one", "v1")
    return folder


def test_a_commit_is_packed_as_it_is_stored(workspace, leaf, tmp_path):
    path = packed(workspace, archive_of(leaf, head(leaf)), tmp_path)
    with tarfile.open(path) as tar:
        members = {member.name.removeprefix("leaf-1.0/"): member for member in tar}
    assert list(members) == sorted(members)
    assert {"src/a.c", "src-old", "long/" + "x" * 150} <= members.keys()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members.values()} == {
        (0, 0, "", "", TIME)
    }
    assert (members["run"].mode, members["src/a.c"].mode) == (0o755, 0o644)
    assert (members["link"].issym(), members["link"].linkname) == (True, "src/a.c")
    stored = subprocess.run(["git", "show", "HEAD:src/a.c"], cwd=leaf, capture_output=True,
                            check=True).stdout  # fmt: skip
    assert content(path, "src/a.c") == stored
    assert content(path, "id.h") == b"$Id$\n"
    assert content(path, "data.bin") == bytes(range(256))


def test_the_bytes_of_an_archive_do_not_change(workspace, tmp_path):
    """The hash is written down here: recipes pin it, so no release may make other bytes."""
    folder = repository(tmp_path / "still", {"a/b.txt": b"b\n", "z": b"", "a.txt": b"a\n"})
    archive = archive_of(folder, head(folder))
    found = hashlib.sha256(packed(workspace, archive, tmp_path).read_bytes()).hexdigest()
    assert found == "5e4b0d67e376f2d2c4e3a2b8f985b0199e9157e5a1f08d2d84b6341acf98b764"


def test_a_fetched_commit_is_pinned_and_kept(workspace, leaf, tmp_path):
    archive = archive_of(leaf, head(leaf))
    fetcher = Fetcher(workspace, Index())
    with pytest.raises(ChecksumError) as caught:
        fetcher.file(archive)
    assert archive.commit in str(caught.value)
    assert not list(workspace.cache.rglob("*.part"))
    sha256 = hashlib.sha256(packed(workspace, archive, tmp_path).read_bytes()).hexdigest()
    pinned = GitArchive(archive.url, archive.commit, False, archive.filename, sha256)
    shutil.rmtree(leaf)
    path = fetcher.file(pinned)
    shutil.rmtree(workspace.root / "git")
    assert fetcher.file(pinned) == path


def test_a_half_written_archive_is_not_taken_for_whole(workspace, leaf, tmp_path):
    archive = archive_of(leaf, head(leaf))
    sha256 = hashlib.sha256(packed(workspace, archive, tmp_path).read_bytes()).hexdigest()
    fetcher = Fetcher(workspace, Index())
    part = fetcher.cached(sha256).with_name(f"{sha256}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 100_000)
    pinned = GitArchive(archive.url, archive.commit, False, archive.filename, sha256)
    assert hashlib.sha256(fetcher.file(pinned).read_bytes()).hexdigest() == sha256


def test_only_the_pinned_commit_is_fetched(workspace, leaf, tmp_path):
    first = head(leaf)
    second = commit(leaf, {"new": b"new"})
    path = packed(workspace, archive_of(leaf, second), tmp_path)
    assert "leaf-1.0/new" in names(path)
    copy = next((workspace.root / "git").glob("*.git"))
    assert run(copy, "rev-list", "--all") == second
    assert "leaf-1.0/new" not in names(packed(workspace, archive_of(leaf, first), tmp_path))
    assert len(list((workspace.root / "git").glob("*.git"))) == 1


def served_dumb(server, folder: Path) -> str:
    """The repository as files of a web server that knows nothing of git: no single commits."""
    bare = folder.with_suffix(".git")
    run(folder.parent, "clone", "--quiet", "--bare", folder, bare)
    run(bare, "update-server-info")
    for path in (path for path in bare.rglob("*") if path.is_file()):
        name = f"/leaf.git/{path.relative_to(bare)}"
        server.files[name] = path.read_bytes()
    server.files["/leaf.git/info/refs?service=git-upload-pack"] = server.files[
        "/leaf.git/info/refs"
    ]
    return server.url("/leaf.git")


def test_a_server_without_single_commits_gives_all(workspace, leaf, tmp_path, server):
    first = head(leaf)
    second = commit(leaf, {"new": b"new"})
    url = served_dumb(server, leaf)
    assert "leaf-1.0/new" not in names(packed(workspace, archive_of(url, first), tmp_path))
    assert "leaf-1.0/new" in names(packed(workspace, archive_of(url, second), tmp_path))
    with pytest.raises(FetchError, match="no such commit"):
        packed(workspace, archive_of(url, ABSENT), tmp_path)


def test_a_copy_of_single_commits_does_not_stop_a_fetch_of_all(workspace, leaf, tmp_path, server):
    """The server gave a single commit once, and does not any more."""
    first = head(leaf)
    second = commit(leaf, {"new": b"new"})
    url = served_dumb(server, leaf)
    copy = workspace.root / "git" / f"{git.digest(url)[:16]}.git"
    copy.mkdir(parents=True)
    run(copy, "init", "--quiet", "--bare", ".")
    run(copy, "fetch", "--quiet", "--depth=1", leaf.as_uri(), f"{second}:refs/zport/{second}")
    assert "leaf-1.0/new" not in names(packed(workspace, archive_of(url, first), tmp_path))
    assert "leaf-1.0/new" in names(packed(workspace, archive_of(url, second), tmp_path))


def test_a_commit_that_is_not_there_is_told(workspace, leaf, tmp_path, naps):
    with pytest.raises(FetchError, match="no such commit") as caught:
        packed(workspace, archive_of(leaf, ABSENT), tmp_path)
    assert ABSENT in str(caught.value)
    assert len(naps) == 1


def test_a_tag_in_a_commits_place_is_told_with_its_commit(workspace, leaf, tmp_path):
    with pytest.raises(FetchError, match=f"tag of {head(leaf)}"):
        packed(workspace, archive_of(leaf, head(leaf, "v1")), tmp_path)


def test_a_tree_in_a_commits_place_is_refused(workspace, leaf, tmp_path):
    with pytest.raises(FetchError):
        packed(workspace, archive_of(leaf, head(leaf, "HEAD^{tree}")), tmp_path)


def test_a_repository_that_is_not_there_is_told(workspace, tmp_path, naps):
    with pytest.raises(FetchError, match="not appear to be a git repository"):
        packed(workspace, archive_of(tmp_path / "gone", ABSENT), tmp_path)
    assert len(naps) == 1


def test_a_server_without_the_repository_is_told(workspace, tmp_path, server, naps):
    with pytest.raises(FetchError, match=r"git cannot fetch: .*not found"):
        packed(workspace, archive_of(server.url("/gone.git"), ABSENT), tmp_path)
    assert len(naps) == 1


def test_a_server_that_is_not_there_is_asked_again_and_told(workspace, tmp_path, server, naps):
    server.server_close()
    with pytest.raises(FetchError, match="git cannot fetch: fatal: unable to access"):
        packed(workspace, archive_of(server.url("/leaf.git"), ABSENT), tmp_path)
    assert len(naps) == git.ATTEMPTS
    assert naps == sorted(naps)


def test_a_server_that_asks_for_a_password_is_not_answered(workspace, tmp_path, server):
    def ask(handler, _):
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="x"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    path = "/leaf.git/info/refs?service=git-upload-pack"
    server.files[path] = b""
    server.script.extend([ask] * 9)
    with pytest.raises(FetchError, match="terminal prompts disabled"):
        packed(workspace, archive_of(server.url("/leaf.git"), ABSENT), tmp_path)


def test_missing_git_is_told_with_what_to_install(workspace, leaf, tmp_path, monkeypatch):
    archive = archive_of(leaf, head(leaf))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="git is not installed\nnext: apt-get install git"):
        packed(workspace, archive, tmp_path)


def test_a_full_disk_is_the_hosts_fault(workspace, leaf, tmp_path):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(HostError, match="No space left"):
        git.pack(workspace, archive_of(leaf, head(leaf)), full)


# Interrupted.


def test_what_a_killed_fetch_left_does_not_stop_the_next(workspace, leaf, tmp_path):
    packed(workspace, archive_of(leaf, head(leaf)), tmp_path)
    copy = next((workspace.root / "git").glob("*.git"))
    (copy / "shallow.lock").touch()
    (copy / "objects/pack/tmp_pack_x").write_bytes(b"half")
    second = commit(leaf, {"new": b"new"})
    (copy / f"refs/zport/{second}.lock").touch()
    assert "leaf-1.0/new" in names(packed(workspace, archive_of(leaf, second), tmp_path))
    assert not (copy / "objects/pack/tmp_pack_x").exists()


def test_a_commit_whose_fetch_did_not_end_is_fetched_again(workspace, leaf, tmp_path):
    """The commit's object is there, its files are not: only the reference tells."""
    archive = archive_of(leaf, head(leaf))
    copy = workspace.root / "git" / f"{git.digest(archive.url)[:16]}.git"
    copy.mkdir(parents=True)
    run(copy, "init", "--quiet", "--bare", ".")
    loose = run(leaf, "cat-file", "commit", "HEAD")
    raw = tmp_path / "raw"
    raw.write_text(loose + "\n")
    assert run(copy, "hash-object", "-t", "commit", "-w", "--literally", raw) == archive.commit
    assert "leaf-1.0/run" in names(packed(workspace, archive, tmp_path))


def test_a_run_that_is_killed_while_it_fetches_leaves_nothing_that_passes_for_whole(
    workspace, tmp_path
):
    folder = repository(tmp_path / "large", {f"f{i}": os.urandom(200_000) for i in range(60)})
    archive = archive_of(folder, head(folder))
    code = f"""
import sys
from pathlib import Path
from zport.sources.git import GitArchive, pack
from zport.workspace import Workspace
pack(Workspace(Path({str(workspace.root)!r})), {archive!r}, Path(sys.argv[1]))
"""
    copy = workspace.root / "git" / f"{git.digest(archive.url)[:16]}.git"
    for seconds in (0, 0.01, 0.03, 0.1):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "killed.tar")])
        while process.poll() is None and not copy.exists():
            time.sleep(0.002)
        time.sleep(seconds)
        process.kill()
        process.wait()
    assert len(names(packed(workspace, archive, tmp_path))) == 60


def test_a_damaged_copy_is_told(workspace, leaf, tmp_path):
    archive = archive_of(leaf, head(leaf))
    packed(workspace, archive, tmp_path)
    for pack in (workspace.root / "git").glob("*.git/objects/pack/*.pack"):
        data = bytearray(pack.read_bytes())
        data[20:-20] = bytes(len(data) - 40)
        pack.chmod(0o644)
        pack.write_bytes(data)
    with pytest.raises(FetchError):
        packed(workspace, archive, tmp_path)


# Configuration.


def test_the_users_rewritten_urls_count(workspace, leaf, tmp_path, home, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    (home / ".gitconfig").write_text(
        f'[url "{leaf.parent.as_uri()}/"]\n\tinsteadOf = https://git.example/\n'
    )
    path = packed(workspace, archive_of("https://git.example/leaf", head(leaf)), tmp_path)
    assert "leaf-1.0/run" in names(path)


def test_the_users_proxy_counts(workspace, tmp_path, home, server):
    (home / ".gitconfig").write_text(f"[http]\n\tproxy = {server.url('')}\n")
    with pytest.raises(FetchError):
        packed(workspace, archive_of("http://git.example/leaf", ABSENT), tmp_path)
    assert server.asked[0][0] == "http://git.example/leaf/info/refs?service=git-upload-pack"


def test_nothing_else_of_the_user_counts(workspace, leaf, tmp_path, home, monkeypatch):
    hooks = home / "hooks"
    hooks.mkdir()
    mark = tmp_path / "ran"
    for name in ("reference-transaction", "post-checkout", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n[fetch]\n\trecurseSubmodules = true\n"
        f"[init]\n\ttemplateDir = {home}\n[log]\n\tshowSignature = true\n"
    )
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath={hooks}'")
    archive = archive_of(leaf, head(leaf))
    assert "leaf-1.0/run" in names(packed(workspace, archive, tmp_path))
    assert not mark.exists()


def test_no_hook_is_run(workspace, leaf, tmp_path):
    packed(workspace, archive_of(leaf, head(leaf)), tmp_path)
    hook = next((workspace.root / "git").glob("*.git")) / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    packed(workspace, archive_of(leaf, commit(leaf, {"new": b"new"})), tmp_path)
    assert not (tmp_path / "ran").exists()
