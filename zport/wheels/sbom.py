"""The bill of materials that lies in a wheel (CycloneDX 1.6, by PEP 770).

It is written when the build is planned and goes into the build with the other inputs, so the same
inputs must give the same bytes: its time is the build's epoch, its serial number a hash of what it
says. What only the build finds out, the libraries that the wheel bundles,
:mod:`zport.wheels.bundled` adds there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import (
    AttachedText,
    Encoding,
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import (
    Component,
    ComponentType,
    Diff,
    PatchClassification,
    Pedigree,
)
from cyclonedx.model.component import Patch as PatchEntry
from cyclonedx.model.issue import IssueClassification, IssueType
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

from zport import __version__, purl
from zport.debian.packages import DebianPackage
from zport.errors import PatchError
from zport.purl import file_purl, package_purl, recipe_purl, source_purl, source_uri
from zport.recipes import Recipe, Vendored
from zport.sources.patches import Patch
from zport.sources.pypi import IndexFile
from zport.steps.step import ContextFile, Derived
from zport.targets import Target
from zport.workspace import digest, sha256_file

CODE = [
    __version__, version("cyclonedx-python-lib"), sha256_file(Path(__file__)),
    sha256_file(Path(str(purl.__file__))),
]  # fmt: skip
"""What writes the bill: with other code it may say the same in other bytes."""
SBOM_NAME = "zport.cdx.json"
"""The file in the wheel's ``….dist-info/sboms/``."""

ORIGINS = {
    "upstream": PatchClassification.CHERRY_PICK,
    "backport": PatchClassification.BACKPORT,
}
"""What DEP-3's ``Origin`` says of a patch that upstream made; all others are unofficial."""


def wheel_sbom(
    recipe: Recipe,
    patches: Sequence[Patch],
    target: Target,
    compiled_on: Target,
    packages: Iterable[DebianPackage],
    requirements: Iterable[IndexFile],
    epoch: int,
) -> str:
    """The bill of materials of a recipe's wheel for a target, as JSON text.

    ``packages`` and ``requirements`` are what the build uses: compilers and libraries of Debian,
    wheels of the package index (their ``sha256`` is empty where another step builds them).
    ``epoch`` is in seconds. Raises :class:`PatchError` for a patch that is no unified diff.
    """
    wheel = _wheel(recipe, patches, target, compiled_on)
    tools = [zport_component(), *map(_package, packages), *map(_requirement, requirements)]
    vendored = [_vendored(project) for project in recipe.vendored]
    bom = Bom(
        components=vendored,
        serial_number=UUID(int=0),
        metadata=BomMetaData(
            component=wheel,
            timestamp=datetime.fromtimestamp(epoch, UTC),
            lifecycles=[PredefinedLifecycle(LifecyclePhase.BUILD)],
            tools=ToolRepository(components=tools),
        ),
    )
    bom.register_dependency(wheel, vendored)
    return numbered_text(bom_content(bom))


def bom_content(bom: Bom) -> dict[str, Any]:
    """A bill as CycloneDX 1.6 has it in JSON."""
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    content: dict[str, Any] = json.loads(text)
    return content


def numbered_text(content: dict[str, Any]) -> str:
    """A bill as text; its serial number is a hash of all that it says."""
    number = uuid5(NAMESPACE_URL, f"urn:zport:sbom:{digest(content)}").urn
    return json.dumps({**content, "serialNumber": number}, indent=2, sort_keys=True) + "\n"


def sbom_file(
    recipe: Recipe,
    patches: Sequence[Patch],
    target: Target,
    compiled_on: Target,
    packages: Sequence[DebianPackage],
    requirements: Sequence[IndexFile],
    epoch: int,
) -> ContextFile:
    """The same as a file of the build's context, written when the build is."""
    made_of = [
        CODE, recipe_digest(recipe), recipe.summary, asdict(target), compiled_on.name, epoch,
        [sha256_file(patch.path) for patch in patches],
        [package.sha256 for package in packages],
        [[file.name, file.version, file.sha256] for file in requirements],
    ]  # fmt: skip
    make = partial(wheel_sbom, recipe, patches, target, compiled_on, packages, requirements, epoch)
    return ContextFile(f"recipe/{SBOM_NAME}", digest(made_of), Derived(make))


def recipe_digest(recipe: Recipe) -> str:
    """SHA-256 of what a recipe says about the build.

    Its tests, its summary and whether it ever ran are left out: they do not change the wheel.
    """
    said = {"name", "version", "source", "vendored", "build"}
    return digest(recipe.model_dump(mode="json", include=said))


def changed_files(patch: Patch) -> list[str]:
    """The files that a patch changes, as ``patch -p1`` names them; of a renamed one both names.

    Raises :class:`PatchError` when it is no unified diff or changes nothing.
    """
    try:
        files = PatchSet(patch.path.read_text(encoding="utf-8", errors="replace"))
    except UnidiffParseError as error:
        raise PatchError(f"not a unified diff: {error}", where=patch.path) from error
    if not files:
        raise PatchError("it changes no file", where=patch.path)
    names = {name for file in files for name in (file.source_file, file.target_file)}
    return sorted({name.partition("/")[2] or name for name in names - {"/dev/null"}})


def _wheel(
    recipe: Recipe, patches: Sequence[Patch], target: Target, compiled_on: Target
) -> Component:
    facts = {
        "zport:target": target.oci,
        "zport:cpu-baseline": target.cpu_baseline,
        "zport:compiled-on": compiled_on.oci,
        "zport:recipe:sha256": recipe_digest(recipe),
    }
    source = component(ComponentType.LIBRARY, source_purl(recipe), recipe.source.sha256)
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=recipe_purl(recipe),
        name=recipe.name,
        version=recipe.version,
        purl=PackageURL.from_string(recipe_purl(recipe)),
        description=recipe.summary,
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.SOURCE_DISTRIBUTION,
                url=XsUri(source_uri(recipe)),
                hashes=_hashes(recipe.source.sha256),
            )
        ],
        pedigree=Pedigree(ancestors=[source], patches=map(_patch, patches)),
        properties=[
            *(Property(name=name, value=value) for name, value in facts.items()),
            *(fact for patch in patches for fact in _patch_facts(patch)),
        ],
    )


def _vendored(project: Vendored) -> Component:
    vendored = component(ComponentType.LIBRARY, source_purl(project), project.source.sha256)
    vendored.bom_ref.value = f"vendored:{project.folder}"
    return vendored


def _patch(patch: Patch) -> PatchEntry:
    """The patch itself and its reason. Its name is the number of its turn: the set is unordered."""
    origin = patch.header.get("Origin", "").replace(",", " ").split()
    forwarded = patch.header["Forwarded"]
    return PatchEntry(
        type=ORIGINS.get(origin[0] if origin else "", PatchClassification.UNOFFICIAL),
        diff=Diff(text=_text(patch.path.read_bytes())),
        resolves=[
            IssueType(
                type=IssueClassification.DEFECT,
                id=patch.path.name,
                name=patch.reason,
                description=patch.header["Description"],
                references=[XsUri(forwarded)] if "://" in forwarded else [],
            )
        ],
    )


def _patch_facts(patch: Patch) -> Iterator[Property]:
    """What CycloneDX has no field for."""
    prefix = f"zport:patch:{patch.path.name}"
    yield Property(name=f"{prefix}:sha256", value=sha256_file(patch.path))
    yield Property(name=f"{prefix}:forwarded", value=patch.header["Forwarded"])
    for file in changed_files(patch):
        yield Property(name=f"{prefix}:file", value=file)


def _text(content: bytes) -> AttachedText:
    try:
        return AttachedText(content=content.decode(), content_type="text/x-diff")
    except UnicodeDecodeError:
        packed = base64.b64encode(content).decode()
        return AttachedText(content=packed, content_type="text/x-diff", encoding=Encoding.BASE_64)


def zport_component() -> Component:
    """The tool that writes the bill."""
    purl = PackageURL("generic", None, "zport", __version__).to_string()
    return component(ComponentType.APPLICATION, purl, "")


def _package(package: DebianPackage) -> Component:
    return component(ComponentType.APPLICATION, package_purl(package), package.sha256)


def _requirement(file: IndexFile) -> Component:
    return component(ComponentType.LIBRARY, file_purl(file), file.sha256)


def component(kind: ComponentType, purl: str, sha256: str) -> Component:
    """A component that its package URL names."""
    parsed = PackageURL.from_string(purl)
    return Component(
        type=kind,
        name=parsed.name,
        version=parsed.version,
        purl=parsed,
        hashes=_hashes(sha256),
    )


def _hashes(sha256: str) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []
