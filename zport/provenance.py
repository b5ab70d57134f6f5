"""Where a wheel comes from: an in-toto statement with SLSA's provenance, beside the wheel.

It says of a finished wheel what went into its build, each file by name, origin and SHA-256. It
carries no time of day and is not signed: whoever builds from the same inputs gets the same text,
and may sign it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zport import __version__
from zport.debian import DebianPackage
from zport.errors import BuildError
from zport.fetch import Member, UrlFile
from zport.purl import file_purl, package_purl, source_uri
from zport.pypi import IndexFile
from zport.recipes import Mode, Recipe, Vendored
from zport.step import ContextFile, Derived, Step
from zport.workspace import sha256_file, write_json

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:zport:build:wheel:v1"
"""A build by a rendered Dockerfile whose context is ``resolvedDependencies``; no network.

``externalParameters`` are the recipe (``package``, ``version``), ``target`` and ``mode``;
``internalParameters`` the step's ``key``, its ``image``, its ``epoch`` (seconds) and the ``images``
that it stands on, by step. Their names carry the keys that cover everything in them.
"""
BUILDER = "urn:zport:builder:v1"
SUFFIX = ".provenance.json"


def wheel_provenance(
    step: Step, recipe: Recipe, wheel: Path, mode: Mode, needs: Iterable[Step]
) -> dict[str, Any]:
    """The provenance of the wheel that a step made; ``needs`` are the steps it stands on.

    Raises :class:`BuildError` when the wheel is not there to be hashed.
    """
    if not wheel.is_file():
        raise BuildError("no such wheel", where=wheel)
    return {
        "_type": STATEMENT,
        "subject": [{"name": wheel.name, "digest": {"sha256": sha256_file(wheel)}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "package": recipe.name,
                    "version": recipe.version,
                    "target": step.target.oci,
                    "mode": mode,
                },
                "internalParameters": {
                    "key": step.key,
                    "image": step.image,
                    "epoch": step.epoch,
                    "images": {need.name: need.image for need in needs},
                },
                "resolvedDependencies": _dependencies(step, recipe),
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"zport": __version__}}},
        },
    }


def provenance_path(wheel: Path) -> Path:
    """Where the provenance of a wheel lies."""
    return wheel.with_name(wheel.name + SUFFIX)


def write_provenance(
    step: Step, recipe: Recipe, wheel: Path, mode: Mode, needs: Iterable[Step]
) -> Path:
    """Write the provenance beside the wheel, whole or not at all."""
    return write_json(provenance_path(wheel), wheel_provenance(step, recipe, wheel, mode, needs))


def _dependencies(step: Step, recipe: Recipe) -> list[dict[str, Any]]:
    """The step's inputs by their path in the context; those of the checkout have no URI.

    What is derived from the others says nothing new.
    """
    dockerfile = hashlib.sha256(step.dockerfile.encode()).hexdigest()
    found = [{"name": "Dockerfile", "digest": {"sha256": dockerfile}}]
    projects: list[Recipe | Vendored] = [*recipe.vendored, recipe]
    sources = {project.source.sha256: project for project in projects}
    for file in step.context:
        if isinstance(file.source, Derived):
            continue
        project = sources.get(file.sha256)
        uri = source_uri(project) if project else _uri(file.source)
        found.append(_descriptor(file, uri))
    return sorted(found, key=lambda dependency: str(dependency["name"]))


def _descriptor(file: ContextFile, uri: str | None) -> dict[str, Any]:
    named = {"name": file.path, "digest": {"sha256": file.sha256}}
    return {**named, "uri": uri} if uri else named


def _uri(source: object) -> str | None:
    match source:
        case DebianPackage():
            return package_purl(source)
        case IndexFile():
            return file_purl(source)
        case UrlFile():
            return source.url
        case Member():
            return f"{_uri(source.archive)}#{source.path}"
        case _:
            return None
