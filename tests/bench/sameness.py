"""What differs between two image roots, and why each difference is there."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class Reason:
    """Why differences of these kinds, of paths that a pattern fits, do no harm."""

    kinds: str
    patterns: tuple[str, ...]
    text: str

    def explains(self, difference: Difference) -> bool:
        return difference.kind in self.kinds.split() and any(
            fnmatchcase(difference.path, pattern) for pattern in self.patterns
        )


@dataclass(frozen=True)
class Difference:
    """One path: ``missing`` or ``extra`` in the second root, or differing in what ``kind`` says."""

    kind: str
    path: str


@dataclass(frozen=True)
class Entry:
    """What counts of a file; time stamps do not, an image's layer sets them."""

    type: str
    mode: int
    owner: tuple[int, int]
    capability: bytes
    content: str


REASONS = (
    Reason(
        "missing content",
        ("etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/fstab", "dev/*"),
        "taken from the machine that built it; every container gets its own at run time",
    ),
    Reason(
        "missing extra",
        ("etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/*"),
        "the same exclusions of documentation, under each tool's own file name",
    ),
    Reason(
        "content missing extra",
        ("etc/apt/sources.list",),
        "names the archive; the other one names a folder of the build",
    ),
    Reason(
        "missing",
        ("etc/ld.so.cache", "var/cache/ldconfig/aux-cache"),
        "native ldconfig skips foreign libraries; the loader finds all in the default folders",
    ),
    Reason(
        "missing content",
        (
            "var/log/*.log",
            "var/log/apt/*",
            "var/lib/dpkg/*-old",
            "var/cache/debconf/*-old",
            "var/cache/apt/*.bin",
            "var/cache/debconf/tmp.ci",
            "var/cache/apt/archives/lock",
            "var/lib/apt/lists/lock",
            "var/lib/apt/lists/auxfiles",
        ),
        "logs, backups and caches: they carry dates and nothing reads them",
    ),
    Reason(
        "mode",
        ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial"),
        "as the package has it; apt closes it to others when it first runs in the image",
    ),
    Reason(
        "content",
        ("*/__pycache__/*.pyc",),
        "compiled to be valid whatever time stamps the layer gives the sources",
    ),
    Reason(
        "missing",
        ("*/tests/*__pycache__*", "*/test/*__pycache__*"),
        "tests are not compiled: a program hardly ever imports them, and then Python does it",
    ),
    Reason(
        "content",
        ("var/lib/apt/extended_states",),
        "apt installed the base too, so it knows there also what it chose by itself",
    ),
)


def explain(difference: Difference) -> str | None:
    """The reason for a difference; ``None`` when there is none."""
    return next((reason.text for reason in REASONS if reason.explains(difference)), None)


def compare(expected: Path, found: Path) -> list[Difference]:
    """All differences of the second root from the first, sorted by path."""
    first, second = entries(expected), entries(found)
    differences = []
    for path in sorted(first.keys() | second.keys()):
        if path not in second:
            differences.append(Difference("missing", path))
        elif path not in first:
            differences.append(Difference("extra", path))
        else:
            pairs = zip(vars(first[path]).items(), vars(second[path]).values(), strict=True)
            kinds = [name for (name, one), other in pairs if one != other]
            differences += [Difference(kind, path) for kind in kinds]
    return differences


def entries(root: Path) -> dict[str, Entry]:
    """Every path below a root; what the kernel mounts is left out."""
    return {str(path.relative_to(root)): _entry(path) for path in _walk(root)}


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in ("proc", "sys", "run")]
        yield from (Path(folder) / name for name in (*folders, *files))


def _entry(path: Path) -> Entry:
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    content = capability = b""
    if stat.S_ISLNK(kind):
        content = os.fsencode(path.readlink())
    elif stat.S_ISREG(kind):
        content = hashlib.sha256(path.read_bytes()).digest()
        if "security.capability" in os.listxattr(path):
            capability = os.getxattr(path, "security.capability")
    elif stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
        content = str(status.st_rdev).encode()
    owner = (status.st_uid, status.st_gid)
    return Entry(oct(kind), stat.S_IMODE(status.st_mode), owner, capability, content.hex())
