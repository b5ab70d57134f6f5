"""Manifests as others wrote them: MLModelScope's two generations, and MLHarness's datasets.

The first generation (2017 on) has one ``output``, containers by architecture and no code; the
second (c3sr/dlmodel) has ``outputs``, a modality and Python in it. MLHarness adds datasets:
``init(count)``, ``load(samples)`` and ``unload(samples)``, which fill a list that a model's
preprocess takes its samples from by the global name ``dataset``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from zport_agent.errors import ManifestError
from zport_agent.manifest import Manifest, explain
from zport_agent.yamltext import read_yaml

from zport.errors import UsageError

Generation = Literal["MLModelScope 1", "MLModelScope 2", "MLHarness dataset", "zport", "unreadable"]
DATASET_STEPS = ("init", "load", "unload")
DATASET = "dataset"
"""The global name by which a preprocess takes its samples from an MLHarness dataset."""
SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class Finding:
    """One thing about a manifest: in the way of running it, or only to be known."""

    subject: Literal[
        "manifest", "framework", "processing", "weights", "byte order", "inputs", "licence"
    ]
    text: str
    next_step: str = ""
    hinders: bool = True


@dataclass(frozen=True)
class Foreign:
    """A manifest file as it was read.

    ``document`` is the file's mapping in the second generation's form, ``manifest`` the checked
    model, or None for a dataset and for what cannot be read.
    """

    path: Path
    generation: Generation
    name: str
    document: Mapping[str, Any]
    manifest: Manifest | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def runnable(self) -> bool:
        """Whether zport can run it."""
        return self.manifest is not None and not any(one.hinders for one in self.findings)

    def found(self, *findings: Finding) -> Foreign:
        """The same with more findings."""
        return replace(self, findings=(*self.findings, *findings))


def manifest_files(place: Path) -> list[Path]:
    """The manifest itself, or every YAML file below a folder.

    Raises :class:`UsageError` when there is none.
    """
    if place.is_file():
        return [place]
    found = sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not found:
        what = "no YAML file in this folder" if place.is_dir() else "no such file or folder"
        raise UsageError(what, where=place, next_step="name a manifest, or a folder of them")
    return found


def read_foreign(path: Path) -> Foreign:
    """Read a manifest of any kind; what is wrong with it is among its findings."""
    try:
        document, _ = read_yaml(path)
    except ManifestError as error:
        return _unreadable(path, {}, error)
    if "model" not in document and any(step in document for step in DATASET_STEPS):
        return _dataset(path, document)
    generation: Generation = "MLModelScope 1" if "output" in document else "MLModelScope 2"
    if document.get("zport"):
        generation = "zport"
    document = _second_generation(document)
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        return _unreadable(path, document, ManifestError(explain(str(path), error)))
    manifest._path = path
    return Foreign(path, generation, manifest.name, document, manifest)


def _unreadable(path: Path, document: Mapping[str, Any], error: ManifestError) -> Foreign:
    text = str(error).removeprefix(f"{path}: ")
    finding = Finding("manifest", text, "mend the manifest")
    return Foreign(path, "unreadable", str(document.get("name") or path.stem), document,
                   findings=(finding,))  # fmt: skip


def _second_generation(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with ``outputs``, files with URLs of their own, and framework in lower case."""
    new = {key: value for key, value in document.items() if key not in ("output", "container")}
    output, model = document.get("output"), document.get("model")
    if isinstance(output, Mapping) and "outputs" not in new:
        new["outputs"] = [dict(output)]
        parameters = output.get("parameters")
        if isinstance(parameters, Mapping) and isinstance(model, Mapping):
            features = {
                "features_path": parameters.get("features_url"),
                "features_checksum": parameters.get("features_checksum"),
            }
            new["model"] = {key: value for key, value in features.items() if value} | dict(model)
    framework = document.get("framework")
    if isinstance(framework, Mapping) and isinstance(framework.get("name"), str):
        new["framework"] = {**framework, "name": framework["name"].lower()}
    return new


def _dataset(path: Path, document: Mapping[str, Any]) -> Foreign:
    """A dataset: its code is checked, and it is never run."""
    found = [Finding("inputs", "a dataset for MLHarness; zport runs a model over the inputs that "
                     "lie beside its manifest", "give a model's inputs with --input")]  # fmt: skip
    for step in DATASET_STEPS:
        text = document.get(step)
        if not isinstance(text, str):
            found.append(Finding("processing", f"{step}: missing", f"define {step} there"))
        else:
            found += code_findings(step, text, frozenset())
    name = str(document.get("name") or path.stem)
    return Foreign(path, "MLHarness dataset", name, document, findings=tuple(found))


def code_findings(step: str, text: str, provided: frozenset[str]) -> Iterator[Finding]:
    """What keeps a step's Python from running where only ``provided`` modules are."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        yield Finding("processing", f"{step}: not valid Python: {error}", "mend its code")
        return
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if step not in names:
        yield Finding("processing", f"{step}: the code defines no {step}", f"define {step} there")
    absent = sorted(_imported(tree) - provided - sys.stdlib_module_names)
    if absent and provided:
        yield Finding("processing", f"{step}: imports {', '.join(absent)}, which the agent's image "
                      "does not have", "write it with NumPy and Pillow")  # fmt: skip
    if step not in DATASET_STEPS and DATASET in _free_names(tree):
        yield Finding("processing", f"{step}: takes its samples from an MLHarness dataset",
                      "take the input from data, the path of one file")  # fmt: skip


def _imported(tree: ast.Module) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    return modules


def _free_names(tree: ast.Module) -> set[str]:
    """The names that are read and never made."""
    nodes = list(ast.walk(tree))
    read = {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    made = {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    arguments = {one.arg for one in nodes if isinstance(one, ast.arg)}
    return read - made - arguments
