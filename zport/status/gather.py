"""Joining: one entry for every package that anything is known about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from zport.agents import agent_names, load_agents
from zport.defects import Defect, load_defects
from zport.definitions import Definition, Line, load_definition
from zport.models import ALL, Model, load_models
from zport.recipes import Recipe, load_recipes
from zport.status.records import Records, WheelRun
from zport.suites.outcomes import KNOWN
from zport.targets import Target, find_target
from zport.workspace import PROJECT, read_json

AUDITS = PROJECT / "porting" / "audits.toml"
TEXTS = PROJECT / "porting" / "upstream"
State = Literal["runs", "runs, with a defect", "has a defect", "not run yet", "looked at"]
STATES: dict[State, str] = {
    "runs": "a wheel of ours was built and passed its test on the target",
    "runs, with a defect": "as before, and a defect is known that is not mended",
    "has a defect": "not built here; known to go wrong, or not to build",
    "not run yet": "a recipe is written and was not built to its end",
    "looked at": "its source was audited; nothing was run",
}


class Audit(Definition):
    """What became of an audit of a package's source: the highest findings, each judged.

    ``errors`` are findings of the highest severity, of which ``real`` are defects on big-endian
    machines. ``note`` says in a line what they are.
    """

    package: str
    version: str
    day: date
    lines: int = Field(gt=0)
    errors: int = Field(ge=0)
    real: int = Field(ge=0)
    warnings: int = Field(ge=0)
    note: Line


class Audits(Definition):
    """``porting/audits.toml``."""

    audit: tuple[Audit, ...] = ()


@dataclass(frozen=True)
class Package:
    """What is known of one package on one target; ``None`` and nothing where nothing is."""

    name: str
    version: str
    state: State
    recipe: Recipe | None = None
    wheel: WheelRun | None = None
    patches: int = 0
    suites: tuple[dict[str, Any], ...] = ()
    defects: tuple[Defect, ...] = ()
    audit: Audit | None = None
    texts: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()

    @property
    def day(self) -> date | None:
        """When something was last run or judged."""
        days = [one.day for one in (self.wheel, self.audit) if one is not None]
        return max(days, default=None)


@cache
def load_audits(path: Path = AUDITS) -> dict[str, Audit]:
    """The judged audits by package. Raises :class:`DefinitionError` for what does not fit."""
    return {one.package: one for one in load_definition(path, Audits).audit}


def gather(records: Records) -> list[Package]:
    """Every package that was looked at, by name."""
    target = find_target(records.target)
    recipes = {one.name: one for one in load_recipes()}
    names = (
        set(recipes)
        | {one.package for one in load_defects() if one.byte_order == target.byte_order}
        | {one.package for one in records.wheels}
        | set(load_audits())
    )
    return [_package(name, recipes.get(name), records, target) for name in sorted(names)]


def untried_models(records: Records) -> list[Model]:
    """The models that no agent has run on the target."""
    tried = {one.model for one in records.cells}
    return [model for model in load_models([ALL]) if model.name not in tried]


def _package(name: str, recipe: Recipe | None, records: Records, target: Target) -> Package:
    wheels = [one for one in records.wheels if one.package == name]
    wheel = next((one for one in wheels if recipe and one.version == recipe.version), None)
    wheel = wheel or (max(wheels, key=lambda one: one.day) if wheels else None)
    audit = load_audits().get(name)
    ours = recipe.version if recipe else wheel.version if wheel else ""
    defects = tuple(
        one
        for one in load_defects()
        if one.package == name and one.byte_order == target.byte_order
        and (not ours or one.concerns(name, ours, target))
    )  # fmt: skip
    # Of the wheel, and of Debian's own package.
    suites = [KNOWN / f"{name}.json", KNOWN / f"{name}-debian.json"]
    return Package(
        name, ours or (audit.version if audit else ""), _state(recipe, wheel, defects), recipe,
        wheel,
        patches=len(recipe.patches(target)) if recipe else 0,
        suites=tuple(read_json(path) for path in suites if path.exists()),
        defects=defects,
        audit=audit,
        texts=tuple(sorted(one.name for one in TEXTS.glob(f"{name}-*.md"))),
        agents=tuple(one for one in agent_names() if name in _packaged(one)),
    )  # fmt: skip


def _state(
    recipe: Recipe | None, wheel: WheelRun | None, defects: Sequence[Defect]
) -> State:  # fmt: skip
    open_ones = [one for one in defects if not (recipe and one.mended_by_recipe)]
    if wheel is not None and not (recipe and recipe.not_run):
        # What keeps others' builds from working is no defect of a wheel that is there.
        worse = [one for one in open_ones if one.kind != "build"]
        return "runs, with a defect" if worse else "runs"
    if recipe is not None:
        return "not run yet"
    return "has a defect" if open_ones else "looked at"


def _packaged(agent: str) -> dict[str, str]:
    return load_agents(agent)[0].packaged
