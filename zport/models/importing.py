"""``zport models import``: what of foreign manifests can be run here, and copies of what can."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zport.agents import Agent
from zport.errors import UsageError
from zport.models.foreign import Finding, Foreign, code_findings
from zport.untrusted import require_inside
from zport.workspace import part_folder

_MODULES = {"pillow": "PIL", "pyyaml": "yaml", "mlcommons-loadgen": "mlperf_loadgen"}
"""The module of a requirement whose name is another one."""
_STEPS = ("preprocess", "postprocess")


@dataclass(frozen=True)
class Wish:
    """What a manifest is to be completed with: input files, and what its weights are."""

    inputs: Sequence[Path] = ()
    weights: str = "trained"


def judge(foreign: Foreign, agents: Sequence[Agent], wish: Wish) -> Foreign:
    """The manifest with what is said of everything but its files."""
    manifest = foreign.manifest
    if manifest is None:
        return foreign
    able = [agent for agent in agents if agent.framework.lower() == manifest.framework.name.lower()]
    found: list[Finding] = []
    if not able:
        known = ", ".join(sorted({agent.framework for agent in agents}))
        found.append(Finding("framework", f"no agent for {manifest.framework.name}; there is "
                             f"{known}", "see CONTRIBUTING: an agent"))  # fmt: skip
    found += _processing(foreign, able)
    if not wish.inputs and manifest.zport is None:
        found.append(Finding("inputs", "none beside the manifest", "give files with --input"))
    if manifest.license is None:
        found.append(Finding("licence", "none is stated", hinders=False))
    return foreign.found(*found)


def _processing(foreign: Foreign, able: Sequence[Agent]) -> Iterator[Finding]:
    provided = frozenset(module for agent in able for module in modules_of(agent))
    for step in _STEPS:
        text = getattr(foreign.manifest, step)
        if text:
            yield from code_findings(step, text, provided)
        else:
            yield Finding("processing", f"{step}: missing", f"write {step}(ctx, data)")


def modules_of(agent: Agent) -> set[str]:
    """The modules that an agent's image has besides Python's own."""
    names = (canonicalize_name(Requirement(text).name) for text in agent.requirements)
    return {_MODULES.get(name, name.replace("-", "_")) for name in names}


def write_model(foreign: Foreign, folder: Path, wish: Wish) -> Path:
    """Copy a runnable manifest into ``folder`` as a model, with its inputs; its new folder.

    Raises :class:`UsageError` when a model of that name is there already.
    """
    name = re.sub(r"[^a-z0-9.]+", "-", foreign.name.lower()).strip("-.")
    place = folder / name
    if place.exists():
        raise UsageError(f"there is a model {name} already", where=place,
                         next_step="remove it first, or change the manifest's name")  # fmt: skip
    files = list(wish.inputs) or _own_inputs(foreign)
    document = dict(foreign.document)
    own = {"weights": wish.weights, "inputs": [path.name for path in wish.inputs]}
    document["zport"] = {**(document.get("zport") or {}), **(own if wish.inputs else {})}
    with part_folder(place) as part:
        for path in files:
            shutil.copyfile(path, part / path.name)
        text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
        (part / "manifest.yml").write_text(text, encoding="utf-8")
    return place


def _own_inputs(foreign: Foreign) -> list[Path]:
    """The inputs of a manifest that has zport's block."""
    names = foreign.manifest.extension().inputs if foreign.manifest else []
    paths = [foreign.path.parent / name for name in names]
    for path in paths:
        if not path.is_file():
            raise UsageError("no such input", where=path, next_step="give files with --input")
        require_inside(foreign.path.parent, path.name, where=foreign.path)
    return paths


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines, such as code, as it is."""


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = "|" if "\n" in text else None
    # A blank at a line's end would make YAML quote the whole text.
    lines = "\n".join(line.rstrip() for line in text.split("\n")) if style else text
    return dumper.represent_scalar("tag:yaml.org,2002:str", lines, style=style)


_Dumper.add_representer(str, _text)
