"""Where a wheel or an image comes from: an in-toto statement with SLSA's provenance.

It says of a finished thing what went into its build, each file by name, origin and SHA-256. It
carries no time of day and is not signed: whoever builds from the same inputs gets the same text,
and may sign it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zport import __version__
from zport.debian.packages import DebianPackage
from zport.errors import BuildError
from zport.purl import file_purl, package_purl, source_uri
from zport.recipes import Mode, Recipe, Vendored
from zport.sources.fetch import Member, UrlFile
from zport.sources.pypi import IndexFile
from zport.steps.step import ContextFile, Derived, Step
from zport.workspace import sha256_file, write_json

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:zport:build:wheel:v1"
"""A build by a rendered Dockerfile whose context is ``resolvedDependencies``; no network.

``externalParameters`` are the recipe (``package``, ``version``), ``target`` and ``mode``;
``internalParameters`` the step's ``key``, its ``image``, its ``epoch`` (seconds) and the ``images``
that it stands on, by step. Their names carry the keys that cover everything in them.
"""
IMAGE_BUILD_TYPE = "urn:zport:build:image:v1"
"""The same of an image: ``externalParameters`` are ``agent`` and ``target``."""
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
    asked = {
        "package": recipe.name,
        "version": recipe.version,
        "target": step.target.oci,
        "mode": mode,
    }
    dependencies = _dependencies(step, [*recipe.vendored, recipe])
    subject = {"name": wheel.name, "digest": {"sha256": sha256_file(wheel)}}
    return _statement(subject, BUILD_TYPE, asked, step, needs, dependencies)


def image_provenance(
    step: Step, agent: str, digest: str, needs: Iterable[Step], revision: str | None = None
) -> dict[str, Any]:
    """The provenance of an agent's image, of which ``digest`` is the manifest's (``sha256:…``).

    ``revision`` is the commit of the checkout, where it is known to hold nothing else.
    """
    dependencies = _dependencies(step, [])
    if revision:
        checkout = {"name": "zport", "uri": "git+zport", "digest": {"gitCommit": revision}}
        dependencies.append(checkout)
    asked = {"agent": agent, "target": step.target.oci}
    subject = {"name": agent, "digest": {"sha256": digest.removeprefix("sha256:")}}
    return _statement(subject, IMAGE_BUILD_TYPE, asked, step, needs, dependencies)


def _statement(
    subject: dict[str, Any],
    build_type: str,
    asked: dict[str, Any],
    step: Step,
    needs: Iterable[Step],
    dependencies: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": [subject],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": build_type,
                "externalParameters": asked,
                "internalParameters": {
                    "key": step.key,
                    "image": step.image,
                    "epoch": step.epoch,
                    "images": {need.name: need.image for need in needs},
                },
                "resolvedDependencies": dependencies,
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


def _dependencies(step: Step, projects: Iterable[Recipe | Vendored]) -> list[dict[str, Any]]:
    """The step's inputs by their path in the context; those of the checkout have no URI.

    ``projects`` are those whose source is among them. What is derived from others says nothing new.
    """
    dockerfile = hashlib.sha256(step.dockerfile.encode()).hexdigest()
    found = [{"name": "Dockerfile", "digest": {"sha256": dockerfile}}]
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
