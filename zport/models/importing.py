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
from zport.definitions import require_inside
from zport.errors import DefinitionError, UsageError
from zport.models import load_model
from zport.models.foreign import Finding, Foreign, code_findings
from zport.workspace import make_folder, part_folder

_MODULES = {"pillow": "PIL", "pyyaml": "yaml", "mlcommons-loadgen": "mlperf_loadgen"}
"""The module of a requirement whose name is another one."""
_STEPS = ("preprocess", "postprocess")
_MANIFEST = "manifest.yml"


@dataclass(frozen=True)
class Wish:
    """What a manifest is to be completed with: input files, and what its weights are.

    Raises :class:`UsageError` for inputs of one name: they will lie in one folder.
    """

    inputs: Sequence[Path] = ()
    weights: str = "trained"

    def __post_init__(self) -> None:
        seen: dict[str, Path] = {}
        for path in self.inputs:
            other = seen.setdefault(path.name, path)
            if other is not path:
                raise UsageError(f"two inputs of one name: {other} and {path}", where="--input",
                                 next_step="rename one of them")  # fmt: skip


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
    """Copy a runnable manifest into ``folder`` as a model, with its files; its new folder.

    Raises :class:`UsageError` when a model of that name is there already or a file cannot be taken,
    and :class:`DefinitionError` when it would be no valid model; then nothing is left behind.
    """
    name = re.sub(r"[^a-z0-9.]+", "-", foreign.name.lower()).strip("-.")
    place = folder / name
    if place.exists():
        raise UsageError(f"there is a model {name} already", where=place,
                         next_step="remove it first, or change the manifest's name")  # fmt: skip
    files = _files(foreign, wish)
    document = dict(foreign.document)
    own = {"weights": wish.weights, "inputs": [path.name for path in wish.inputs]}
    document["zport"] = {**(document.get("zport") or {}), **(own if wish.inputs else {})}
    with part_folder(place) as part:
        for inner, path in files.items():
            make_folder((part / inner).parent)
            shutil.copyfile(path, part / inner)
        text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
        (part / _MANIFEST).write_text(text, encoding="utf-8")
        _require_model(part, foreign)
    return place


def _files(foreign: Foreign, wish: Wish) -> dict[str, Path]:
    """What is to lie beside the new manifest: each file's name there, and where it is now.

    Raises :class:`UsageError` for a file that is not there or whose name is taken, and
    :class:`DefinitionError` for one outside the manifest's folder.
    """
    own = foreign.manifest.zport if foreign.manifest else None
    files: dict[str, Path] = {}
    if own and own.network:
        files[own.network] = _present(foreign, own.network, "restore the file")
    if own and not wish.inputs:
        for name in own.inputs:
            files[name] = _present(foreign, name, "give files with --input")
        # The stored outputs are those of the manifest's own inputs, and of no others.
        stored = _own(foreign, own.expected)
        files |= {own.expected: stored} if stored.is_file() else {}
    for path in wish.inputs:
        if path.name in (*files, _MANIFEST):
            raise UsageError(f"another file of the model is named {path.name}",
                             where=f"--input {path}", next_step="rename the input")  # fmt: skip
        files[path.name] = path
    return files


def _present(foreign: Foreign, name: str, step: str) -> Path:
    path = _own(foreign, name)
    if not path.is_file():
        raise UsageError("no such file", where=path, next_step=step)
    return path


def _own(foreign: Foreign, name: str) -> Path:
    """Where a file is that the manifest names; it may be looked at."""
    folder = foreign.path.parent
    require_inside(folder, name, where=foreign.path)
    return folder / name


def _require_model(part: Path, foreign: Foreign) -> None:
    """Raise :class:`DefinitionError` unless the folder holds a model as every command reads it."""
    try:
        model = load_model(part)
        model.definition()
        model.sources()
    except DefinitionError as error:
        # It names a folder that will not be there.
        text = error.message.replace(f"{part / _MANIFEST}: ", "")
        raise DefinitionError(
            f"it would be no valid model: {text}",
            where=foreign.path,
            next_step="mend the manifest's zport block, or leave --input and --weights out",
        ) from error


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines, such as code, as it is."""


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = "|" if "\n" in text else None
    # A blank at a line's end would make YAML quote the whole text.
    lines = "\n".join(line.rstrip() for line in text.split("\n")) if style else text
    return dumper.represent_scalar("tag:yaml.org,2002:str", lines, style=style)


_Dumper.add_representer(str, _text)
