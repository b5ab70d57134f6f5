"""Locks: requirements resolved to pinned versions with hashes, by uv."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zport.agents import Agent, agent_names, load_agents
from zport.definitions import choose_by_name
from zport.distribution import TRIXIE
from zport.errors import DefinitionError, HostError
from zport.plan.planner import TOOLCHAIN_LOCK
from zport.recipes import (
    BUILD_LOCK,
    TEST_LOCK,
    Recipe,
    load_recipe,
    load_recipes,
    recipe_names,
)
from zport.workspace import write_whole

TOOLCHAIN = "toolchain"


def write_locks(names: Sequence[str]) -> list[Path]:
    """Write the locks of the named agents and recipes, or of all; returns their paths.

    Raises :class:`HostError` without uv, :class:`DefinitionError` when nothing satisfies a
    requirement.
    """
    known = list(dict.fromkeys([*agent_names(), *recipe_names(), TOOLCHAIN]))
    for name in names:
        choose_by_name("agent or recipe", name.partition("==")[0], known)
    return [path for name in names or known for path in _write_locks(name)]


def _write_locks(name: str) -> list[Path]:
    paths = []
    if name == TOOLCHAIN:
        title = "What finishes wheels in every toolchain."
        paths.append(_write_lock(TOOLCHAIN_LOCK, name, title, TRIXIE.toolchain_requirements))
    if name in agent_names():
        agent = load_agents(name)[0]
        title = f"The pinned closure of {name}.toml's requirements."
        paths.append(_write_lock(agent.lock, name, title, _not_packaged(agent)))
    if name.partition("==")[0] in recipe_names():
        recipe = load_recipe(name)
        paths += write_recipe_locks(recipe, recipe.folder)
    return paths


def write_recipe_locks(recipe: Recipe, folder: Path) -> list[Path]:
    """Write a recipe's two locks into a folder; returns their paths. Raises as the above."""
    # A source from elsewhere may be of a package that the index does not know.
    itself = [f"{recipe.name}=={recipe.version}"] if recipe.source.kind == "pypi" else []
    build, test = "What the build imports.", "The wheel and what its tests import."
    requires = recipe.build.requires, [*itself, *recipe.test.requires]
    return [
        _write_lock(folder / BUILD_LOCK, recipe.wanted, build, requires[0], recipe),
        _write_lock(folder / TEST_LOCK, recipe.wanted, test, requires[1], recipe),
    ]


def _write_lock(
    path: Path, name: str, title: str, requirements: Sequence[str], recipe: Recipe | None = None
) -> Path:
    unindexed = [text for text in requirements if _is_unindexed(text)]
    indexed = [text for text in requirements if text not in unindexed]
    pins = resolve(indexed, str(path), recipe) if indexed else ""
    # What their wheels require in turn, whoever requires them has to name too.
    for ours in (load_recipe(Requirement(text).name) for text in unindexed):
        pins += f"{ours.pin.text} \\\n    --hash=sha256:{ours.source.sha256}\n"
    return write_whole(path, f"# {title} Written by: zport lock {name}\n{pins}")


def _is_unindexed(text: str) -> bool:
    """Whether a requirement's version is one that our recipe makes and the index does not know:
    the source, whose hash is pinned, is from elsewhere, and no published wheel is wanted."""
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    if name not in recipe_names():
        return False
    recipe = load_recipe(name)
    return (
        recipe.source.kind != "pypi"
        and recipe.replaces_published
        and requirement.specifier.contains(recipe.version, prereleases=True)
    )


def _not_packaged(agent: Agent) -> list[str]:
    packaged = {canonicalize_name(name) for name in agent.distribution}
    return [
        text
        for text in agent.requirements
        if canonicalize_name(Requirement(text).name) not in packaged
    ]


def resolve(requirements: Sequence[str], where: str, recipe: Recipe | None = None) -> str:
    """The closure of the requirements for all platforms, pinned, in pip's hash-checking format.

    What the project has a recipe for is pinned to the recipe's version; ``recipe`` is one that
    stands in no folder yet.
    """
    if importlib.util.find_spec("uv") is None:
        raise HostError("uv is not installed", where="zport lock", next_step="pip install uv")
    with NamedTemporaryFile("w", prefix="zport-constraints.", suffix=".txt") as constraints:
        versions = {known.name: known.version for known in load_recipes()}
        versions |= {recipe.name: recipe.version} if recipe else {}
        constraints.write("".join(f"{name}=={version}\n" for name, version in versions.items()))
        constraints.flush()
        done = subprocess.run(
            [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal",
             "--python-version", TRIXIE.python_version, "--no-python-downloads",
             "--constraint", constraints.name, "--generate-hashes", "--no-header",
             "--no-annotate", "-"],
            input="\n".join(requirements), capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise DefinitionError(said or "uv gave no reason", where=where)
    return done.stdout
