"""OCI layouts: a folder of blobs named by their SHA-256, from which a registry is filled.

The facts are of the OCI image specification 1.1: image-layout.md, manifest.md, image-index.md.
What others wrote is read in a block of :func:`well_formed`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zport.errors import TrustError
from zport.workspace import make_folder, sha256_file

Descriptor = dict[str, Any]
"""What names a blob: ``mediaType``, ``digest`` and ``size`` in bytes; perhaps ``platform``,
``annotations``, ``artifactType``."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"
KEY = "zport.key"
"""The annotation with the key of the step that made what it stands on."""


def new_layout(folder: Path) -> Path:
    """An OCI layout without anything in it."""
    make_folder(folder / "blobs" / "sha256")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}\n')
    write_top(folder, [])
    return folder


@contextmanager
def scratch_layout(place: Path) -> Iterator[Path]:
    """An empty layout in a folder; it is there as long as the block runs."""
    with TemporaryDirectory(dir=make_folder(place), prefix=".layout.") as name:
        yield new_layout(Path(name))


def write_top(folder: Path, manifests: Iterable[Descriptor]) -> None:
    """Name what can be asked for in a layout: all its manifests and indexes."""
    top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}
    (folder / "index.json").write_text(json.dumps(top))


def read_top(folder: Path) -> list[Descriptor]:
    """What can be asked for in a layout."""
    found: list[Descriptor] = json.loads((folder / "index.json").read_text())["manifests"]
    return found


@contextmanager
def well_formed(where: str | Path) -> Iterator[None]:
    """For a few lines that take foreign JSON apart: what it lacks becomes a :class:`TrustError`."""
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, StopIteration) as error:
        raise TrustError(
            f"not formed as OCI says: {type(error).__name__}: {error}",
            where=where,
            next_step="do not use it; it was not published by zport, or was changed since",
        ) from error


def annotation(part: Descriptor, name: str) -> object:
    """An annotation of a descriptor, a manifest or an index that others wrote; perhaps none."""
    found = part.get("annotations")
    return found.get(name) if isinstance(found, dict) else None


def checked_digest(digest: object, where: str | Path) -> str:
    """What is a digest. Raises :class:`TrustError` for what is none, such as a path."""
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise TrustError(f"not a SHA-256 digest: {digest!r}", where=where)
    return digest


def blob_path(folder: Path, digest: object) -> Path:
    """The file of a blob. Raises :class:`TrustError` for what is no digest, such as a path."""
    name = checked_digest(digest, folder).removeprefix("sha256:")
    return folder / "blobs" / "sha256" / name


def put(folder: Path, content: bytes, media_type: str) -> Descriptor:
    """Write a blob; returns its descriptor."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob_path(folder, digest).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def put_file(folder: Path, file: Path, media_type: str) -> Descriptor:
    """Link a file as a blob; returns its descriptor."""
    digest = f"sha256:{sha256_file(file)}"
    _link(file, blob_path(folder, digest))
    return {"mediaType": media_type, "digest": digest, "size": file.stat().st_size}


def put_index(
    folder: Path, manifests: Sequence[Descriptor], annotations: Mapping[str, str]
) -> Descriptor:
    """Write an image index of these manifests; returns its descriptor."""
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests),
             "annotations": dict(annotations)}  # fmt: skip
    return put(folder, _json(index), INDEX)


def put_artifact(
    folder: Path,
    kind: str,
    layer: Descriptor,
    annotations: Mapping[str, str],
    subject: Descriptor | None = None,
) -> Descriptor:
    """Write the manifest of an artefact of one layer; returns its descriptor.

    ``kind`` is its ``artifactType``; ``subject`` is what it says something of, which makes it a
    referrer of that.
    """
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": put(folder, b"{}", EMPTY),
        "layers": [layer],
        "annotations": dict(annotations),
    }
    if subject:
        named = {name: subject[name] for name in ("mediaType", "digest", "size")}
        manifest["subject"] = named
    return {**put(folder, _json(manifest), MANIFEST), "artifactType": kind}


def link_blobs(source: Path, folder: Path) -> None:
    """Have every blob of another layout in this one too."""
    for blob in (source / "blobs" / "sha256").iterdir():
        _link(blob, folder / "blobs" / "sha256" / blob.name)


def read_manifest(folder: Path, digest: str) -> dict[str, Any]:
    """A manifest or index, checked. Raises :class:`TrustError` for another blob, or no JSON."""
    path = blob_path(folder, digest)
    check_blob(path)
    return parse_object(path.read_bytes(), digest)


def parse_object(text: str | bytes, where: str) -> dict[str, Any]:
    """A JSON object that others wrote. Raises :class:`TrustError` for anything else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TrustError(f"not JSON: {error}", where=where) from error
    if not isinstance(content, dict):
        raise TrustError("it has to be a JSON object", where=where)
    return content


def make_canonical(folder: Path) -> Descriptor:
    """Take out of a layout with one image what its content does not decide; its new descriptor.

    Buildah writes the names and digests of the images that it made on the way into the history and
    the annotations, and they differ from one build to the next where not one byte of a layer does.
    """
    exported = read_top(folder)[0]
    manifest = read_manifest(folder, exported["digest"])
    old = manifest["config"]
    config = read_manifest(folder, old["digest"])
    config["history"] = [
        {name: value for name, value in entry.items() if name != "comment"}
        for entry in config.get("history", [])
    ]
    for outdated in (exported, old):
        blob_path(folder, outdated["digest"]).unlink()
    manifest["config"] = put(folder, _json(config), old["mediaType"])
    manifest.pop("annotations", None)
    image = put(folder, _json(manifest), MANIFEST)
    write_top(folder, [image])
    return image


def check_blobs(folder: Path) -> int:
    """Check that every blob is what its name says; returns how many there are.

    Raises :class:`TrustError` for the first that is not.
    """
    blobs = sorted((folder / "blobs" / "sha256").iterdir())
    for blob in blobs:
        check_blob(blob)
    return len(blobs)


def check_blob(path: Path) -> None:
    """Raise :class:`TrustError` unless the file is there and its SHA-256 is its name."""
    if not path.is_file():
        raise TrustError("this blob is missing", where=f"sha256:{path.name}")
    if sha256_file(path) != path.name:
        raise TrustError("the content is not what its digest says", where=f"sha256:{path.name}")


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _link(file: Path, blob: Path) -> None:
    if not blob.exists():
        os.link(file, blob)
