"""The Python environments that zport runs in, made from lock files with hashes.

Standard library only: the front door ``build.py`` makes them before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from zport.errors import ChecksumError, DefinitionError, FetchError, HostError, ZportError

PROJECT = Path(__file__).resolve().parent.parent

LOCKS = ("lock", "making")
"""Held by those who use the environment, and by the one who decides whether it has to be made."""

PIP_FAILURES: dict[str, type[ZportError]] = {
    "DO NOT MATCH THE HASHES": ChecksumError,
    "Invalid requirement": DefinitionError,
    "Hashes are required": DefinitionError,
}
"""What pip says, and the failure that it is. All else is a fetch that failed."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, made in place from one lock file.

    A virtual environment cannot be moved, so a stamp says that it is whole: it is removed first
    and written last. Whoever uses the environment holds its lock file shared, through ``execv``
    until the process ends; whoever makes it holds the lock alone.
    """

    home: Path
    requirements: Path
    log: Path

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.home / "zport-stamp"

    def is_whole(self) -> bool:
        expected = self.fingerprint()
        return self.stamp.is_file() and self.stamp.read_text() == expected

    def fingerprint(self) -> str:
        """What the stamp says: the lock file's content, how it is made, and for which Python."""
        if not self.requirements.is_file():
            raise DefinitionError(
                "is missing", where=self.requirements, next_step="restore it, or run: make lock"
            )
        sources = (self.requirements, Path(__file__))
        content = hashlib.sha256(b"".join(map(Path.read_bytes, sources))).hexdigest()
        return f"{content} {sys.base_prefix} {sys.version}\n"

    def ensure(self) -> None:
        """Return with a whole environment that nobody remakes while this process lives."""
        self.home.mkdir(exist_ok=True)
        lock = self._open(LOCKS[0])
        os.set_inheritable(lock, True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        if self.is_whole():
            return
        # Who waits here to make it holds no lock that would keep another from making it.
        fcntl.flock(lock, fcntl.LOCK_UN)
        making = self._open(LOCKS[1])
        self._wait_for(making)
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not self.is_whole():
            self._wait_for(lock)
            self._make(lock)
            fcntl.flock(lock, fcntl.LOCK_SH)
        os.close(making)

    def _open(self, name: str) -> int:
        return os.open(self.home / name, os.O_RDONLY | os.O_CREAT, 0o644)

    def _wait_for(self, lock: int) -> None:
        """Hold a lock alone; says so if somebody else has it."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another zport that uses {self.home.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)

    def _make(self, lock: int) -> None:
        """Make it from nothing. Whoever does a part of it holds the lock until that part ends."""
        say(f"making {self.home.name} from {self.requirements.name}")
        started = time.monotonic()
        self._clear()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("")
        # The base interpreter, as this very process may run in the environment just removed.
        base = getattr(sys, "_base_executable", sys.executable)
        if _run(self.log, lock, base, "-I", "-m", "venv", self.home):
            raise HostError(
                "Python cannot make a virtual environment",
                where=base,
                next_step="see the log; on Debian, Python's package python3-venv has what it needs",
                log=self.log,
            )
        options = ("--require-hashes", "--no-input", "--progress-bar=off")
        install = (self.python, "-I", "-m", "pip", "install", *options, "-r", self.requirements)
        if _run(self.log, lock, *install):
            raise pip_failure(self.requirements, self.log)
        self._add_sources()
        part = self.stamp.with_suffix(".part")
        part.write_text(self.fingerprint())
        part.replace(self.stamp)
        say(f"{self.home.name} is ready ({time.monotonic() - started:.0f} s)")

    def _clear(self) -> None:
        """Remove all but the locks, the stamp first."""
        self.stamp.unlink(missing_ok=True)
        for entry in self.home.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name not in LOCKS:
                entry.unlink()
        (self.home / ".gitignore").write_text("*\n")

    def _add_sources(self) -> None:
        """Put zport and the agent on the path where they are, so that an edit needs no install.

        ``bin/zport`` is the command that an installed package would have.
        """
        packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(self.home)}))
        lines = [os.path.relpath(source, packages) for source in (PROJECT, PROJECT / "agent")]
        (packages / "zport.pth").write_text("\n".join(lines) + "\n")
        command = self.home / "bin" / "zport"
        command.write_text(f"#!{self.python} -P\nfrom zport.cli import main\n\nmain()\n")
        command.chmod(0o755)


def pip_failure(requirements: Path, log: Path) -> ZportError:
    """The failure that pip's log tells of."""
    said = log.read_text()
    kind = next((kind for text, kind in PIP_FAILURES.items() if text in said), FetchError)
    last = [line.removeprefix("ERROR: ") for line in said.splitlines() if "ERROR: " in line][-1:]
    return kind(
        ": ".join(["pip cannot install it", *last]),
        where=requirements,
        next_step="see the log; where packages come from is what `pip config list` says",
        log=log,
    )


def say(text: str) -> None:
    """Tell what is being done, at once."""
    print(f"zport: {text}", flush=True)


def _run(log: Path, lock: int, *command: str | Path) -> int:
    """Run a command whose output goes to the log; its exit code.

    It shares the lock: were this process killed, the next would wait for what it left running.
    """
    with log.open("a") as out:
        print("$", *command, file=out, flush=True)
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=(lock,), check=False
        )
    return result.returncode
