"""Locks: requirements resolved to pinned versions with hashes, by uv."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zport.agents import Agent, agent_names, load_agents
from zport.definitions import choose_by_name
from zport.distribution import TRIXIE
from zport.errors import DefinitionError, HostError
from zport.recipes import load_recipe, recipe_names
from zport.workspace import write_whole


def write_locks(names: Sequence[str]) -> list[Path]:
    """Write the locks of the named agents and recipes, or of all; returns their paths.

    Raises :class:`HostError` without uv, :class:`DefinitionError` when nothing satisfies a
    requirement.
    """
    known = [*agent_names(), *recipe_names()]
    chosen = [choose_by_name("agent or recipe", name, known) for name in names] or known
    return [_write_lock(name) for name in chosen]


def _write_lock(name: str) -> Path:
    if name in agent_names():
        agent = load_agents(name)[0]
        path, title = agent.lock, f"The pinned closure of {name}.toml's requirements."
        requirements = _not_packaged(agent)
    else:
        recipe = load_recipe(name)
        path, title = recipe.folder / "build-requirements.lock", "What the build imports."
        requirements = list(recipe.build.requires)
    head = f"# {title} Written by: zport lock {name}\n"
    return write_whole(path, head + resolve(requirements, str(path)))


def _not_packaged(agent: Agent) -> list[str]:
    packaged = {canonicalize_name(name) for name in agent.distribution}
    return [
        text
        for text in agent.requirements
        if canonicalize_name(Requirement(text).name) not in packaged
    ]


def resolve(requirements: Sequence[str], where: str) -> str:
    """The closure of the requirements for all platforms, pinned, in pip's hash-checking format."""
    if importlib.util.find_spec("uv") is None:
        raise HostError("uv is not installed", where="zport lock", next_step="pip install uv")
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal",
         "--python-version", TRIXIE.python_version, "--no-python-downloads",
         "--generate-hashes", "--no-header", "--no-annotate", "-"],
        input="\n".join(requirements), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise DefinitionError(said or "uv gave no reason", where=where)
    return done.stdout
