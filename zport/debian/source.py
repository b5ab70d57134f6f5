"""Files of Debian source packages: where the archive has them, by its own ``Sources`` index.

apt reads the index in a private root that knows one ``deb-src`` line; the place is the one that
:mod:`zport.debian.packages` takes packages from. The ``.dsc`` is not needed: the index names every
file with its hash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from zport.debian import apt, packages
from zport.errors import ChecksumError, FetchError
from zport.targets import host_target
from zport.workspace import Workspace

NOT_INDEXED = (
    "pin a version that the suite has, or set ZPORT_DEBIAN_MIRROR to a mirror, "
    "such as a snapshot, that still has this one"
)


@dataclass(frozen=True)
class DebianSourceFile:
    """A file of a source package, named by coordinates; its place is looked up when needed.

    ``version`` is the source package's, with epoch and revision; ``suite`` the one whose index
    lists it.
    """

    package: str
    version: str
    suite: str
    filename: str
    sha256: str

    def __str__(self) -> str:
        return f"debian:{self.package}={self.version} of {self.suite}, {self.filename}"


@dataclass(frozen=True)
class SourcePlace:
    """Where the archive has a source file, as apt takes it, and its size in bytes."""

    uri: str
    size: int


def locate(workspace: Workspace, file: DebianSourceFile) -> SourcePlace:
    """The place of a source file. Asks the archive for its index, or whether it has a newer one.

    Raises :class:`FetchError` when the archive does not answer, or the suite has no such package,
    version or file; :class:`ChecksumError` when the index gives another hash than the pinned one.
    """
    base = _base(file.suite)
    stanzas = _stanzas(_index(workspace, file, base))
    versions = [stanza["Version"] for stanza in stanzas]
    # The index may keep an older version beside the newest.
    found = next((one for one in stanzas if one["Version"] == file.version), None)
    if found is None:
        has = f", but {', '.join(versions)}" if versions else ", nor any other version"
        raise FetchError(
            f"Debian {file.suite} has no source package {file.package} {file.version}{has}",
            where=str(file),
            next_step=NOT_INDEXED,
        )
    files = {
        name: (sha256, int(size))
        for sha256, size, name in map(str.split, found["Checksums-Sha256"].strip().splitlines())
    }
    if file.filename not in files:
        raise FetchError(
            f"{file.package} {file.version} has no file {file.filename}",
            where=str(file),
            next_step=f"choose from {', '.join(sorted(files))}",
        )
    sha256, size = files[file.filename]
    if sha256 != file.sha256:
        raise ChecksumError(
            f"SHA-256 in the archive's index is {sha256}, pinned is {file.sha256}",
            where=str(file),
            next_step="check the pin: Debian never changes a file under its name",
        )
    return SourcePlace(f"{base}/{quote(found['Directory'])}/{quote(file.filename)}", size)


def _base(suite: str) -> str:
    label = "Debian-Security" if suite.endswith(packages.SECURITY_SUFFIX) else "Debian"
    places = apt.archive_places()
    if label not in places:
        raise FetchError("no place of it is known", where=f"Debian archive, suite {suite}")
    return places[label]


def _index(workspace: Workspace, file: DebianSourceFile, base: str) -> str:
    """The index's entries of the package, as apt prints them."""
    name = f"source-{file.suite}"
    root = workspace.root / "apt" / name
    with workspace.exclusive(f"apt-{name}"):
        apt.write_root(
            root,
            [host_target().debian],
            # The pinned hash is what counts, so a snapshot may be past its date.
            f"deb-src [signed-by={packages.KEYRING} check-valid-until=no]"
            f" {base} {file.suite} main\n",
        )
        apt.update(root, file.suite)
        shown = apt.run(root, "apt-cache", "showsrc", "--only-source", file.package)
    if "deb-src" in shown.stderr:
        raise FetchError(
            "the archive has no index of source packages",
            where=f"Debian archive, suite {file.suite}",
            next_step="use a mirror that has the sources too, by apt's configuration "
            "or ZPORT_DEBIAN_MIRROR",
        )
    return shown.stdout


def _stanzas(shown: str) -> list[dict[str, str]]:
    """Entries as fields (deb822); the lines of one field stay together."""
    stanzas = []
    for text in re.split(r"\n\s*\n", shown):
        fields = dict(re.findall(r"(?m)^([A-Za-z0-9-]+):[ \t]*(.*(?:\n[ \t].*)*)", text))
        if {"Version", "Directory", "Checksums-Sha256"} <= fields.keys():
            stanzas.append(fields)
    return stanzas
