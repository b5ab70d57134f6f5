"""Another machine through OpenSSH's client: commands, files sent and fetched, over one connection.

A connection may break at any moment: whatever is asked here can be asked again with the same
effect, and is, until the machine answers or patience ends.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

from zport.errors import EngineError, UsageError
from zport.workspace import sha256_file

Answer = TypeVar("Answer")
CONFIG = "ZPORT_SSH_CONFIG"
"""Environment variable: a file for ``ssh -F``, in place of the user's own configuration."""
LOST = 255
"""ssh's own exit status, when it is not that of the command."""
PATIENCE = 900
"""Seconds until a machine that answered before counts as gone."""
COMPLAINT = 600
"""So many characters of what a command says on failure are told."""
PAUSE = 3
"""Seconds between two attempts."""
_WORD = r"[^\s\x00-\x1f\x7f-\x9f:/?#\[\]]"
ADDRESS = re.compile(
    rf"ssh://(?:(?!-)(?P<user>{_WORD}+)@)?"
    rf"(?:\[(?P<ip>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?!-)(?P<name>(?:(?!@){_WORD})+))"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)
"""What begins with a dash would be an option to ssh. Case counts in the user's configuration."""
PORTS = range(1, 1 << 16)
ALIVE = ("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6", "-o", "ConnectTimeout=30")


class Lost(Exception):  # noqa: N818 - not an error until patience ends
    """The connection broke, or there is none."""


class _Address(NamedTuple):
    """What ssh is told of where a machine is: an option for the port, and ``[USER@]HOST``."""

    port: list[str]
    place: str

    @property
    def phrase(self) -> str:
        return shlex.join([*self.port, self.place])


class OpenSsh:
    """A machine at ``ssh://[USER@]HOST[:PORT]``. Keys and jumps are OpenSSH's configuration.

    Raises :class:`UsageError` for what is no such address. Every method raises
    :class:`EngineError` when the machine stays away, or a command that must succeed fails there.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._address = _parse(url)
        self._folder = TemporaryDirectory(prefix="zport-ssh-")
        config = os.environ.get(CONFIG)
        self._options = [
            "ssh", *(["-F", config] if config else []), *ALIVE, "-o", "BatchMode=yes",
            "-o", "ControlMaster=auto", "-o", "ControlPersist=120",
            "-o", f"ControlPath={self._folder.name}/master", *self._address.port,
        ]  # fmt: skip
        self._command = [*self._options, "--", self._address.place]
        self._answered = False

    def ask(self, command: str, *, needed: bool = True) -> str:
        """What a shell command prints there; without ``needed``, of one that may fail too."""
        done = self._until_answered(lambda: self._once(command))
        if needed and done.returncode != 0:
            raise EngineError(
                _said(done.stderr) or f"status {done.returncode}", where=self.url,
                next_step=f"see what this says there: {command}",
            )  # fmt: skip
        return done.stdout.decode(errors="replace").strip()

    def holds(self, command: str) -> bool:
        """Whether a shell command succeeds there."""
        return self._until_answered(lambda: self._once(command)).returncode == 0

    def send(self, path: Path, far: str) -> None:
        """Send a file; what arrived before a connection broke is not sent again.

        It is whole there, by its SHA-256, when this returns.
        """
        sha256 = sha256_file(path)
        for _ in range(2):
            self._until_answered(lambda: self._send_rest(path, far))
            if self.ask(f"sha256sum {shlex.quote(far)}").split()[0] == sha256:
                return
            self.ask(f"rm {shlex.quote(far)}")
        raise EngineError(f"{path.name} arrives changed", where=self.url,
                          next_step="look at the disk and memory of that machine")  # fmt: skip

    def fetch(self, far: str, names: Sequence[str], folder: Path) -> None:
        """Fetch folders from a folder there, whole or not at all."""
        with TemporaryDirectory(dir=folder, prefix=".fetched.") as part:
            listed = " ".join(map(shlex.quote, names))
            command = f"tar -C {shlex.quote(far)} -czf - -- {listed}"
            self._until_answered(lambda: self._unpack(command, Path(part)))
            for name in names:
                (Path(part) / name).rename(folder / name)

    def close(self) -> None:
        """End the connection."""
        leave = [*self._options, "-O", "exit", "--", self._address.place]
        subprocess.run(leave, capture_output=True, check=False)
        self._folder.cleanup()

    def _once(self, command: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [*self._command, command], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        return _answer(done)

    def _send_rest(self, path: Path, far: str) -> None:
        """Send what is not there yet of a file."""
        start = int(self._once(f"stat -c %s {shlex.quote(far)} 2>/dev/null || echo 0").stdout)
        if start >= path.stat().st_size:
            return
        # By offset, not appended: what an old connection still writes goes to its own place.
        command = (
            f"dd of={shlex.quote(far)} bs=1M seek={start} oflag=seek_bytes conv=notrunc status=none"
        )
        with path.open("rb") as file:
            file.seek(start)
            done = subprocess.run(
                [*self._command, command], stdin=file, capture_output=True, check=False
            )
        if _answer(done).returncode != 0:
            raise EngineError(_said(done.stderr), where=f"{self.url}: {far}",
                              next_step="free space or rights there")  # fmt: skip

    def _unpack(self, command: str, folder: Path) -> None:
        with subprocess.Popen(
            [*self._command, command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as sender:
            taken = subprocess.run(
                ["tar", "-xzf", "-", "--no-same-owner", "-C", str(folder)],
                stdin=sender.stdout, capture_output=True, check=False,
            )  # fmt: skip
        if sender.returncode != 0 or taken.returncode != 0:
            raise Lost(_said(taken.stderr))

    def _until_answered(self, attempt: Callable[[], Answer]) -> Answer:
        """Try until there is an answer. A machine that never answered is not waited for."""
        deadline = time.monotonic() + (PATIENCE if self._answered else 0)
        while True:
            try:
                answer = attempt()
            except Lost as lost:
                if time.monotonic() > deadline:
                    raise EngineError(
                        f"no connection: {lost}", where=self.url,
                        next_step=f"try: ssh {self._address.phrase}",
                    ) from lost  # fmt: skip
                time.sleep(PAUSE)
            else:
                self._answered = True
                return answer


def _parse(url: str) -> _Address:
    found = ADDRESS.fullmatch(url)
    if not found or (found["port"] and int(found["port"]) not in PORTS):
        raise UsageError(
            f"{url!r} is not the address of a machine",
            where="--runner", next_step="write ssh://[USER@]HOST[:PORT]",
        )  # fmt: skip
    host = found["ip"] or found["name"]
    place = f"{found['user']}@{host}" if found["user"] else host
    return _Address(["-p", found["port"]] if found["port"] else [], place)


def _answer(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[bytes]:
    if done.returncode == LOST:
        raise Lost(_said(done.stderr) or "ssh gives no reason")
    return done


def _said(stderr: bytes) -> str:
    """What a command complained of, on one line; its end, if it is long."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    return "; ".join(line for line in lines if line)[-COMPLAINT:]
