"""The model's files, checked before anything is made of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zport_agent.byteorder import require_known
from zport_agent.errors import ModelFileError
from zport_agent.manifest import Manifest


@dataclass(frozen=True)
class CheckedFile:
    """A model file as found: its path, size in bytes, SHA-256, and whether a pin agreed."""

    path: Path
    size: int
    sha256: str
    pinned: bool

    def as_json(self) -> dict[str, Any]:
        """The file as a part of a result, under its base name."""
        name = self.path.name
        return {"name": name, "bytes": self.size, "sha256": self.sha256, "pinned": self.pinned}


def check_files(manifest: Manifest, folder: Path) -> list[CheckedFile]:
    """Check every file the manifest names, by base name, in ``folder``; the graph comes first.

    A graph that is prepared is made from the pinned one, so its own bytes carry no pin.
    Raises ModelFileError naming the file when it is missing, empty, has another checksum, is not
    prepared yet, or holds numbers whose byte order is not known.
    """
    declared = manifest.zport.byte_order if manifest.zport else None
    checked = []
    for index, (name, checksum) in enumerate(manifest.model.files()):
        is_graph = index == 0
        require_known(name, declared if is_graph else None)
        made = manifest.preparation if is_graph else None
        # What a graph is converted to lies beside it.
        prepared = None if made == "convert" else made
        found = _check(folder / name.rsplit("/", 1)[-1], None if prepared else checksum,
                       manifest.path)  # fmt: skip
        if prepared and found.sha256 == (checksum or "").removeprefix("sha256:"):
            raise ModelFileError(
                f"{found.path}: this is the file as fetched; {manifest.path} wants it prepared "
                f"first: python -m zport_zoo {prepared} (see models/README.md)"
            )
        checked.append(found)
    return checked


def _check(path: Path, pin: str | None, manifest: Path) -> CheckedFile:
    wanted = (pin or "").removeprefix("sha256:")
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                sha256.update(block)
                size += len(block)
                if len(wanted) == md5.digest_size * 2:
                    md5.update(block)
    except OSError as error:
        raise ModelFileError(
            f"{path}: {error.strerror}; {manifest} names this file, fetch it first"
        ) from None
    if size == 0:
        raise ModelFileError(f"{path}: the file is empty; fetch it again")
    found = (md5 if len(wanted) == md5.digest_size * 2 else sha256).hexdigest()
    if wanted and found != wanted:
        raise ModelFileError(
            f"{path}: checksum {found} of {size} bytes, but {manifest} pins {wanted}; "
            "the file is cut short or another version, fetch it again"
        )
    return CheckedFile(path, size, sha256.hexdigest(), bool(wanted))
