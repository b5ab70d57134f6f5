"""Whether a published image is what it claims to be: digests, signatures, what hangs on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zport.errors import TrustError
from zport.publish.images import PROVENANCE_TYPE, SBOM_TYPE
from zport.publish.layout import (
    INDEX,
    MANIFEST,
    blob_path,
    check_blob,
    check_blobs,
    read_manifest,
    read_top,
    scratch_layout,
)
from zport.publish.oras import Repository
from zport.publish.sign import is_signed, require_signature

REASON = "do not use it before you know why; the publisher's digests are in the signed index"


@dataclass(frozen=True)
class VerifiedImage:
    """One image of an index: digest of its manifest, and what is attached to it, parsed."""

    platform: str
    digest: str
    sbom: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def key(self) -> str:
        """The key of the step that made it, as its provenance has it."""
        return str(_build(self.provenance)["internalParameters"]["key"])

    @property
    def agent(self) -> str:
        """The agent whose image it is, as its provenance has it."""
        return str(_build(self.provenance)["externalParameters"]["agent"])


@dataclass(frozen=True)
class Verified:
    """What was checked of a reference."""

    reference: str
    digest: str
    blobs: int
    signed: bool
    images: tuple[VerifiedImage, ...]


def verify(repository: Repository, reference: str, public: str | None, scratch: Path) -> Verified:
    """Fetch an image with all that hangs on it, and check it; ``public`` is cosign's public key.

    Every blob is what its digest says, every image has the platform that the index gives it, a
    bill of materials and a provenance that name it; with a key, index, images, bills and
    provenances are signed by it. ``scratch`` is a folder to fetch into; nothing stays in it.

    Raises :class:`TrustError` for the first thing that is not so, and :class:`RegistryError` for an
    image that is not there or a registry that does not answer.
    """
    digest = repository.require(reference)
    if public:
        require_signature(repository, digest, public)
    with scratch_layout(scratch) as layout:
        images = [
            _verify_image(repository, layout, one, platform, public)
            for one, platform in fetch_images(repository, digest, layout)
        ]
        blobs = check_blobs(layout)
    return Verified(repository.at(reference), digest, blobs, public is not None, tuple(images))


def fetch_images(repository: Repository, digest: str, layout: Path) -> list[tuple[str, str | None]]:
    """Fetch an index or image with all referrers: digest and stated platform of each image."""
    repository.fetch(digest, layout)
    manifest = read_manifest(layout, digest)
    kind = manifest.get("mediaType")
    if kind not in (INDEX, MANIFEST):
        raise TrustError(f"neither an image index nor an image, but {kind}", where=digest)
    one: list[tuple[str, str | None]] = [(digest, None)]
    images = one if kind == MANIFEST else list(_members(manifest, digest))
    for image, _ in images:
        repository.fetch(image, layout, referrers=True)
    return images


def _members(index: dict[str, Any], digest: str) -> Iterator[tuple[str, str | None]]:
    try:
        for one in index["manifests"]:
            platform = one["platform"]
            yield one["digest"], f"{platform['os']}/{platform['architecture']}"
    except (KeyError, TypeError) as error:
        raise TrustError(f"the index has an entry without {error}", where=digest) from error


def _verify_image(
    repository: Repository, layout: Path, digest: str, platform: str | None, public: str | None
) -> VerifiedImage:
    if public:
        require_signature(repository, digest, public)
    config = read_manifest(layout, read_manifest(layout, digest)["config"]["digest"])
    actual = f"{config.get('os')}/{config.get('architecture')}"
    if platform not in (None, actual):
        raise TrustError(f"the index says {platform}, the image {actual}", where=digest,
                         next_step=REASON)  # fmt: skip
    found = {}
    for kind, named in ((SBOM_TYPE, _named_by_sbom), (PROVENANCE_TYPE, _named_by_provenance)):
        contents = [*map(_content, attached(repository, layout, digest, kind, public))]
        if not contents:
            by = " that this key signed" if public else ""
            raise TrustError(f"no {kind} is attached to it{by}", where=digest, next_step=REASON)
        for content in contents:
            if named(content) != digest.removeprefix("sha256:"):
                raise TrustError(f"the {kind} attached to it is of another image", where=digest,
                                 next_step=REASON)  # fmt: skip
        found[kind] = contents[-1]
    return VerifiedImage(actual, digest, found[SBOM_TYPE], found[PROVENANCE_TYPE])


def attached(
    repository: Repository, layout: Path, digest: str, kind: str, public: str | None
) -> Iterator[Path]:
    """The files of a kind that are attached to an image or a wheel and lie in the layout; with a
    key only what it signed, as anybody may attach."""
    for one in read_top(layout):
        manifest = read_manifest(layout, one["digest"])
        if (
            manifest.get("artifactType") == kind
            and manifest.get("subject", {}).get("digest") == digest
            and (not public or is_signed(repository, one["digest"], public))
        ):
            yield blob_path(layout, manifest["layers"][0]["digest"])


def _content(file: Path) -> dict[str, Any]:
    check_blob(file)
    try:
        content: dict[str, Any] = json.loads(file.read_bytes())
    except ValueError as error:
        raise TrustError(f"not JSON: {error}", where=f"sha256:{file.name}") from error
    return content


def _named_by_sbom(bill: dict[str, Any]) -> str | None:
    try:
        hashes = bill["metadata"]["component"]["hashes"]
        return next((one["content"] for one in hashes if one["alg"] == "SHA-256"), None)
    except (KeyError, TypeError):
        return None


def _named_by_provenance(statement: dict[str, Any]) -> str | None:
    try:
        _ = _build(statement)["internalParameters"]["key"]
        return str(statement["subject"][0]["digest"]["sha256"])
    except (KeyError, TypeError, IndexError):
        return None


def _build(statement: dict[str, Any]) -> dict[str, Any]:
    build: dict[str, Any] = statement["predicate"]["buildDefinition"]
    return build
