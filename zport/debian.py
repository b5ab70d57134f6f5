"""Debian packages: which ones a set of names needs, pinned by SHA-256.

apt itself resolves, on the host, in a private root for the wanted architecture, so no target code
runs and the answer is what ``apt-get install`` in the image would have chosen. Where the archive
is comes from the host's own apt configuration (or ``ZPORT_DEBIAN_MIRROR``), so mirrors are
honoured. The answer is kept in the build folder: the same lock gives the same images until
``--refresh``.
"""

from __future__ import annotations

import email.utils
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from zport.distribution import Distribution
from zport.errors import BlockedError, FetchError, HostError
from zport.workspace import (
    Workspace,
    digest,
    make_folder,
    read_json,
    write_json,
    write_whole,
)

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SECURITY_SUFFIX = "-security"
URI_LINE = re.compile(
    r"'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})"
)


def upstream_version(version: str) -> str:
    """Upstream's part of a Debian version: ``1.21.0`` of ``1:1.21.0+dfsg-1+b2``."""
    plain = version.partition(":")[2] or version
    return re.split(r"[+~]", plain.rpartition("-")[0] or plain)[0]


@dataclass(frozen=True)
class DebianPackage:
    """One .deb file. ``stanza`` is its entry in the archive's index, as apt prints it."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    uri: str
    stanza: str

    @property
    def file(self) -> str:
        """A file name that is safe in a context and in an apt ``file:`` source."""
        version = self.version.split(":", 1)[-1]
        return f"{self.name}_{version}_{self.architecture}.deb"

    def index_entry(self) -> str:
        """The stanza with its file name as it lies beside the index."""
        return re.sub(r"(?m)^Filename: .*$", f"Filename: ./{self.file}", self.stanza).strip() + "\n"


@dataclass(frozen=True)
class Closure:
    """The packages that a request needs on top of what is installed, in one archive state.

    ``date`` is the archive's own (seconds since the epoch): the time that images built from it
    carry. ``left_out`` names the suites that the archive did not serve whole.
    """

    packages: tuple[DebianPackage, ...]
    date: int
    left_out: tuple[str, ...]

    def index(self) -> str:
        """A ``Packages`` file for a folder that holds these packages."""
        return "\n".join(package.index_entry() for package in self.packages)

    def installed(self) -> str:
        """These packages as a dpkg status file would show them after installation."""
        return "\n".join(
            re.sub(r"(?m)^Package: (.*)$", r"Package: \1\nStatus: install ok installed",
                   package.stanza, count=1).strip() + "\n"
            for package in self.packages
        )  # fmt: skip


class Archive:
    """Debian's archive as the host reaches it, seen through one private apt root a target.

    ``architectures`` are all those of the plan: a suite is used for all of them or for none,
    because libraries of two architectures stand side by side in a toolchain only in one version.
    """

    def __init__(
        self,
        workspace: Workspace,
        distribution: Distribution,
        architectures: Sequence[str],
        *,
        refresh: bool = False,
    ) -> None:
        self.workspace = workspace
        self.distribution = distribution
        self.architectures = sorted(set(architectures))
        self.refresh = refresh
        self._fresh: set[str] = set()
        self._answers: dict[tuple[tuple[str, ...], tuple[str, ...], str], Closure] = {}
        self._left_out: tuple[str, ...] | None = None

    def closure(
        self, architectures: Sequence[str], names: Sequence[str], installed: str = ""
    ) -> Closure:
        """The packages that ``names`` need; the first architecture is the native one.

        ``installed`` is a dpkg status file's text: what is there already is not in the answer.
        Raises :class:`BlockedError` when a name cannot be installed and :class:`FetchError` when
        the archive does not answer.
        """
        question = (tuple(architectures), tuple(names), installed)
        if question not in self._answers:
            request = {
                "suite": self.distribution.suite,
                "together": self.architectures,
                "architectures": list(architectures),
                "names": list(names),
                "installed": digest(installed),
            }
            lock = self.workspace.locks / "debian" / f"{digest(request)[:16]}.json"
            known = self._known(lock)
            self._answers[question] = (
                _load(known) if known else self._resolve(request, lock, installed)
            )
        return self._answers[question]

    def _resolve(self, request: dict[str, Any], lock: Path, installed: str) -> Closure:
        architectures, names = request["architectures"], request["names"]
        root = self._root(architectures)
        status = write_whole(root / f"status-{lock.stem}-{os.getpid()}", installed)
        try:
            closure = self._ask(root, status, names)
        finally:
            status.unlink(missing_ok=True)
        write_json(lock, {"request": request, "closure": asdict(closure)})
        return closure

    @property
    def left_out(self) -> tuple[str, ...]:
        """The optional suites that the archive does not serve whole for every architecture."""
        if self._left_out is None:
            lock = self.workspace.locks / "debian" / f"suites-{'-'.join(self.architectures)}.json"
            with self.workspace.exclusive(lock.stem):
                known = self._known(lock)
                missing = known["left_out"] if known else self._probe()
                self._left_out = tuple(missing)
                write_json(lock, {"left_out": missing})
        return self._left_out

    def sources(self) -> str:
        """The archive as the ``sources.list`` of an image, so that apt works in it later."""
        return self._sources(self._served())

    def _known(self, lock: Path) -> dict[str, Any] | None:
        """What an earlier run wrote, unless this one was asked to refresh it and has not yet."""
        if self.refresh and lock.name not in self._fresh:
            self._fresh.add(lock.name)
            return None
        known: dict[str, Any] | None = read_json(lock)
        return known

    def _ask(self, root: Path, status: Path, names: Sequence[str]) -> Closure:
        options = ["-o", f"Dir::State::status={status}"]
        printed = apt(
            root, "apt-get", *options, "install", "--yes", "--print-uris", "-q",
            "-o", "Acquire::ForceHash=SHA256", *names,
        )  # fmt: skip
        if printed.returncode != 0:
            raise BlockedError(
                _first_reason(printed.stderr + printed.stdout),
                where=f"Debian {self.distribution.suite}: {' '.join(names)}",
                next_step="check the package names, or run again with --refresh",
            )
        lines = [match for match in map(URI_LINE.match, printed.stdout.splitlines()) if match]
        stanzas = _stanzas(root, options, [unquote(line["file"]) for line in lines])
        packages = [_package(line, stanzas) for line in lines]
        return Closure(tuple(packages), _release_date(root, self.distribution.suite), self.left_out)

    def _root(self, architectures: Sequence[str]) -> Path:
        """A private apt root with lists, fresh if that was asked for."""
        name = f"{self.distribution.suite}-{'-'.join(architectures)}"
        root = self.workspace.root / "apt" / name
        sources = self._sources(self._served())
        with self.workspace.exclusive(f"apt-{name}"):
            stale = self.refresh and name not in self._fresh
            marker = root / "complete"
            if stale or not marker.exists() or marker.read_text() != sources:
                marker.unlink(missing_ok=True)
                write_root(root, architectures, sources)
                update(root, self.distribution.suite)
                write_whole(marker, sources)
                self._fresh.add(name)
        return root

    def _served(self) -> tuple[str, ...]:
        optional = self.distribution.optional_suites
        return (self.distribution.suite, *(s for s in optional if s not in self.left_out))

    def _probe(self) -> list[str]:
        """Ask for each optional suite with all architectures.

        The required suite is asked for first: an archive that does not answer at all must not
        pass for one without the optional suites.
        """
        self._ask_for(self.distribution.suite)
        missing = []
        for suite in self.distribution.optional_suites:
            try:
                self._ask_for(suite)
            except FetchError:
                missing.append(suite)
        return missing

    def _ask_for(self, suite: str) -> None:
        """Raise :class:`FetchError` unless the archive serves the suite for all architectures."""
        sources = self._sources((suite,))
        if not sources.strip():
            raise FetchError("no place of it is known", where=f"Debian archive, suite {suite}")
        with TemporaryDirectory(dir=make_folder(self.workspace.root / "apt")) as name:
            write_root(Path(name), self.architectures, sources)
            update(Path(name), suite)

    @cached_property
    def _places(self) -> dict[str, str]:
        return archive_places()

    def _sources(self, suites: Sequence[str]) -> str:
        """The suites as lines of a ``sources.list``; those without a known place are left out."""
        lines = []
        for suite in suites:
            label = "Debian-Security" if suite.endswith(SECURITY_SUFFIX) else "Debian"
            if place := self._places.get(label):
                lines.append(f"deb [signed-by={KEYRING}] {place} {suite} main")
        return "\n".join(lines) + "\n"


def archive_places() -> dict[str, str]:
    """Where the host's apt gets Debian from: base URI by the archive's label.

    ``ZPORT_DEBIAN_MIRROR`` (and ``ZPORT_DEBIAN_SECURITY_MIRROR``) go before the configuration, for
    hosts that are not Debian.
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
        "etc/apt.conf.d",
    ):
        make_folder(root / folder)
    write_whole(root / "status", "")
    write_whole(root / "etc/sources.list", sources)
    listed = " ".join(f'"{architecture}";' for architecture in architectures)
    write_whole(
        root / "apt.conf",
        f'APT::Architecture "{architectures[0]}";\n'
        f"APT::Architectures {{ {listed} }};\n"
        'APT::Install-Recommends "false";\n'
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


def apt(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run one of apt's commands in a private root; its failure is the caller's to judge."""
    environment = {**os.environ, "APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C.UTF-8"}
    return _run(command, environment)


def _run(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise HostError(
            f"{command[0]} is not installed",
            next_step="zport resolves Debian packages with apt: run it on Debian or Ubuntu",
        ) from error


def update(root: Path, suite: str) -> None:
    """Read the archive's lists. Raises :class:`FetchError` when they cannot be had,
    :class:`HostError` for a full disk.
    """
    updated = apt(root, "apt-get", "update", "-qq")
    if "No space left on device" in updated.stderr:
        raise HostError(
            "the disk is full",
            where=root.parent,
            next_step="free space on that disk, then run the same command again",
        )
    if updated.returncode != 0:
        raise FetchError(
            _first_reason(updated.stderr),
            where=f"Debian archive, suite {suite}",
            next_step="check the network and the Debian sources in the apt configuration",
        )


def _stanzas(root: Path, options: list[str], files: list[str]) -> dict[str, str]:
    """Index entries by SHA-256 for files named ``name_version_architecture.deb``."""
    if not files:
        return {}
    asked = []
    for file in files:
        name, version, architecture = file.removesuffix(".deb").split("_")
        suffix = "" if architecture == "all" else f":{architecture}"
        asked.append(f"{name}{suffix}={version}")
    shown = apt(root, "apt-cache", *options, "show", *asked)
    found = {}
    for stanza in shown.stdout.split("\n\n"):
        if match := re.search(r"(?m)^SHA256: ([0-9a-f]{64})$", stanza):
            found[match[1]] = stanza.strip()
    return found


def _package(line: re.Match[str], stanzas: dict[str, str]) -> DebianPackage:
    name, version, architecture = unquote(line["file"]).removesuffix(".deb").split("_")
    return DebianPackage(
        name, version, architecture, line["sha256"], int(line["size"]), line["uri"],
        stanzas[line["sha256"]],
    )  # fmt: skip


def _release_date(root: Path, suite: str) -> int:
    """The date of the suite's release file, in seconds since the epoch."""
    for release in sorted((root / "lists").glob(f"*_dists_{suite}_*Release")):
        if match := re.search(r"(?m)^Date: (.+)$", release.read_text(errors="replace")):
            return int(email.utils.parsedate_to_datetime(match[1]).timestamp())
    raise FetchError("no release file", where=f"Debian archive, suite {suite}")


def _first_reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith(("E:", "Err:")) or "Depends:" in line]
    return " · ".join((reasons or lines or ["apt gave no reason"])[:3])


def _load(known: dict[str, Any]) -> Closure:
    closure = known["closure"]
    packages = tuple(DebianPackage(**package) for package in closure["packages"])
    return Closure(packages, closure["date"], tuple(closure["left_out"]))
