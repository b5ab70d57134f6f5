"""Whether a published image is what it claims to be: digests, signatures, what hangs on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zport.errors import TrustError
from zport.publish.images import PROVENANCE_TYPE, SBOM_TYPE
from zport.publish.layout import (
    INDEX,
    KEY,
    MANIFEST,
    annotation,
    blob_path,
    check_blob,
    check_blobs,
    checked_digest,
    parse_object,
    read_manifest,
    read_top,
    scratch_layout,
    well_formed,
)
from zport.publish.oras import Repository
from zport.publish.sign import is_signed, require_public, require_signature

REASON = "do not use it before you know why; the publisher's digests are in the signed index"


@dataclass(frozen=True)
class Member:
    """An image as an index names it: the platform and the step's key that it gives, if any."""

    digest: str
    platform: str | None = None
    key: object = None


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
        return str(_key_of_provenance(self.provenance))

    @property
    def agent(self) -> str:
        """The agent whose image it is, as its provenance has it."""
        return str(_agent_of_provenance(self.provenance))


@dataclass(frozen=True)
class Verified:
    """What was checked of a reference."""

    reference: str
    digest: str
    blobs: int
    signed: bool
    images: tuple[VerifiedImage, ...]


def verify(
    repository: Repository,
    reference: str,
    public: str | None,
    scratch: Path,
    key: str | None = None,
) -> Verified:
    """Fetch an image with all that hangs on it, and check it; ``public`` is cosign's public key.

    Every blob is what its digest says, every image has the platform that the index gives it, a
    bill of materials and a provenance that name it and the step's key that the index gives it;
    with a public key, index, images, bills and provenances are signed by it, and the images are
    the agent's whose name the repository has. ``key`` is the step's of an image that is asked for
    without an index. ``scratch`` is a folder to fetch into; nothing stays in it.

    Raises :class:`TrustError` for the first thing that is not so, :class:`RegistryError` for an
    image that is not there or a registry that does not answer, and :class:`zport.errors.UsageError`
    for a public key that is not there, before the registry is asked.
    """
    require_public(public)
    digest = repository.require(reference)
    if public:
        require_signature(repository, digest, public)
    with scratch_layout(scratch) as layout:
        images = [
            _verify_image(repository, layout, member, public)
            for member in fetch_images(repository, digest, layout, key)
        ]
        blobs = check_blobs(layout)
    if public:
        _require_agent(repository, images)
    return Verified(repository.at(reference), digest, blobs, public is not None, tuple(images))


def _require_agent(repository: Repository, images: list[VerifiedImage]) -> None:
    """Raise unless the images are the agent's after whom the repository is called.

    A signature is on a digest: it stays good where somebody copies the image to another name.
    """
    asked = repository.name.rpartition("/")[2]
    for image in images:
        if image.agent != asked:
            raise TrustError(
                f"signed by this key, but an image of the agent {image.agent}, not {asked}",
                where=repository.at(image.digest),
                next_step="the tag was moved to another image: ask the publisher",
            )


def fetch_images(
    repository: Repository, digest: str, layout: Path, key: str | None = None
) -> list[Member]:
    """Fetch an index or image with all referrers: what each image is said to be.

    ``key`` is the step's where it is an image. Raises as :func:`verify`.
    """
    repository.fetch(digest, layout)
    manifest = read_manifest(layout, digest)
    kind = manifest.get("mediaType")
    if kind not in (INDEX, MANIFEST):
        raise TrustError(f"neither an image index nor an image, but {kind}", where=digest)
    images = [Member(digest, key=key)] if kind == MANIFEST else _members(manifest, digest)
    for image in images:
        repository.fetch(image.digest, layout, referrers=True)
    return images


def _members(index: dict[str, Any], digest: str) -> list[Member]:
    with well_formed(digest):
        return [
            Member(checked_digest(one["digest"], digest), platform_of(one), annotation(one, KEY))
            for one in index["manifests"]
        ]


def platform_of(one: dict[str, Any]) -> str:
    """The platform that an index gives an image; to be called in :func:`.layout.well_formed`."""
    platform = one["platform"]
    return f"{platform['os']}/{platform['architecture']}"


def _verify_image(
    repository: Repository, layout: Path, member: Member, public: str | None
) -> VerifiedImage:
    digest = member.digest
    if public:
        require_signature(repository, digest, public)
    actual = _actual_platform(layout, digest)
    if member.platform not in (None, actual):
        raise TrustError(f"the index says {member.platform}, the image {actual}", where=digest,
                         next_step=REASON)  # fmt: skip
    sbom, provenance = (
        _statement(repository, layout, member, public, kind) for kind in (BILL, PROVENANCE)
    )
    if not isinstance(sbom.get("components"), list):
        raise TrustError("its bill lists no components", where=digest, next_step=REASON)
    return VerifiedImage(actual, digest, sbom, provenance)


def _actual_platform(layout: Path, digest: str) -> str:
    manifest = read_manifest(layout, digest)
    with well_formed(digest):
        named = manifest["config"]["digest"]
    config = read_manifest(layout, named)
    return f"{config.get('os')}/{config.get('architecture')}"


def _statement(
    repository: Repository, layout: Path, member: Member, public: str | None, kind: Kind
) -> dict[str, Any]:
    """What is attached to an image of this kind.

    Where no byte of the image changed with the step's key, there is one for each key: then it is
    the one of the key that the image is said to have.
    """
    digest, name = member.digest, kind.media_type
    contents = [*map(_content, attached(repository, layout, digest, name, public))]
    if not contents:
        by = " that this key signed" if public else ""
        raise TrustError(f"no {name} is attached to it{by}", where=digest, next_step=REASON)
    for content in contents:
        if kind.image(content) != digest.removeprefix("sha256:"):
            raise TrustError(f"the {name} attached to it is of another image", where=digest,
                             next_step=REASON)  # fmt: skip
    of_key = [one for one in contents if member.key is None or kind.key(one) == member.key]
    if not of_key:
        raise TrustError(f"no {name} attached to it names the key {member.key}", where=digest,
                         next_step=REASON)  # fmt: skip
    return of_key[-1]


def attached(
    repository: Repository, layout: Path, digest: str, kind: str, public: str | None
) -> Iterator[Path]:
    """The files of a kind that are attached to an image or a wheel and lie in the layout; with a
    key only what it signed, as anybody may attach.

    Raises :class:`TrustError` for what may be meant and is not well formed.
    """
    for one in read_top(layout):
        manifest = read_manifest(layout, one["digest"])
        if manifest.get("artifactType") != kind or _is_of_another(manifest, digest):
            continue
        if public and not is_signed(repository, one["digest"], public):
            continue
        with well_formed(one["digest"]):
            _ = manifest["subject"]["digest"]
            layer = manifest["layers"][0]["digest"]
        yield blob_path(layout, layer)


def _is_of_another(manifest: dict[str, Any], digest: str) -> bool:
    subject = manifest.get("subject")
    return isinstance(subject, dict) and subject.get("digest") != digest


def _content(file: Path) -> dict[str, Any]:
    check_blob(file)
    return parse_object(file.read_bytes(), f"sha256:{file.name}")


@dataclass(frozen=True)
class Kind:
    """A kind of statement: how to find in one of which image it is, and of which step's key.

    What is not as zport writes it has ``None``: it is of no image.
    """

    media_type: str
    image: Callable[[dict[str, Any]], object]
    key: Callable[[dict[str, Any]], object]


def _image_of_bill(bill: dict[str, Any]) -> object:
    with suppress(KeyError, TypeError):
        hashes = bill["metadata"]["component"]["hashes"]
        return next((one["content"] for one in hashes if one["alg"] == "SHA-256"), None)
    return None


def _key_of_bill(bill: dict[str, Any]) -> object:
    with suppress(KeyError, TypeError):
        facts = bill["metadata"]["component"]["properties"]
        return next((one["value"] for one in facts if one["name"] == "zport:key"), None)
    return None


def _image_of_provenance(statement: dict[str, Any]) -> object:
    with suppress(KeyError, TypeError, IndexError):
        _ = _key_of_provenance(statement), _agent_of_provenance(statement)
        return statement["subject"][0]["digest"]["sha256"]
    return None


def _key_of_provenance(statement: dict[str, Any]) -> object:
    return _build(statement)["internalParameters"]["key"]


def _agent_of_provenance(statement: dict[str, Any]) -> object:
    return _build(statement)["externalParameters"]["agent"]


def _build(statement: dict[str, Any]) -> dict[str, Any]:
    build: dict[str, Any] = statement["predicate"]["buildDefinition"]
    return build


BILL = Kind(SBOM_TYPE, _image_of_bill, _key_of_bill)
PROVENANCE = Kind(PROVENANCE_TYPE, _image_of_provenance, _key_of_provenance)
