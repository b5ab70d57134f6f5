"""apt on the host: where Debian's archive is, and private roots in which apt reads and resolves.

Where the archive is comes from the host's own apt configuration (or ``ZPORT_DEBIAN_MIRROR``), so
mirrors are honoured.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from zport.errors import FetchError, HostError
from zport.workspace import make_folder, write_whole

BETWEEN = re.compile("Mirror sync in progress|Hash Sum mismatch")
"""What apt says of lists that are not those that the archive's signed Release names."""
PAUSES = (10, 20, 30)
"""Seconds between two looks at a mirror that is being updated."""
MIRROR_HELP = (
    "the mirror is being updated: run it again later, or name another one in ZPORT_DEBIAN_MIRROR"
)
DECISIVE = {
    "APT::Install-Recommends": "false",
    "APT::Install-Suggests": "false",
    "APT::Default-Release": "",
    "Acquire::AllowInsecureRepositories": "false",
    "Acquire::AllowWeakRepositories": "false",
}
"""What decides what is installed, and whether it is signed. apt reads the host's own configuration,
which says where proxies are, after a private root's: only the command line goes before it."""
NETWORK_HELP = "check the network and the Debian sources in the apt configuration"


class MirrorUpdatingError(FetchError):
    """The mirror has lists of two states of the archive."""


def archive_places() -> dict[str, str]:
    """Where the host's apt gets Debian from: base URI by the archive's label.

    ``ZPORT_DEBIAN_MIRROR`` (and ``ZPORT_DEBIAN_SECURITY_MIRROR``) go before the configuration, for
    hosts that are not Debian, and for the archive as it was at a time.
    """
    places: dict[str, str] = {}
    listed = _run(
        ["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages"],
        dict(os.environ),
    )
    for line in listed.stdout.splitlines():
        label, _, uri = line.partition("|")
        if label in ("Debian", "Debian-Security"):
            places.setdefault(label, uri.rstrip("/"))
    if mirror := os.environ.get("ZPORT_DEBIAN_MIRROR"):
        places["Debian"] = mirror.rstrip("/")
    if mirror := os.environ.get("ZPORT_DEBIAN_SECURITY_MIRROR"):
        places["Debian-Security"] = mirror.rstrip("/")
    if "Debian" not in places:
        raise HostError(
            "no source of Debian packages is configured",
            where="apt",
            next_step="add a Debian source to apt and run apt-get update, "
            "or set ZPORT_DEBIAN_MIRROR to the URI of a mirror",
        )
    return places


def write_root(root: Path, architectures: Sequence[str], sources: str) -> None:
    """Make a private apt root for these architectures; ``sources`` is its sources.list."""
    for folder in (
        "lists/partial",
        "cache/archives/partial",
        "etc/preferences.d",
    ):
        make_folder(root / folder)
    write_whole(root / "status", "")
    write_whole(root / "etc/sources.list", sources)
    listed = " ".join(f'"{architecture}";' for architecture in architectures)
    write_whole(
        root / "apt.conf",
        f'APT::Architecture "{architectures[0]}";\n'
        f"APT::Architectures {{ {listed} }};\n"
        'APT::Get::Assume-Yes "true";\n'
        'Acquire::Languages "none";\n'
        'APT::Update::Error-Mode "any";\n'
        'Acquire::Retries "3";\n'
        f'Dir::State "{root}";\n'
        f'Dir::State::status "{root}/status";\n'
        f'Dir::State::Lists "{root}/lists";\n'
        f'Dir::Cache "{root}/cache";\n'
        f'Dir::Etc::SourceList "{root}/etc/sources.list";\n'
        f'Dir::Etc::SourceParts "{root}/etc/sources.list.d";\n'
        f'Dir::Etc::PreferencesParts "{root}/etc/preferences.d";\n'
        'APT::Sandbox::User "root";\n',
    )


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run one of apt's commands in a private root; its failure is the caller's to judge."""
    environment = {**os.environ, "APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C.UTF-8"}
    settings = {**DECISIVE, "Dir::Etc::Preferences": str(root / "etc/preferences")}
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    return _run([command[0], *options, *command[1:]], environment)


def _run(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise HostError(
            f"{command[0]} is not installed",
            next_step="zport resolves Debian packages with apt: run it on Debian or Ubuntu",
        ) from error


def update(root: Path, suite: str, pauses: Sequence[int] = PAUSES) -> None:
    """Read the archive's lists.

    A mirror that is being updated has lists of two times for a while: it is asked again after each
    of ``pauses``, in seconds. Raises :class:`MirrorUpdatingError` when it still has them then,
    :class:`FetchError` when lists cannot be had at all, :class:`HostError` for a full disk.
    """
    updated = run(root, "apt-get", "update", "-qq")
    for seconds in pauses:
        if not _is_between(updated):
            break
        time.sleep(seconds)
        updated = run(root, "apt-get", "update", "-qq")
    if "No space left on device" in updated.stderr:
        raise HostError(
            "the disk is full",
            where=root.parent,
            next_step="free space on that disk, then run the same command again",
        )
    if updated.returncode != 0:
        kind, next_step = FetchError, NETWORK_HELP
        if _is_between(updated):
            kind, next_step = MirrorUpdatingError, MIRROR_HELP
        where = f"Debian archive, suite {suite}"
        raise kind(first_reason(updated.stderr), where=where, next_step=next_step)


def codename(root: Path) -> str:
    """The codename in the signed Release of the one suite that a private root knows."""
    listed = run(root, "apt-get", "indextargets", "--format", "$(CODENAME)")
    return listed.stdout.partition("\n")[0]


def _is_between(updated: subprocess.CompletedProcess[str]) -> bool:
    """Whether lists could not be had because the mirror is between two states of the archive."""
    return updated.returncode != 0 and BETWEEN.search(updated.stderr) is not None


def first_reason(output: str) -> str:
    """Why apt failed, of all that it says."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith(("E:", "Err:")) or "Depends:" in line]
    return " · ".join((reasons or lines or ["apt gave no reason"])[:3])
