"""Another machine behind SSH, when its connections break: with an ssh that runs things here."""

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import pytest

from zport.errors import EngineError, UsageError
from zport.matrix.runners import Place, find_runner, openssh
from zport.matrix.runners.openssh import OpenSsh
from zport.matrix.runners.ssh import Ssh, _pack_folder
from zport.targets import TARGETS

SSH = """#!/bin/bash
# The last argument is the command. Connections break as often as `breaks` says, at commands that
# begin as `at` says: a file that is sent loses its end, a command its answer. Each machine has a
# home of its own.
command=${@: -1}
echo "$*" >>"$FAR/asked"
export HOME="$FAR/${@: -2:1}"
[[ $* == *"-O exit"* ]] && exit 0
left=$(cat "$FAR/breaks" 2>/dev/null || echo 0)
at=$(cat "$FAR/at" 2>/dev/null)
if ((left > 0)) && [[ $command == "$at"* ]]; then
    echo $((left - 1)) >"$FAR/breaks"
    [[ $command == dd* ]] && head -c 1000 | sh -c "$command"
    echo "Connection reset by peer" >&2
    exit 255
fi
exec sh -c "$command"
"""

PODMAN = """#!/bin/sh
# Its store is a file with the layers of the one image that it may have.
case "$1" in
image) cat "$HOME/store" 2>/dev/null ;;
load) cat >"$HOME/store" ;;
esac
"""


@pytest.fixture
def far(tmp_path, monkeypatch):
    """A folder that is the other machine."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, script in (("ssh", SSH), ("podman", PODMAN)):
        program = bin_folder / name
        program.write_text(script)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    folder = tmp_path / "far"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAR", str(folder))
    monkeypatch.setattr(openssh, "PAUSE", 0.01)
    return folder


@pytest.fixture
def machine(far):
    machine = OpenSsh("ssh://someone@z:2222")
    machine.ask("true")
    yield machine
    machine.close()


def breaks(far, times, at=""):
    (far / "at").write_text(at)
    (far / "breaks").write_text(str(times))


def test_a_file_that_is_cut_is_taken_up_where_it_was(machine, far, tmp_path):
    source, there = tmp_path / "file", far / "file"
    source.write_bytes(os.urandom(5000))
    breaks(far, 2, at="dd")
    machine.send(source, str(there))
    assert there.read_bytes() == source.read_bytes()
    assert (far / "breaks").read_text().strip() == "0"


def test_a_file_that_arrived_changed_is_sent_again(machine, far, tmp_path):
    source, there = tmp_path / "file", far / "file"
    source.write_bytes(b"x" * 3000)
    there.write_bytes(b"y" * 3000)  # As long, so nothing seems to be missing.
    machine.send(source, str(there))
    assert there.read_bytes() == source.read_bytes()


def test_folders_are_fetched_whole_or_not_at_all(machine, far, tmp_path):
    for name in ("one", "two"):
        (far / name).mkdir()
        (far / name / "file").write_text(name)
    here = tmp_path / "here"
    here.mkdir()
    breaks(far, 2)
    machine.fetch(str(far), ["one", "two"], here)
    assert (here / "one" / "file").read_text() == "one"
    assert sorted(path.name for path in here.iterdir()) == ["one", "two"]


def test_a_broken_connection_is_tried_again(machine, far):
    breaks(far, 3)
    assert machine.ask("echo answer") == "answer"


def test_patience_ends(machine, far, monkeypatch):
    monkeypatch.setattr(openssh, "PATIENCE", 0.1)
    breaks(far, 10_000)
    with pytest.raises(EngineError, match="no connection: Connection reset by peer"):
        machine.ask("echo answer")


def test_a_machine_that_never_answered_is_not_waited_for(far):
    breaks(far, 10_000)
    machine = OpenSsh("ssh://z")
    with pytest.raises(EngineError, match="no connection") as caught:
        machine.ask("true")
    assert caught.value.next_step == "try: ssh z"
    assert (far / "breaks").read_text().strip() == "9999"


def test_a_command_that_fails_there_says_why(machine):
    with pytest.raises(EngineError, match="no such thing"):
        machine.ask("echo no such thing >&2; exit 3")
    assert machine.ask("echo partly; exit 3", needed=False) == "partly"
    assert not machine.holds("exit 1")


@pytest.mark.parametrize(
    "url",
    [
        "ssh://", "ssh://host/path", "ssh://host?a", "ssh://user:secret@host", "ssh://[::1",
        "ssh://host:99999", "ssh://host:0", "ssh://host:port", "ssh://host:",
        "ssh://-oproxycommand=true", "ssh://-l@host", "ssh://user@-host",
        "ssh://two words", "ssh://host\n", "ssh://us\ter@host", "ssh://ho\x01st",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError, match="not the address of a machine"):
        OpenSsh(url)


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("ssh://LinuxONE1", "-- LinuxONE1"),
        ("ssh://Me@z:2222/", "-p 2222 -- Me@z"),
        ("ssh://me@corp@z", "-- me@corp@z"),
        ("ssh://[::1]:22", "-p 22 -- ::1"),
        ("ssh://me@[fe80::1%eth0]", "-- me@fe80::1%eth0"),
    ],
)
def test_an_address_is_handed_to_ssh_as_it_is_written(far, url, given):
    machine = OpenSsh(url)
    machine.ask("true")
    machine.close()
    asked, left = (far / "asked").read_text().splitlines()
    assert asked.endswith(f" {given} true")
    assert left.endswith(f" -O exit -- {given.split()[-1]}")


def test_the_same_folder_makes_the_same_archive(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "graph").write_text("graph")
    (folder / "graph").chmod(0o600)
    _pack_folder(folder, tmp_path / "archive.tar.gz")
    (tmp_path / "out").mkdir()
    os.system(f"tar -xzf {tmp_path}/archive.tar.gz -C {tmp_path}/out")
    unpacked = tmp_path / "out" / "graph"
    assert unpacked.read_text() == "graph"
    assert unpacked.stat().st_mode & 0o444 == 0o444  # The container's user is another.


class Saving:
    """An engine with one image. What its one layer is called is all that the image holds."""

    def facts(self, image):
        return SimpleNamespace(layers=("sha256:00",))

    def save(self, image, archive):
        archive.write_text('["sha256:00"]')


STEP = SimpleNamespace(name="agent-a", key="0001", image="localhost/a:0001")


@pytest.fixture
def model(tmp_path):
    """A model's folder, with an input below it."""
    folder = tmp_path / "model"
    (folder / "inputs").mkdir(parents=True)
    (folder / "manifest.yml").write_text("manifest")
    (folder / "inputs" / "a.npy").write_text("numbers")
    return folder


@pytest.mark.parametrize("names", [("ssh://z1", "ssh://z2"), ("ssh://z1", "ssh://z1")])
def test_machines_that_are_sent_the_same_at_once_do_not_disturb_each_other(
    far, workspace, model, monkeypatch, names
):
    """Each waits before it sends, as long as it makes sense, for the other to be as far."""
    together, send = threading.Barrier(2), OpenSsh.send

    def slowly(machine, path, there):
        with suppress(threading.BrokenBarrierError):
            together.wait(1)
        send(machine, path, there)

    def bring(name):
        runner = Ssh(name, Saving(), workspace)
        runner._send_image(STEP)
        there = runner._send_folder(model)
        runner.machine.close()
        return there

    monkeypatch.setattr(OpenSsh, "send", slowly)
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(bring, names))
    for folder, name in zip(folders, names, strict=True):
        home = far / name.removeprefix("ssh://")
        assert folder.startswith(str(home))
        assert (home / "store").read_text() == '["sha256:00"]'
        assert not list((home / ".cache/zport/incoming").iterdir())
        assert len(list((home / ".cache/zport/files").iterdir())) == 1
    assert not list((workspace.root / "archives").iterdir())


def test_folders_in_a_folder_are_sent_and_count(far, workspace, model):
    runner = Ssh("ssh://z", None, workspace)
    there = runner._send_folder(model)
    assert (far / there / "inputs" / "a.npy").read_text() == "numbers"
    (model / "inputs" / "a.npy").write_text("other numbers")
    assert runner._send_folder(model) != there
    runner.machine.close()


def test_what_was_sent_is_not_missed_when_the_answer_is_lost(far, workspace, model, monkeypatch):
    once = OpenSsh._once

    def losing(machine, command):
        """A command that takes what was sent is done, and its answer lost."""
        done = once(machine, command)
        if "incoming/" in command and "sha256sum" not in command and command not in lost:
            lost.append(command)
            raise openssh.Lost
        return done

    lost = []
    runner = Ssh("ssh://z", Saving(), workspace)
    assert runner.home
    monkeypatch.setattr(OpenSsh, "_once", losing)
    runner._send_image(STEP)
    assert (far / runner._send_folder(model) / "manifest.yml").read_text() == "manifest"
    assert len([command for command in lost if "rm " in command]) == 2
    runner.machine.close()


def test_runners_are_found_by_name(workspace):
    here = Place(None, workspace, TARGETS["amd64"], 2)
    native, qemu = find_runner("native", here), find_runner("qemu", here)
    assert native.runs(TARGETS["amd64"])
    assert not native.runs(TARGETS["s390x"])
    assert qemu.runs(TARGETS["s390x"])
    assert (native.emulated, qemu.emulated) == (False, True)
    assert find_runner("ssh://z", here).remote
    with pytest.raises(UsageError, match="unknown runner 'kvm'"):
        find_runner("kvm", here)
