"""build.py as a user meets it: run as a process, in a checkout of its own, without a network."""

import ast
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from zport.environment import pip_failure
from zport.errors import ChecksumError, DefinitionError, FetchError
from zport.targets import host_target

PROJECT = Path(__file__).resolve().parents[2]

# An engine and a target for which no host package is needed.
NOTHING_TO_INSTALL = ["--engine", "docker", "--arch", host_target().name]

WRONG = "0" * 64

# Stands in for zport's command line: says what it was given, then waits for the end of its input.
STUB = "import sys\nprint('zport got', sys.argv[1:], flush=True)\nsys.stdin.read()\n"


class Checkout:
    """A copy of the front door, with a lock file that a wheel beside it satisfies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "requirements.lock"
        self.stamp = root / ".venv" / "zport-stamp"
        shutil.copytree(PROJECT / "zport", root / "zport")
        shutil.copy(PROJECT / "build.py", root)
        (root / "zport" / "__main__.py").write_text(STUB)
        wheel = make_wheel(root / "wheels")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        self.lock.write_text(f"leaf==1.0 --hash=sha256:{digest}\n")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
        pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
        pip["PIP_FIND_LINKS"] = str(self.root / "wheels")
        return subprocess.Popen(
            [sys.executable, self.root / "build.py", *arguments],
            env=environment | pip | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        process = self.start(*arguments, **variables)
        said, _ = process.communicate(timeout=60)
        assert "Traceback" not in said
        return process.returncode, said


def make_wheel(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "leaf-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in {
            "leaf.py": "",
            "leaf-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: leaf\nVersion: 1.0\n",
            "leaf-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
            "leaf-1.0.dist-info/RECORD": "leaf.py,,\n",
        }.items():
            wheel.writestr(name, content)
    return path


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.01)


def test_makes_the_environment_once_and_hands_over_the_same_arguments(checkout):
    code, said = checkout.run(*NOTHING_TO_INSTALL, "--no-install", "--jobs", "2")
    assert code == 0
    assert "making .venv from requirements.lock" in said
    assert f"zport got {['build', *NOTHING_TO_INSTALL, '--jobs', '2']}" in said
    code, said = checkout.run(*NOTHING_TO_INSTALL)
    assert said == f"zport got {['build', *NOTHING_TO_INSTALL]}\n"
    assert checkout.run("--help")[1].endswith("zport got ['build', '--help']\n")


def iter_until(process: subprocess.Popen[str], mark: str) -> Iterator[str]:
    """The lines that a process says, up to the one with the mark."""
    for line in process.stdout:
        yield line
        if mark in line:
            return


def test_two_at_once_make_one_environment(checkout):
    processes = [checkout.start(*NOTHING_TO_INSTALL) for _ in range(2)]
    # Each lives until its input ends: neither may wait for the other's end, whichever made it.
    said = ["".join(iter_until(process, "zport got")) for process in processes]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("making .venv" in text for text in said) == 1
    assert all("zport got" in text for text in said)


def test_an_interrupted_environment_is_made_again(checkout):
    process = checkout.start(*NOTHING_TO_INSTALL)
    wait_for(checkout.root / ".venv/bin/python")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not checkout.stamp.exists()
    code, said = checkout.run(*NOTHING_TO_INSTALL)
    assert code == 0
    assert "making .venv" in said


def test_an_environment_in_use_is_not_remade(checkout):
    user = checkout.start(*NOTHING_TO_INSTALL)
    wait_for(checkout.stamp)
    while "zport got" not in user.stdout.readline():
        pass
    checkout.lock.write_text("# changed\n" + checkout.lock.read_text())
    other = checkout.start("--setup-only", *NOTHING_TO_INSTALL)
    assert "waiting for another zport" in other.stdout.readline()
    assert checkout.stamp.exists()
    user.communicate(timeout=60)
    assert "making .venv" in other.communicate(timeout=60)[0]
    assert other.returncode == 0


def test_a_broken_lock_leaves_no_environment_and_names_the_log(checkout):
    checkout.lock.write_text(f"leaf==1.0 --hash=sha256:{WRONG}\n")
    status, said = checkout.run("--setup-only", *NOTHING_TO_INSTALL)
    assert status == 6
    assert f"error: {checkout.lock}: pip cannot install it: " in said
    assert f"log: {checkout.root}/build/logs/venv.log" in said
    assert not checkout.stamp.exists()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"leaf==1.0 --hash=sha256:{WRONG}", ChecksumError),
        (f"leaf==2.0 --hash=sha256:{WRONG}", FetchError),
        ("leaf==1.0", DefinitionError),
        ("<<<<<<< ours", DefinitionError),
    ],
    ids=["wrong hash", "not to be had", "no hash", "not a lock file"],
)
def test_what_pip_says_decides_the_failure(checkout, line, kind):
    checkout.lock.write_text(f"{line}\n")
    pip = [sys.executable, "-I", "-m", "pip", "install", "--dry-run", "--no-index"]
    options = ["--require-hashes", "--ignore-installed", "-f", checkout.root / "wheels"]
    log = checkout.root / "pip.log"
    with log.open("w") as out:
        command = [*pip, *options, "-r", checkout.lock]
        assert subprocess.run(command, stdout=out, stderr=out, check=False).returncode != 0
    failure = pip_failure(checkout.lock, log)
    assert type(failure) is kind
    assert failure.message != "pip cannot install it"


def test_a_missing_lock_is_an_error(checkout):
    checkout.lock.unlink()
    status, said = checkout.run("--setup-only", *NOTHING_TO_INSTALL)
    assert status == 3
    assert f"error: {checkout.lock}: is missing" in said


def test_no_install_prints_the_command_and_makes_nothing(checkout):
    status, said = checkout.run("--no-install", "--engine", "buildah", PATH="/nowhere")
    assert status == 4
    assert "error: the host lacks buildah, iproute2, mmdebstrap" in said
    assert "apt-get install --yes --no-install-recommends buildah iproute2 mmdebstrap" in said
    assert not (checkout.root / ".venv").exists()


def test_a_typo_costs_no_installation(checkout):
    status, said = checkout.run("--arch", "s390")
    assert status == 2
    assert "did you mean s390x?" in said
    assert not (checkout.root / ".venv").exists()


def test_help_installs_nothing(checkout):
    status, said = checkout.run("--help", PATH="/nowhere")
    assert status == 0
    assert "./build.py --arch s390x" in said
    assert not (checkout.root / ".venv").exists()


def test_an_old_python_meets_a_sentence(checkout):
    ast.parse((PROJECT / "build.py").read_text(), feature_version=(3, 7))
    program = "import runpy, sys; sys.version_info = (3, 9); runpy.run_path('build.py')"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=False)
    assert result.returncode == 4
    assert result.stderr.startswith("error: zport needs Python 3.11 or later, this is 3.9")
