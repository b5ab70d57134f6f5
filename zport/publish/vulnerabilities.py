"""Known vulnerabilities of what a bill of materials lists, from Debian's security tracker.

The tracker's data is one JSON file (on its site: ``tracker/data/json``), by source package, CVE and
release. It says nothing of wheels and of the agent's own code: those stay unjudged.
"""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from zport.errors import FetchError, HostError, UsageError

NOT_AFFECTED = "0"
"""The fixed version of what never was in a release."""
BUILT_AGAIN = re.compile(r"\+b\d+$")
"""The mark of a package that was only built again, such as for another library."""


@dataclass(frozen=True)
class Vulnerability:
    """A CVE of an installed source package. ``fixed`` is the version that mends it, if any."""

    cve: str
    source: str
    installed: str
    packages: tuple[str, ...]
    urgency: str
    fixed: str | None


@dataclass(frozen=True)
class Listing:
    """What was found, and how many components there was nothing to ask about."""

    found: tuple[Vulnerability, ...]
    judged: int
    unjudged: int


def list_vulnerabilities(
    bill: dict[str, Any], tracker: dict[str, Any], release: str, where: str = "the bill"
) -> Listing:
    """The open vulnerabilities of a bill's Debian packages in a release; ``where`` the bill is.

    Raises :class:`UsageError` for a bill or a tracker's data that is none, and for a release that
    the data says nothing of; :class:`HostError` without dpkg.
    """
    parts = _parts(bill, where)
    sources: dict[tuple[str, str], list[str]] = {}
    for part in parts:
        if part.type == "deb":
            sources.setdefault(source_of(part), []).append(part.name)
    try:
        found = [
            one
            for (source, version), packages in sorted(sources.items())
            for one in _open(tracker.get(source, {}), source, version, packages, release)
        ]
        known = _knows(tracker, release)
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(
            "not the data of Debian's security tracker: packages, CVEs, releases, each with status",
            where="--tracker", next_step="give all of the tracker's JSON data, as it is",
        ) from error  # fmt: skip
    if not known:
        raise UsageError(
            f"nothing about {release} in the tracker's data",
            where="--release, --tracker",
            next_step="name the release as the tracker does, such as trixie, and give all its data",
        )
    judged = sum(map(len, sources.values()))
    return Listing(tuple(found), judged, len(parts) - judged)


def _parts(bill: dict[str, Any], where: str) -> list[PackageURL]:
    """The package URLs of a bill's components."""
    listed = bill.get("components") if isinstance(bill, dict) else None
    if not isinstance(listed, list):
        raise _no_bill("no list of components", f"{where}: components")
    parts = []
    for number, part in enumerate(listed):
        try:
            parts.append(PackageURL.from_string(part["purl"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = f": {error}" if isinstance(error, ValueError) else ""
            place = f"{where}: components.{number}.purl"
            raise _no_bill(f"no package URL{said}", place) from error
    return parts


def _no_bill(what: str, where: str) -> UsageError:
    return UsageError(
        f"not a CycloneDX bill with package URLs: {what}", where=where,
        next_step="give a bill in CycloneDX's JSON in which each component has a purl",
    )  # fmt: skip


def source_of(package: PackageURL) -> tuple[str, str]:
    """The source package of a Debian package, and its version."""
    upstream = dict(package.qualifiers).get("upstream") or package.name
    source, _, version = str(upstream).partition("@")
    return source, version or BUILT_AGAIN.sub("", str(package.version))


def _knows(tracker: dict[str, Any], release: str) -> bool:
    """Whether the data has this release at all: else nothing would seem to be open in it."""
    return any(
        release in entry.get("releases", {})
        for entries in tracker.values()
        for entry in entries.values()
    )


def _open(
    known: dict[str, Any], source: str, version: str, packages: list[str], release: str
) -> Iterator[Vulnerability]:
    for cve, entry in sorted(known.items()):
        state = entry["releases"].get(release)
        if state is None or state["status"] == "undetermined":
            continue
        fixed = state.get("fixed_version")
        if state["status"] == "resolved" and (
            fixed in (None, NOT_AFFECTED) or not is_older(version, fixed)
        ):
            continue
        yield Vulnerability(cve, source, version, tuple(sorted(packages)),
                            str(state.get("urgency", "unknown")), fixed)  # fmt: skip


@cache
def is_older(version: str, other: str) -> bool:
    """Whether a Debian version is older than another; dpkg knows.

    Raises :class:`HostError` where it is not installed.
    """
    compare = ["dpkg", "--compare-versions", version, "lt", other]
    try:
        return subprocess.run(compare, capture_output=True, check=False).returncode == 0
    except FileNotFoundError as error:
        raise HostError(
            "dpkg is not installed, and it compares Debian's versions",
            next_step="install the package dpkg, which other distributions have too",
        ) from error


def read_tracker(place: str) -> dict[str, Any]:
    """The tracker's data from a file or URL. Raises :class:`FetchError` when it cannot be had."""
    try:
        if place.startswith(("https://", "http://")):
            with urllib.request.urlopen(place, timeout=120) as answer:  # noqa: S310 - as checked
                content = answer.read()
        else:
            content = Path(place).read_bytes()
        data: dict[str, Any] = json.loads(content)
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise FetchError(
            f"cannot be read: {error}",
            where=place,
            next_step="give the JSON data of Debian's security tracker, as a file or URL",
        ) from error
    if not isinstance(data, dict):
        raise FetchError("not the data of Debian's security tracker", where=place)
    return data
