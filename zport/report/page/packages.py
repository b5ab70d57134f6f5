"""The packages that have a recipe: how they are built, and what upstream's own tests said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zport.errors import ResultsError, ZportError
from zport.recipes import Recipe, load_recipe, other_versions, recipe_names
from zport.results.records import Json
from zport.suites.outcomes import KNOWN
from zport.targets import TARGETS
from zport.workspace import Workspace, read_json

SUITE_KEYS = ("package", "version", "targets", "differences")


def packages(workspace: Workspace) -> tuple[list[Json], list[str]]:
    """Every recipe with its suite's record, and what of them could not be read."""
    found, problems = [], []
    seconds = {one["step"]: one["seconds"] for one in build_seconds(workspace)}
    for name in recipe_names():
        for wanted in (name, *(f"{name}=={version}" for version in other_versions(name))):
            try:
                found.append(_package(load_recipe(wanted), seconds))
            except ZportError as error:
                problems.append(f"{error.where or wanted}: {error.message}")
    return found, problems


def _package(recipe: Recipe, seconds: dict[str, float | None]) -> Json:
    built = {
        target: seconds[step]
        for target in TARGETS
        if (step := f"wheel-{recipe.title}-{target}") in seconds
    }
    patches = {patch.path.name for target in TARGETS.values() for patch in recipe.patches(target)}
    return {
        "package": recipe.name,
        "version": recipe.version,
        "summary": recipe.summary,
        "recipe": str(recipe.file),
        "mode": recipe.build.mode,
        "not_run": recipe.not_run,
        "replaces_published": recipe.replaces_published,
        "patches": sorted(patches),
        "build_seconds": built,
        "has_suite": recipe.suite is not None,
        "suite": _suite(recipe),
    }


def _suite(recipe: Recipe) -> Json | None:
    """The record of the last run of upstream's tests, if there is one."""
    path = KNOWN / f"{recipe.title}.json"
    record = read_json(path)
    if record is None:
        if path.exists():
            raise ResultsError("not JSON", where=path)
        return None
    if not isinstance(record, dict) or any(key not in record for key in SUITE_KEYS):
        raise ResultsError(f"not a suite's record: it has {', '.join(SUITE_KEYS)}", where=path)
    return {key: record[key] for key in SUITE_KEYS}


def build_seconds(workspace: Workspace) -> list[Json]:
    """Every step that was built here, with its key and how long the build took, in seconds."""
    return list(_steps(workspace))


def _steps(workspace: Workspace) -> Iterator[Json]:
    for path in sorted((workspace.root / "builds").glob("*.json")):
        record: Any = read_json(path)
        if isinstance(record, dict) and "key" in record:
            role, _, rest = path.stem.partition("-")
            target = next((name for name in TARGETS if name in rest.split("-")), None)
            yield {
                "step": path.stem,
                "role": role,
                "target": target,
                "key": record["key"],
                "seconds": record.get("seconds"),
            }
