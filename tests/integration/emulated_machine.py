"""Another machine, of another architecture: Debian's kernel under QEMU, with sshd and Podman.

It is made of Debian's packages alone, unpacked and laid out by native tools, and reached through a
port of loopback. It stands in for a real machine behind SSH and says nothing about its speed.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from zport.debian.apt import archive_places

SUITE = "bookworm"
PACKAGES = (
    "bash", "base-files", "base-passwd", "busybox-static", "coreutils", "findutils", "grep", "gzip",
    "iproute2", "kmod", "libc-bin", "linux-image-s390x", "mount", "netbase", "openssh-server",
    "podman", "crun", "sed", "tar", "util-linux",
)  # fmt: skip
EARLY = ("crc32c_generic", "virtio_blk", "ext4")
"""Kernel modules that the root file system needs, and so the first small one has to have."""
LATER = ("virtio_net", "overlay")
DISK = "4G"
MEMORY = "4G"
PATIENCE = 300
"""Seconds until sshd must answer."""

FIRST_INIT = f"""#!/bin/busybox sh
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
for module in {" ".join(EARLY)}; do busybox modprobe $module; done
busybox mount -t ext4 /dev/vda /root
exec busybox switch_root /root /usr/sbin/start
"""
INIT = f"""#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=0666 devpts /dev/pts
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
mkdir -p /run/sshd
modprobe -a {" ".join(LATER)}
ip link set lo up
for device in /sys/class/net/e*; do
    ip link set "${{device##*/}}" up
    ip address add 10.0.2.15/24 dev "${{device##*/}}"
done
hostname emulated
mount --make-rshared /
/usr/sbin/sshd -e
exec busybox init
"""
FILES = {
    "etc/inittab": "::sysinit:/bin/true\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n"
    "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:20000::::::\nsshd:!:20000::::::\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/ssh/sshd_config": "PermitRootLogin prohibit-password\nUsePAM no\n"
    "Subsystem sftp internal-sftp\n",
    "etc/containers/containers.conf": '[engine]\ncgroup_manager = "cgroupfs"\n'
    'events_logger = "file"\n[containers]\nlog_driver = "k8s-file"\n',
    "etc/containers/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
    "etc/containers/storage.conf": '[storage]\ndriver = "overlay"\nrunroot = "/run/containers"\n'
    'graphroot = "/var/lib/containers/storage"\n',
}


def make_disk(folder: Path) -> None:
    """Make ``disk.ext4``, ``initrd`` and ``vmlinuz`` in a folder, and the key to log in with."""
    root = folder / "root"
    _run(
        "mmdebstrap", "--mode=root", "--variant=extract", "--architectures=s390x", "--format=dir",
        "--quiet", f"--include={','.join(PACKAGES)}", SUITE, root,
        archive_places()["Debian"],
    )  # fmt: skip
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "bin" / "sh").symlink_to("bash")
    start = root / "usr" / "sbin" / "start"
    start.write_text(INIT)
    start.chmod(0o755)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / "etc/ssh/ssh_host_ed25519_key")
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    keys = root / "root" / ".ssh" / "authorized_keys"
    keys.parent.mkdir(parents=True, mode=0o700)
    (root / "root").chmod(0o700)
    shutil.copy(folder / "key.pub", keys)
    release = next((root / "lib/modules").iterdir()).name
    _run("depmod", "-b", root, release)
    shutil.copy(root / "boot" / f"vmlinuz-{release}", folder / "vmlinuz")
    _make_initrd(folder, root, release)
    with (folder / "disk.ext4").open("wb"):
        pass
    _run("mke2fs", "-q", "-t", "ext4", "-d", root, folder / "disk.ext4", DISK)
    shutil.rmtree(root)


def _make_initrd(folder: Path, root: Path, release: str) -> None:
    """A first root with nothing but the modules that mount the real one."""
    first = folder / "first"
    for name in ("bin", "dev", "proc", "sys", "root"):
        (first / name).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", first / "bin/busybox")
    (first / "init").write_text(FIRST_INIT)
    (first / "init").chmod(0o755)
    told = _run("modprobe", "-d", root, "-S", release, "--show-depends", "-a", *EARLY).split()
    for path in dict.fromkeys(Path(word) for word in told if ".ko" in word):
        copy = first / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        if copy.suffix == ".xz":
            _run("xz", "-d", copy)
    _run("depmod", "-b", first, release)
    _run("sh", "-c", f"cd {first} && find . | cpio -o -H newc --quiet > {folder}/initrd")
    shutil.rmtree(first)


@dataclass
class Machine:
    """The running machine: ``url`` as the runner takes it, ``config`` for OpenSSH's client."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"ssh://root@127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def console(self) -> str:
        return (self.folder / "console.log").read_text(errors="replace")

    def ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        return subprocess.run(
            ["ssh", "-F", self.config, "-p", str(self.port), "root@127.0.0.1", command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def await_ssh(self) -> None:
        """Wait until it can be logged in to."""
        deadline = time.monotonic() + PATIENCE
        while self.ssh("true").returncode != 0:
            assert self.process.poll() is None, self.console
            assert time.monotonic() < deadline, self.console
            time.sleep(1)

    def stop(self) -> None:
        """Switch it off."""
        self.process.kill()
        self.process.wait()


def start(folder: Path) -> Machine:
    """Start the machine whose disk is in the folder, on a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "ssh_config").write_text(
        f"IdentityFile {folder}/key\nIdentitiesOnly yes\nBatchMode yes\nConnectTimeout 20\n"
        "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n"
    )
    with (folder / "console.log").open("wb") as console:
        process = subprocess.Popen(
            ["qemu-system-s390x", "-machine", "s390-ccw-virtio", "-cpu", "max", "-smp", "1",
             "-m", MEMORY, "-nographic", "-no-reboot",
             "-kernel", folder / "vmlinuz", "-initrd", folder / "initrd", "-append", "quiet",
             "-drive", f"file={folder}/disk.ext4,format=raw,if=virtio,cache=unsafe",
             "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
             "-device", "virtio-net-ccw,netdev=net", "-device", "virtio-rng-ccw"],
            stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
        )  # fmt: skip
    return Machine(folder, port, process)


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
