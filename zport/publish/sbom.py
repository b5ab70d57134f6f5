"""The bill of materials of an image (CycloneDX 1.6): Debian's packages, wheels, the agent's code.

What Debian's packages are is read from the image itself. A wheel of ours brings its own bill: its
source, every patch with the files that it changes, what it bundles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from packageurl import PackageURL

from zport.debian.packages import DebianPackage
from zport.errors import BuildError
from zport.plan.planner import AgentPlan
from zport.purl import file_purl
from zport.sources.pypi import IndexFile
from zport.steps.step import Step
from zport.wheels.built import SBOM_SUFFIX
from zport.wheels.sbom import bom_content, component, numbered_text, zport_component
from zport.workspace import digest, read_json, sha256_file

FIELD = re.compile(r"(?m)^(Package|Version|Architecture|Source|Status): *(.+)$")
CODE = "agent/"
"""Where the agent's own code lies in the context of its step."""


@dataclass(frozen=True)
class Installed:
    """A package as dpkg's status file has it; ``source`` is its source package, with a version
    only where that has another one."""

    name: str
    version: str
    architecture: str
    source: str

    @property
    def purl(self) -> str:
        """Its package URL; ``upstream`` is how scanners find the source package."""
        qualifiers = {"arch": self.architecture, "upstream": self.source}
        return PackageURL("deb", "debian", self.name, self.version, qualifiers).to_string()


def installed_packages(status: str) -> list[Installed]:
    """The packages that a dpkg status file has as installed, by name."""
    found = []
    for stanza in status.split("\n\n"):
        fields: dict[str, str] = dict(FIELD.findall(stanza))
        if fields.get("Status", "").endswith(" installed"):
            source = re.sub(r" \((.+)\)", r"@\1", fields.get("Source", fields["Package"]))
            found.append(Installed(fields["Package"], fields["Version"], fields["Architecture"],
                                   source))  # fmt: skip
    return sorted(found, key=lambda package: (package.name, package.architecture))


def image_sbom(
    plan: AgentPlan,
    version: str,
    manifest: str,
    status: str,
    base: Step,
    wheels: Iterable[Path],
) -> str:
    """The bill of an agent's image, as JSON text.

    ``manifest`` is the digest of the image's manifest, ``status`` dpkg's status file in it, and
    ``wheels`` the wheels of ours, each with its bill beside it. Raises :class:`BuildError` for a
    wheel without one.
    """
    context = [*base.context, *plan.step.context]
    fetched = [file.source for file in context]
    packages = [source for source in fetched if isinstance(source, DebianPackage)]
    published = [source for source in fetched if isinstance(source, IndexFile)]
    image = _image(plan, version, manifest)
    parts = [
        *_debian(installed_packages(status), packages),
        *(_part(ComponentType.LIBRARY, file_purl(file), file.sha256) for file in published),
        _code(plan.step),
    ]
    bom = Bom(
        components=parts,
        serial_number=UUID(int=0),
        metadata=BomMetaData(
            component=image,
            timestamp=datetime.fromtimestamp(plan.step.epoch, UTC),
            lifecycles=[PredefinedLifecycle(LifecyclePhase.BUILD)],
            tools=ToolRepository(components=[zport_component()]),
        ),
    )
    bom.register_dependency(image, parts)
    content = bom_content(bom)
    content["components"] += [_own_wheel(wheel) for wheel in sorted(wheels)]
    return numbered_text(content)


def _image(plan: AgentPlan, version: str, manifest: str) -> Component:
    qualifiers = {"arch": plan.target.goarch}
    purl = PackageURL("oci", None, plan.agent.name, manifest, qualifiers)
    return Component(
        type=ComponentType.CONTAINER,
        bom_ref=purl.to_string(),
        name=plan.agent.name,
        version=version,
        purl=purl,
        description=plan.agent.summary,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=manifest.removeprefix("sha256:"))],
        properties=[
            Property(name="zport:key", value=plan.step.key),
            Property(name="zport:target", value=plan.target.oci),
        ],
    )


def _debian(
    installed: Sequence[Installed], fetched: Iterable[DebianPackage]
) -> Iterator[Component]:
    """Debian's packages, with the hash of the file where this build fetched it."""
    hashes = {(file.name, file.version, file.architecture): file.sha256 for file in fetched}
    for package in installed:
        known = hashes.get((package.name, package.version, package.architecture), "")
        yield _part(ComponentType.LIBRARY, package.purl, known)


def _code(step: Step) -> Component:
    """The agent's program: its hash is one over the names and hashes of its files."""
    files = sorted([f.path, f.sha256] for f in step.context if f.path.startswith(CODE))
    purl = PackageURL("generic", None, "zport-agent", digest(files)[:16]).to_string()
    return _part(ComponentType.APPLICATION, purl, digest(files))


def _part(kind: ComponentType, purl: str, sha256: str) -> Component:
    """A component of the image. Without a reference of its own it would get one by chance."""
    part = component(kind, purl, sha256)
    part.bom_ref.value = purl
    return part


def _own_wheel(wheel: Path) -> dict[str, Any]:
    """The component of a wheel of ours, as its own bill has it, with what it bundles inside."""
    beside = wheel.with_name(wheel.name + SBOM_SUFFIX)
    bill = read_json(beside)
    if bill is None:
        raise BuildError(
            "the wheel has no bill of materials beside it",
            where=beside,
            next_step="build it again: zport wheel PACKAGE",
        )
    own: dict[str, Any] = bill["metadata"]["component"]
    inside = [
        {**part, "bom-ref": f"{own['bom-ref']}#{part['bom-ref']}"}
        for part in bill.get("components", [])
    ]
    return {
        **own,
        "hashes": [{"alg": "SHA-256", "content": sha256_file(wheel)}],
        **({"components": inside} if inside else {}),
    }
