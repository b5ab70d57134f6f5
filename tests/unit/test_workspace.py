"""Files and folders of the build folder are there whole or not at all."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zport import workspace as module
from zport.errors import HostError
from zport.workspace import (
    Workspace,
    digest,
    part_file,
    part_folder,
    read_json,
    sha256_file,
    write_json,
    write_whole,
)

PROJECT = Path(module.__file__).resolve().parents[1]


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process that has zport, and says things on its standard output."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=PROJECT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def fill(path: Path, text: str) -> None:
    (path / "file" if path.is_dir() else path).write_text(text)


def content(path: Path) -> str:
    return (path / "file" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("part", [part_file, part_folder])
def test_it_appears_when_the_block_ends(tmp_path, part):
    path = tmp_path / "new" / "thing"
    with part(path) as unfinished:
        fill(unfinished, "first")
        assert not path.exists()
    assert content(path) == "first"
    with part(path) as unfinished:
        fill(unfinished, "second")
        assert content(path) == "first"
    assert content(path) == "second"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("part", [part_file, part_folder])
@pytest.mark.parametrize("before", [False, True])
def test_a_failure_leaves_what_was_there(tmp_path, part, before):
    path = tmp_path / "thing"
    if before:
        with part(path) as unfinished:
            fill(unfinished, "first")
    with pytest.raises(ZeroDivisionError), part(path) as unfinished:
        fill(unfinished, "half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == ([path] if before else [])
    assert not before or content(path) == "first"


@pytest.mark.parametrize("kind", ["part_file", "part_folder"])
def test_a_killed_process_leaves_nothing_under_the_name(tmp_path, kind):
    path = tmp_path / "thing"
    process = start(
        "import sys, time; from pathlib import Path; from zport import workspace\n"
        "with getattr(workspace, sys.argv[1])(Path(sys.argv[2])) as part:\n"
        "    (part / 'file' if part.is_dir() else part).write_text('half')\n"
        "    print('writing', flush=True); time.sleep(60)\n",
        kind, path,
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert not path.exists()
    with getattr(module, kind)(path) as part:
        fill(part, "whole")
    assert content(path) == "whole"


def test_others_may_read_what_was_written(tmp_path):
    path = write_whole(tmp_path / "folder" / "file", "text")
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("part", [part_file, part_folder])
def test_a_place_that_cannot_be_written_is_the_hosts_fault(tmp_path, part):
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot write") as caught, part(tmp_path / "file" / "x"):
        pass
    assert "file" in str(caught.value)
    assert "free space" in str(caught.value)


@pytest.mark.parametrize("kind", ["pipe", "link", "broken link"])
def test_what_is_no_plain_file_is_not_replaced(tmp_path, kind):
    path, other = tmp_path / "path", tmp_path / "other"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(other)
    if kind == "link":
        other.write_text("before")
    with pytest.raises(HostError, match="not a plain file"):
        write_whole(path, "after")
    assert path.is_fifo() if kind == "pipe" else path.is_symlink()
    assert kind != "link" or other.read_text() == "before"


@pytest.mark.parametrize("part", [part_file, part_folder])
def test_a_folder_that_takes_nothing_is_the_hosts_fault(part):
    with pytest.raises(HostError, match="cannot write"), part(Path("/proc/thing")):
        pass


def test_a_full_disk_in_the_middle_is_the_hosts_fault(tmp_path):
    with pytest.raises(HostError, match="No space left"), part_file(tmp_path / "thing"):
        Path("/dev/full").write_text("x")
    assert list(tmp_path.iterdir()) == []


HOLD = (
    "import sys, time; from pathlib import Path; from zport.workspace import Workspace\n"
    "with Workspace(Path(sys.argv[1])).exclusive(sys.argv[2]):\n"
    "    print('holds', flush=True); sys.stdout.flush(); time.sleep(float(sys.argv[3]))\n"
    "    print(time.monotonic(), flush=True)\n"
)


def test_two_processes_hold_a_name_one_after_the_other(workspace: Workspace):
    with start(HOLD, workspace.root, "step", 0.3) as other:
        assert other.stdout.readline() == "holds\n"
        with workspace.exclusive("step"):
            mine = time.monotonic()
        assert float(other.stdout.readline()) <= mine


def test_another_name_is_free(workspace: Workspace):
    with start(HOLD, workspace.root, "step", 60) as other:
        assert other.stdout.readline() == "holds\n"
        with workspace.exclusive("another"):
            assert other.poll() is None
        other.kill()


def test_a_dead_process_holds_nothing(workspace: Workspace):
    with start(HOLD, workspace.root, "step", 60) as other:
        assert other.stdout.readline() == "holds\n"
        other.kill()
        other.wait(10)
        with workspace.exclusive("step"):
            pass


def test_the_digest_is_that_of_the_value():
    assert digest({"a": 1, "b": [2, 3]}) == digest({"b": [2, 3], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest("ä") == digest("\u00e4")


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_file(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("text", [None, "", "{", "\xff"])
def test_json_that_is_absent_or_broken_is_none(tmp_path, text):
    if text is not None:
        (tmp_path / "file").write_text(text, encoding="latin-1")
    assert read_json(tmp_path / "file") is None


def test_json_comes_back(tmp_path):
    value = {"b": [1, None], "a": "ä"}
    assert read_json(write_json(tmp_path / "x" / "file", value)) == value
