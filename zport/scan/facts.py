"""What is known of every package of a closure on a target, gathered before anything is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from zport.distribution import TRIXIE, Distribution
from zport.errors import FetchError, HostError
from zport.recipes import Recipe, recipe_names
from zport.resolve.providers import Provided, Resolver
from zport.scan.debian import PythonPackages
from zport.scan.listing import KeptIndex
from zport.scan.model import Entry, Packaged, SourceFacts
from zport.scan.sources import Sources
from zport.sources.kinds import is_pinned
from zport.sources.pypi import IndexFile
from zport.targets import Target, host_target
from zport.workspace import Workspace

AT_ONCE = 16
"""Questions to the index at one time: most of each is waiting."""
OTHER_PYTHON = "our recipe makes a wheel for Python"
"""How the reason begins where a recipe is for another Python than the one that is asked about."""
From = TypeVar("From")
To = TypeVar("To")


@dataclass(frozen=True)
class Facts:
    """A package on a target: what the resolver says, and what else there is where that is nothing.

    ``recipe`` is the recipe of this version, or of ``another`` version. ``files`` counts the files
    that the index has of the version for other platforms and Pythons.
    """

    entry: Entry
    target: Target
    provided: Provided
    recipe: Recipe | None = None
    another: Recipe | None = None
    files: int = 0
    sdist: IndexFile | None = None
    source: SourceFacts | None = None
    packaged: Packaged | None = None

    @property
    def unserved(self) -> bool:
        """Whether nothing that could be built or fetched now serves the package."""
        unpinned = self.recipe is not None and not is_pinned(self.recipe.source)
        return self.provided.kind == "blocked" or unpinned


class Gatherer:
    """Asks the resolver, the index and the archive about packages, many at a time."""

    def __init__(
        self,
        workspace: Workspace,
        index: KeptIndex,
        distribution: Distribution,
        targets: Sequence[Target],
        *,
        packaged: bool = True,
        refresh: bool = False,
    ) -> None:
        self.index = index
        self.distribution = distribution
        self.resolver = Resolver(workspace, index, distribution, refresh=refresh, keep_absent=False)
        self.sources = Sources(workspace, index)
        architectures = [one.debian for one in dict.fromkeys([host_target(), *targets])]
        self.archive = (
            PythonPackages(workspace, distribution, architectures, refresh=refresh)
            if packaged
            else None
        )
        self._recipes = frozenset(recipe_names())
        self.notes: list[str] = []

    def gather(self, entries: Iterable[Entry], target: Target) -> list[Facts]:
        """The facts of every entry on a target, in the order of the entries.

        Raises :class:`FetchError` when the package index does not answer.
        """
        self.index.prepare()
        facts = _together(lambda entry: self._provided(entry, target), list(entries))
        open_ones = [one for one in facts if one.unserved]
        offered = self._offered(open_ones, target)
        seen = _together(self._more, open_ones)
        more = {
            one.entry.key: replace(one, packaged=offered.get(one.entry.pin.name)) for one in seen
        }
        return [more.get(one.entry.key, one) for one in facts]

    def _provided(self, entry: Entry, target: Target) -> Facts:
        pin = entry.pin
        if entry.source:
            reason = f"it comes from {entry.source}"
            return Facts(entry, target, Provided(pin.name, pin.version, "blocked", reason=reason))
        if not pin.hashes:
            # A lock without hashes admits every file of the version, as pip does.
            files = self.index.files(pin.name, pin.version)
            pin = replace(pin, hashes=frozenset(file.sha256 for file in files))
        provided = self.resolver.provide(pin, target)
        if provided.kind == "recipe" and self.distribution.python != TRIXIE.python:
            reason = f"{OTHER_PYTHON} {TRIXIE.python_version}"
            provided = replace(provided, kind="blocked", reason=reason)
        ours = provided.kind == "recipe"
        recipe = self.resolver.recipe_of(pin.name, pin.version) if ours else None
        return Facts(entry, target, provided, recipe)

    def _more(self, facts: Facts) -> Facts:
        pin = facts.entry.pin
        if facts.entry.source:
            return facts
        another = self.resolver.recipe(pin.name) if pin.name in self._recipes else None
        sdist = self.index.sdist(pin.name, pin.version, self.distribution)
        files = len(self.index.files(pin.name, pin.version))
        source = self.sources.read(sdist) if sdist else None
        return replace(facts, another=another, files=files, sdist=sdist, source=source)

    def _offered(self, facts: Sequence[Facts], target: Target) -> dict[str, Packaged]:
        """The distribution's packages of those that nothing else serves."""
        if not self.archive or not facts:
            return {}
        names = [one.entry.pin.name for one in facts if not one.entry.source]
        try:
            found = self.archive.versions(target, names)
        except (FetchError, HostError) as error:
            self.notes.append(f"the distribution was not asked: {error.message}")
            return {}
        offered = {}
        for one in facts:
            name = one.entry.pin.name
            if name in found:
                package, version = found[name]
                offered[name] = Packaged(package, version, _satisfies(one.entry, version))
        return offered


def _satisfies(entry: Entry, version: str) -> bool:
    """Whether a version is one that was asked for; without a specifier the pin alone is."""
    specifier = f"=={entry.pin.version}" if entry.asked is None else entry.asked
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _together(work: Callable[[From], To], items: Sequence[From]) -> list[To]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, items))
