"""What SECURITY.md promises of containers, tried for real: a recipe's step and a model's Python
that reach for the network, for the host's files and devices, and for other processes."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import numpy as np
import pytest
import yaml
from conftest import IBM_Z

from zport import binfmt
from zport.engines import Engine, Mount
from zport.engines.buildah import Buildah
from zport.errors import BuildError
from zport.targets import REFERENCE, Target
from zport.untrusted import take_over

TRIED = 10
"""How many things a step tries to reach."""
SECRET = "what nobody else is to see"
SLEEPER = "86399.271828"
"""How long a process of the host's would sleep: no other process's command says this number."""
TRIES = '''
import glob, json, os, socket, stat, sys

CANARY, PORT, SLEEPER = {canary!r}, {port}, {sleeper!r}
FOUND = []


def attempt(name, get):
    print("tried:", name, flush=True)
    try:
        result = get()
    except Exception as error:
        print("refused:", name, type(error).__name__, error, flush=True)
        return
    if result:
        FOUND.append(name)
        print("REACHED:", name, result, flush=True)


def sees_canary():
    return os.path.exists(CANARY)


def leave_root():
    os.makedirs("/tmp/inner", exist_ok=True)
    above = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/inner")
    os.fchdir(above)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    return sees_canary()


def apart(get):
    """In a process of its own, for what cannot be taken back."""
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            os.write(write, b"1" if get() else b"")
        except Exception as error:
            print("refused:", type(error).__name__, error, flush=True)
        os._exit(0)
    os.close(write)
    os.wait()
    return os.read(read, 1)


def disks():
    """Block devices that can be read: those there are, and one that is made."""
    opened = []
    os.umask(0)
    try:
        os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0))
    except OSError:
        pass
    for path in [*glob.glob("/dev/*"), "/dev/mem", "/tmp/disk"]:
        try:
            if stat.S_ISBLK(os.stat(path).st_mode) or path == "/dev/mem":
                os.close(os.open(path, os.O_RDONLY))
                opened.append(path)
        except OSError:
            pass
    return opened


def kernel():
    """Settings of the kernel that can be opened to be written; nothing is."""
    opened = []
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                 "/sys/kernel/uevent_helper", "/proc/sys/fs/binfmt_misc/register"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            opened.append(path)
        except OSError:
            pass
    return opened


def control_groups():
    """Control groups in which a new one can be made; it is removed again."""
    made = []
    for place in ("/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*/")):
        try:
            os.mkdir(f"{{place}}/zport-test")
            # Else it is a folder of the container's own.
            if os.path.exists(f"{{place}}/zport-test/cgroup.procs"):
                made.append(place)
            os.rmdir(f"{{place}}/zport-test")
        except OSError:
            pass
    return made


def processes():
    """Processes of the host: the one that the test started is among them."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            command = open(f"/proc/{{pid}}/cmdline").read()
        except OSError:
            continue
        if SLEEPER in command:
            found.append(pid)
    return found


def mount():
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) == 0


def everything():
    attempt("the network", lambda: socket.create_connection(("192.0.2.1", 80), 3))
    attempt("the host's loopback", lambda: socket.create_connection(("127.0.0.1", PORT), 3))
    attempt("a host's file", sees_canary)
    attempt("the host's root", lambda: apart(leave_root))
    attempt("the root of another process",
            lambda: [p for p in glob.glob("/proc/[0-9]*/root" + CANARY) if os.path.exists(p)])
    attempt("a disk", disks)
    attempt("the kernel's settings", kernel)
    attempt("control groups", control_groups)
    attempt("the host's processes", processes)
    attempt("a mount", lambda: apart(mount))
    return FOUND
'''


@pytest.fixture
def tries(tmp_path: Path) -> Iterator[str]:
    """The attempts, with a file, an open port and a process of the host's to find."""
    canary = tmp_path / "canary"
    canary.write_text(SECRET)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        subprocess.Popen(["sleep", SLEEPER]) as sleeper,
    ):
        port = server.getsockname()[1]
        try:
            while SLEEPER not in Path(f"/proc/{sleeper.pid}/cmdline").read_text():
                time.sleep(0.01)
            yield TRIES.format(canary=str(canary), port=port, sleeper=SLEEPER)
        finally:
            sleeper.kill()


@pytest.fixture
def place(
    engine: Engine, agent_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Engine, str]:
    """Each engine that works here, with the image of this machine in it."""
    name = agent_images[REFERENCE.name]
    if name not in engine.images():
        archive = tmp_path_factory.mktemp("archive") / "image.tar"
        Buildah().save(name, archive)
        with archive.open("rb") as file:
            docker.from_env(timeout=600).images.load(file)
    return engine, name


def test_a_step_of_a_build_reaches_nothing(
    place: tuple[Engine, str], tries: str, tmp_path: Path
) -> None:
    engine, image = place
    context, log = tmp_path / "context", tmp_path / "log"
    context.mkdir()
    (context / "tries.py").write_text(f"{tries}\nsys.exit(bool(everything()))\n")
    (context / "Dockerfile").write_text(
        f"FROM --platform={REFERENCE.oci} {image}\nUSER 0\n"
        "RUN --mount=type=bind,source=tries.py,target=/tries.py python3 /tries.py\n"
    )
    result = "localhost/zport-test/hostile:1"
    try:
        engine.build(context, result, REFERENCE, 1_700_000_000, log)
        engine.remove([result])
    except BuildError:
        pytest.fail("\n".join(line for line in log.read_text().splitlines() if "REACHED" in line))
    assert len(set(re.findall("tried: (.*)", log.read_text()))) == TRIED


HOSTILE = """
def preprocess(ctx, data):
    everything()
    out, = (one for one in glob.glob("/out/*.part"))
    for name in ("result.json", "outputs.npz", "log.txt"):
        if os.path.lexists(f"{out}/{name}"):
            os.unlink(f"{out}/{name}")
        os.symlink(CANARY, f"{out}/{name}")
    os.mkfifo(f"{out}/pipe")
    attempt("the model's folder", lambda: open("/cells/0/model/new", "w"))
    attempt("the agent's code", lambda: open(sys.modules["zport_agent"].__file__, "a"))
    json.dump(FOUND, open(f"{out}/found.json", "w"))
    raise SystemExit("done")
"""


def hostile_model(folder: Path, tries: str) -> Path:
    folder.mkdir()
    np.save(folder / "a.npy", np.zeros(3, "<f4"))
    (folder / "net.onnx").write_bytes(b"no model: the code before it is what runs")
    manifest = {
        "name": "hostile",
        "version": "1",
        "framework": {"name": "onnxruntime"},
        "inputs": [{"type": "vector"}],
        "outputs": [{"type": "vector"}],
        # It runs when it is compiled, before the file is looked at.
        "preprocess": f"{tries}{HOSTILE}\npreprocess(None, None)\n",
        "postprocess": "def postprocess(ctx, data):\n    return []\n",
        "model": {"graph_path": "net.onnx"},
        "zport": {"weights": "trained", "inputs": ["a.npy"]},
    }
    (folder / "manifest.yml").write_text(yaml.safe_dump(manifest, width=1000))
    return folder


def serve_hostile(engine: Engine, image: str, target: Target, folder: Path, tries: str) -> Path:
    """Run the model's cell as the matrix does; the folder that the host has taken over."""
    model = hostile_model(folder / "model", tries)
    out, kept = folder / "out", folder / "kept"
    out.mkdir()
    out.chmod(0o777)
    kept.mkdir()
    command = ["predict", "--model", "/cells/0/model", "--files", "/cells/0/model"]
    cell = {"name": "cell", "seconds": 200, "commands": [command]}
    plan = {"framework": "onnxruntime", "memory": 8 << 30, "cells": [cell]}
    (folder / "cells.json").write_text(json.dumps(plan))
    mounts = [Mount(model, "/cells/0/model"), Mount(folder, "/batch"), Mount(out, "/out", True)]
    log = folder / "serve.log"
    arguments = ["serve", "--batch", "/batch", "--out", "/out"]
    assert engine.run(image, target, arguments, mounts, log, 300) == 0, log.read_text()
    take_over(out / "cell", kept)
    return kept


def check(kept: Path, canary: Path) -> None:
    assert json.loads((kept / "found.json").read_text()) == []
    assert sorted(path.name for path in kept.iterdir()) == ["found.json", "served.json"]
    assert canary.read_text() == SECRET


def test_a_models_python_reaches_nothing(
    place: tuple[Engine, str], tries: str, tmp_path: Path
) -> None:
    engine, image = place
    folder = tmp_path / "batch"
    folder.mkdir()
    kept = serve_hostile(engine, image, REFERENCE, folder, tries)
    check(kept, tmp_path / "canary")


def test_a_models_python_reaches_nothing_when_it_is_emulated(
    agent_images: dict[str, str], tries: str, tmp_path: Path
) -> None:
    binfmt.register_emulators([IBM_Z])
    folder = tmp_path / "batch"
    folder.mkdir()
    kept = serve_hostile(Buildah(), agent_images[IBM_Z.name], IBM_Z, folder, tries)
    check(kept, tmp_path / "canary")
