"""Debian packages: which ones a set of names needs, pinned by SHA-256.

apt itself resolves, on the host, in a private root for the wanted architecture, so no target code
runs and the answer is what ``apt-get install`` in the image would have chosen. The answer is kept
in the build folder: the same lock gives the same images until ``--refresh``.
"""

from __future__ import annotations

import email.utils
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from zport.debian import apt
from zport.distribution import Distribution
from zport.errors import BlockedError, FetchError
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
SNAPSHOT = re.compile(r"/\d{8}T\d{6}Z(/|$)")
"""In the URI of an archive as it was at a time, the time: so Debian's snapshot service has them."""
USERINFO = re.compile(r"://[^/@\s]*@")
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


@dataclass(frozen=True)
class Served:
    """What a mirror serves: the release under this name, without these optional suites."""

    name: str
    left_out: tuple[str, ...]


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
        self._served: Served | None = None

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
        with self._root(architectures) as root:
            status = write_whole(root / f"status-{lock.stem}-{os.getpid()}", installed)
            try:
                closure = self._ask(root, status, names)
            finally:
                status.unlink(missing_ok=True)
        write_json(lock, {"request": request, "closure": asdict(closure)})
        return closure

    @property
    def served(self) -> Served:
        """Which suites the archive serves whole for every architecture, and under which name."""
        if self._served is None:
            lock = self.workspace.locks / "debian" / f"served-{'-'.join(self.architectures)}.json"
            with self.workspace.exclusive(lock.stem):
                known = self._known(lock)
                self._served = (
                    Served(known["name"], tuple(known["left_out"])) if known else self._probe()
                )
                write_json(lock, asdict(self._served))
        return self._served

    @property
    def left_out(self) -> tuple[str, ...]:
        """The optional suites that the archive does not serve whole for every architecture."""
        return self.served.left_out

    def sources(self) -> str:
        """The archive as the ``sources.list`` of an image, so that apt works in it later.

        An image is for others: a user's name and password in the mirror's address stay here.
        """
        return USERINFO.sub("://", self._sources(self._suites(self.distribution.suite)))

    def _known(self, lock: Path) -> dict[str, Any] | None:
        """What an earlier run wrote, unless this one was asked to refresh it and has not yet."""
        if self.refresh and lock.name not in self._fresh:
            self._fresh.add(lock.name)
            return None
        known: dict[str, Any] | None = read_json(lock)
        return known

    def _ask(self, root: Path, status: Path, names: Sequence[str]) -> Closure:
        options = ["-o", f"Dir::State::status={status}"]
        printed = apt.run(
            root, "apt-get", *options, "install", "--yes", "--print-uris", "-q",
            "-o", "Acquire::ForceHash=SHA256", *names,
        )  # fmt: skip
        if printed.returncode != 0:
            raise BlockedError(
                apt.first_reason(printed.stderr + printed.stdout),
                where=f"Debian {self.distribution.suite}: {' '.join(names)}",
                next_step="check the package names, or run again with --refresh",
            )
        lines = [match for match in map(URI_LINE.match, printed.stdout.splitlines()) if match]
        stanzas = _stanzas(root, options, [unquote(line["file"]) for line in lines])
        packages = [_package(line, stanzas) for line in lines]
        return Closure(tuple(packages), _release_date(root, self.served.name), self.left_out)

    @contextmanager
    def _root(self, architectures: Sequence[str]) -> Iterator[Path]:
        """A private apt root with lists, fresh if that was asked for, that nobody else renews."""
        name = f"{self.distribution.suite}-{'-'.join(architectures)}"
        root = self.workspace.root / "apt" / name
        sources = self._sources(self._suites(self.served.name))
        with self.workspace.exclusive(f"apt-{name}"):
            stale = self.refresh and name not in self._fresh
            marker = root / "complete"
            if stale or not marker.exists() or marker.read_text() != sources:
                marker.unlink(missing_ok=True)
                apt.write_root(root, architectures, sources)
                apt.update(root, self.distribution.suite)
                write_whole(marker, sources)
                self._fresh.add(name)
            yield root

    def _suites(self, release: str) -> list[str]:
        """The release and its optional suites that are served, under one of the release's names."""
        optional = [s for s in self.distribution.optional_suites if s not in self.left_out]
        return [self._named(suite, release) for suite in (self.distribution.suite, *optional)]

    def _named(self, suite: str, release: str) -> str:
        return release + suite.removeprefix(self.distribution.suite)

    def _probe(self) -> Served:
        """Ask for each suite with all architectures.

        The required suite is asked for first: an archive that does not answer at all must not
        pass for one without the optional suites.
        """
        release = self._release_name()
        missing = []
        for suite in self.distribution.optional_suites:
            try:
                self._ask_for(suite, release)
            except FetchError:
                missing.append(suite)
        return Served(release, tuple(missing))

    def _release_name(self) -> str:
        """The release's codename, or its alias where a mirror has only the alias's lists whole.

        Both name one folder of Debian's archive, but a proxy keeps the files of each apart, and
        has some of them renewed and others not after a point release.
        """
        codename, alias = self.distribution.suite, self.distribution.alias
        try:
            self._ask_for(codename, codename, pauses=() if alias else apt.PAUSES)
        except apt.MirrorUpdatingError:
            if alias is None:
                raise
            try:
                self._ask_for(codename, alias, pauses=())
            except FetchError:
                self._ask_for(codename, codename)
            else:
                return alias
        return codename

    def _ask_for(self, suite: str, release: str, pauses: Sequence[int] = apt.PAUSES) -> None:
        """Raise :class:`FetchError` unless the archive serves the suite for all architectures."""
        name = self._named(suite, release)
        sources = self._sources((name,))
        where = f"Debian archive, suite {name}"
        if not sources.strip():
            raise FetchError("no place of it is known", where=where)
        with TemporaryDirectory(dir=make_folder(self.workspace.root / "apt")) as folder:
            root = Path(folder)
            apt.write_root(root, self.architectures, sources)
            apt.update(root, name, pauses)
            if name != suite and (found := apt.codename(root)) != suite:
                raise FetchError(f"its codename is {found}, not {suite}", where=where)

    @cached_property
    def _places(self) -> dict[str, str]:
        return apt.archive_places()

    def _sources(self, suites: Sequence[str]) -> str:
        """The suites as lines of a ``sources.list``; those without a known place are left out."""
        lines = []
        for suite in suites:
            label = "Debian-Security" if suite.endswith(SECURITY_SUFFIX) else "Debian"
            if place := self._places.get(label):
                # A snapshot is past its date by intent; a mirror that is has stood still.
                past = " check-valid-until=no" if SNAPSHOT.search(place) else ""
                lines.append(f"deb [signed-by={KEYRING}{past}] {place} {suite} main")
        return "\n".join(lines) + "\n"


def _stanzas(root: Path, options: list[str], files: list[str]) -> dict[str, str]:
    """Index entries by SHA-256 for files named ``name_version_architecture.deb``."""
    if not files:
        return {}
    asked = []
    for file in files:
        name, version, architecture = file.removesuffix(".deb").split("_")
        suffix = "" if architecture == "all" else f":{architecture}"
        asked.append(f"{name}{suffix}={version}")
    shown = apt.run(root, "apt-cache", *options, "show", *asked)
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


def _load(known: dict[str, Any]) -> Closure:
    closure = known["closure"]
    packages = tuple(DebianPackage(**package) for package in closure["packages"])
    return Closure(packages, closure["date"], tuple(closure["left_out"]))
