"""The resolver: where each requirement of an agent comes from on a target.

The order of preference is: the distribution where the agent's definition says so, a wheel from the
package index (pure Python or of the target's platform) unless our recipe says that it replaces it,
our own recipe, else blocked, with the reason. Building does what this decides, and reports print
it; there is no second opinion.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zport.agents import AGENTS, Agent
from zport.distribution import Distribution
from zport.errors import BlockedError, DefinitionError
from zport.recipes import Recipe, load_recipe, other_versions, recipe_names
from zport.resolve.requirements import Pin, holds, read_pins, require_pinned
from zport.sources.pypi import Index, IndexFile
from zport.targets import Target
from zport.workspace import Workspace, digest, read_json, write_json

Kind = Literal["distribution", "recipe", "pure", "published", "blocked"]
PROVIDER_WORDS: dict[Kind, str] = {
    "pure": "pure",
    "distribution": "distribution",
    "published": "published wheel",
    "recipe": "recipe",
    "blocked": "blocked",
}


@dataclass(frozen=True)
class Provided:
    """A requirement and its provider on one target.

    ``file`` is the wheel for the kinds ``pure`` and ``published``, ``package`` Debian's name for
    ``distribution``, ``reason`` why nothing serves it for ``blocked``.
    """

    name: str
    version: str
    kind: Kind
    file: IndexFile | None = None
    package: str | None = None
    reason: str | None = None

    @property
    def text(self) -> str:
        return f"{self.name}=={self.version}"


class Resolver:
    """Decides providers; what the index answered is kept until the lock changes.

    With ``refresh`` it is asked again. Without ``keep_absent`` that it had no wheel is not kept, as
    it may have one tomorrow: a build keeps that too, so that its plan stays as it is and needs no
    network.
    """

    def __init__(
        self,
        workspace: Workspace,
        index: Index,
        distribution: Distribution,
        *,
        refresh: bool = False,
        keep_absent: bool = True,
    ) -> None:
        self.workspace = workspace
        self.index = index
        self.distribution = distribution
        self._refresh = refresh
        self._keep_absent = keep_absent
        self._recipes: dict[str, Recipe] = {}
        self._versions: dict[str, frozenset[str]] = {}
        self._recipe_names = frozenset(recipe_names())

    def resolve(self, agent: Agent, target: Target) -> list[Provided]:
        """Every requirement of the agent's closure with its provider, sorted by name."""
        locked = read_pins(agent.lock)
        self._check_lock(agent, locked)
        pins = [pin for pin in locked if self.applies(pin, target)]
        packaged = [
            Provided(name, "", "distribution", package=package)
            for name, package in agent.packaged.items()
        ]
        left_out = {*agent.packaged, *map(canonicalize_name, agent.without)}
        resolved = packaged + [
            self.provide(pin, target) for pin in pins if pin.name not in left_out
        ]
        return sorted(resolved, key=lambda provided: provided.name)

    def provide(self, pin: Pin, target: Target) -> Provided:
        """Where one pin comes from: a published wheel, our recipe, or nowhere."""
        ours = pin.name in self._recipe_names
        recipe = self.recipe_of(pin.name, pin.version) if ours else None
        fits = recipe is not None and recipe.version == pin.version
        if recipe and fits and recipe.replaces_published:
            return Provided(pin.name, pin.version, "recipe")
        published = self.wheel(pin, target)
        if published.kind == "blocked" and recipe:
            if fits:
                return Provided(pin.name, pin.version, "recipe")
            return replace(published, reason=f"{published.reason} but of {recipe.version}")
        return published

    def recipe_of(self, name: str, version: str) -> Recipe:
        """The recipe of a package's version, else the package's default one."""
        if name not in self._versions:
            self._versions[name] = frozenset(other_versions(name))
        return self.recipe(f"{name}=={version}" if version in self._versions[name] else name)

    def recipe(self, wanted: str) -> Recipe:
        """The recipe of ``PACKAGE`` or ``PACKAGE==VERSION``, read once."""
        if wanted not in self._recipes:
            self._recipes[wanted] = load_recipe(wanted)
        return self._recipes[wanted]

    def applies(self, pin: Pin, target: Target) -> bool:
        """Whether the pin's marker holds on the target."""
        return holds(pin.marker, target, self.distribution)

    def wheel(self, pin: Pin, target: Target) -> Provided:
        """The published wheel for a pin, or ``blocked``."""
        file = self._file(pin, target)
        if file is None:
            reason = f"no wheel of {pin.text} for {target.name}, and no recipe"
            return Provided(pin.name, pin.version, "blocked", reason=reason)
        if file.sha256 not in pin.hashes:
            reason = f"the lock does not know {file.filename}"
            return Provided(pin.name, pin.version, "blocked", reason=reason)
        return Provided(pin.name, pin.version, "pure" if file.is_pure else "published", file=file)

    def _file(self, pin: Pin, target: Target) -> IndexFile | None:
        """The index's wheel for a pin, as it was kept or is answered now."""
        name = f"{digest(self._identity(pin))[:16]}.json"
        lock = self.workspace.locks / "wheels" / target.name / name
        known = None if self._refresh else read_json(lock)
        if known and known["file"]:
            return IndexFile(**known["file"])
        if known and self._keep_absent:
            return None
        file = self.index.wheel(pin.name, pin.version, target, self.distribution)
        if file or self._keep_absent:
            write_json(lock, {"pin": pin.text, "file": asdict(file) if file else None})
        elif self._refresh:
            lock.unlink(missing_ok=True)
        return file

    def _identity(self, pin: Pin) -> list[object]:
        """What an answer of the index depends on besides the target."""
        distribution = self.distribution
        return [pin.text, sorted(pin.hashes), distribution.python, distribution.glibc]

    def _check_lock(self, agent: Agent, pins: list[Pin]) -> None:
        locked = [
            text for text in agent.requirements
            if canonicalize_name(Requirement(text).name) not in agent.packaged
        ]  # fmt: skip
        require_pinned(locked, pins, agent.lock)
        names = {pin.name for pin in pins}
        for name in agent.without:
            if canonicalize_name(name) not in names:
                raise DefinitionError(
                    f"without.{name}: nothing requires it",
                    where=AGENTS / f"{agent.name}.toml",
                    next_step=f"remove it, or run zport lock {agent.name}",
                )


def require_unblocked(provided: list[Provided], agent: Agent, target: Target) -> None:
    """Raise :class:`BlockedError` that names every blocked requirement."""
    blocked = [one for one in provided if one.kind == "blocked"]
    if blocked:
        raise BlockedError(
            "; ".join(one.reason or one.name for one in blocked),
            where=f"agent {agent.name} on {target.name}",
            next_step=f"write a recipe: recipes/{blocked[0].name}/recipe.toml (see CONTRIBUTING)",
        )
