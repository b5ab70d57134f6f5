"""A second build machine on this one: a Docker daemon of its own that serves its BuildKit.

``buildx``'s remote driver speaks BuildKit's own protocol to a socket. A Docker daemon speaks it
too, after an upgrade of a request to ``/grpc``: a small bridge does that for every connection.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

UPGRADE = (
    b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    b"Content-Length: 0\r\n\r\n"
)
PATIENCE = 60


class NoDaemonError(Exception):
    """A second daemon cannot start here."""


class DockerNode:
    """A Docker daemon with all its state in one folder, and the bridge to its BuildKit."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.sockets: list[socket.socket] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._bridge: socket.socket | None = None
        folder.mkdir(parents=True)
        settings = '{"features": {"containerd-snapshotter": true}}'
        (folder / "daemon.json").write_text(settings)

    @property
    def daemon(self) -> str:
        """What DOCKER_HOST names."""
        return f"unix://{self.folder / 'docker.sock'}"

    @property
    def endpoint(self) -> str:
        """What buildx's remote driver takes."""
        return f"unix://{self.folder / 'buildkit.sock'}"

    def start(self) -> None:
        """Start the daemon and the bridge. Raises :class:`NoDaemonError` if neither answers."""
        command = [
            "dockerd", "--config-file", self.folder / "daemon.json", "--data-root",
            self.folder / "data", "--exec-root", self.folder / "exec", "--pidfile",
            self.folder / "pid", "--host", self.daemon, "--bridge", "none", "--iptables=false",
            "--ip6tables=false",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(PATIENCE * 2):
            if self._process.poll() is not None:
                break
            if self._answers():
                self._serve()
                return
            time.sleep(0.5)
        self.stop()
        raise NoDaemonError((self.folder / "log").read_text(errors="replace")[-500:])

    def kill(self) -> None:
        """End the daemon and all that it started at once, as when the machine is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the daemon in order, and take away what one that was killed has left mounted."""
        self._end(signal.SIGTERM)
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted(mounts, reverse=True):
            if Path(mount).is_relative_to(self.folder):
                subprocess.run(["umount", "--lazy", mount], check=False)

    def _end(self, how: signal.Signals) -> None:
        if self._bridge:
            self._bridge.close()
            (self.folder / "buildkit.sock").unlink(missing_ok=True)
            self._bridge = None
        if self._process:
            # It and its containerd are one session; what runs in containers is not.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            self._process.wait(PATIENCE)
            self._process = None
            if how == signal.SIGKILL:
                for each in (self.folder / "exec").rglob("*.pid"):
                    with suppress(ValueError, ProcessLookupError):
                        os.kill(int(each.read_text()), how)
            (self.folder / "pid").unlink(missing_ok=True)
        for one in self.sockets:
            one.close()
        self.sockets.clear()

    def _answers(self) -> bool:
        asked = subprocess.run(
            ["docker", "--host", self.daemon, "info"], capture_output=True, timeout=20, check=False
        )
        return asked.returncode == 0

    def _serve(self) -> None:
        self._bridge = socket.socket(socket.AF_UNIX)
        self._bridge.bind(str(self.folder / "buildkit.sock"))
        self._bridge.listen()
        threading.Thread(target=self._accept, args=(self._bridge,), daemon=True).start()

    def _accept(self, bridge: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = bridge.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        self.sockets += [client, server]
        with suppress(OSError):
            server.connect(str(self.folder / "docker.sock"))
            server.sendall(UPGRADE)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                byte = server.recv(1)
                if not byte:
                    break
                answer += byte
            if b" 101 " in answer:
                threading.Thread(target=pump, args=(client, server), daemon=True).start()
                pump(server, client)
                return
        client.close()
        server.close()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Hand all bytes of one socket on to another, then close both."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def wait_for(happened: Callable[[], bool], seconds: float) -> bool:
    """Whether something happens in that time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if happened():
            return True
        time.sleep(0.2)
    return False
