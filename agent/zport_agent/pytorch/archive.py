"""PyTorch's files as this machine's PyTorch reads them right.

Where file and machine are of different byte orders, PyTorch 2.6.0 goes wrong in silence:
torch.jit.load ignores the archive's ``byteorder`` record (2.14.1 too); torch.load does not swap
tensors of types without a storage of their own (uint16, uint32, uint64, complex32); and the format
before 1.6 (:mod:`zport_agent.pytorch.legacy`) spoils complex numbers. So a file of the other order
is rewritten in memory before PyTorch sees it: every record swapped by the type that the pickles
give it, ``byteorder`` set to the machine's own. What cannot be mended surely is refused.

Nothing here needs PyTorch, and nothing of a file is executed.
"""

import io
import sys
import zipfile
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from zport_agent.byteorder import ByteOrder
from zport_agent.errors import ModelFileError
from zport_agent.pytorch.legacy import is_legacy, mended_legacy
from zport_agent.pytorch.pickles import Storage, read_storages, with_short_memo

Kind: TypeAlias = Literal["torchscript", "state", "export"]
"""A TorchScript archive, weights by torch.save, or a program by torch.export.save."""

ORDER = "byteorder"
_FOLDERS = ("data", "constants", "traced_inputs")
"""A folder of numbers each, beside the pickle of that name."""
_EXPORTED = "serialized_exported_program.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def readable(path: Path, machine: ByteOrder = sys.byteorder) -> tuple[Kind, Path | io.BytesIO]:
    """What kind of file it is, and what PyTorch may read: the file itself, or it mended in memory.

    Raises ModelFileError when it is no file of PyTorch's, or its byte order cannot be mended.
    """
    try:
        if not zipfile.is_zipfile(path):
            new = _legacy(path, machine)
            return "state", path if new is None else io.BytesIO(new)
        with zipfile.ZipFile(path) as archive:
            kind = _kind(archive, path)
            if kind == "export":
                parts = _mended_parts(archive, machine, str(path))
                return kind, path if parts is None else io.BytesIO(_with(archive, parts))
            new = _mended(archive, machine, str(path))
            return kind, path if new is None else io.BytesIO(new)
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise ModelFileError(f"{path}: not a whole file: {error}") from None


def mended(data: bytes, machine: ByteOrder, where: str) -> bytes:
    """A zip archive by torch.save or torch.jit.save, in the machine's byte order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return _mended(archive, machine, where) or data


def _legacy(path: Path, machine: ByteOrder) -> bytes | None:
    if not is_legacy(path):
        raise ModelFileError(f"{path}: not a file of torch.save, torch.jit.save or torch.export")
    archive = mended_legacy(path.read_bytes(), machine, str(path))
    return mended(archive, machine, str(path)) if archive else None


def _kind(archive: zipfile.ZipFile, path: Path) -> Kind:
    names = archive.namelist()
    if _EXPORTED in names:
        return "export"
    prefix = _prefix(archive)
    if f"{prefix}constants.pkl" in names:
        return "torchscript"
    if f"{prefix}data.pkl" in names:
        return "state"
    if any(name.endswith(("archive_format", "/model.json", "models/model.json")) for name in names):
        raise ModelFileError(f"{path}: a format that PyTorch 2.6 does not read or no longer writes")
    raise ModelFileError(f"{path}: a zip archive, but not one of PyTorch's")


def _prefix(archive: zipfile.ZipFile) -> str:
    """The folder that everything in an archive is in, as PyTorch finds it: the first file's."""
    names = archive.namelist()
    return names[0].partition("/")[0] + "/" if names and "/" in names[0] else ""


def _mended_parts(
    archive: zipfile.ZipFile, machine: ByteOrder, where: str
) -> dict[str, bytes] | None:
    """The archives within one of torch.export, those of the other order mended; None if none is."""
    parts = {}
    for name in archive.namelist():
        content = archive.read(name)
        if name.endswith(".pt") and zipfile.is_zipfile(io.BytesIO(content)):
            new = mended(content, machine, f"{where}: {name}")
            if new is not content:
                parts[name] = new
    return parts or None


def _mended(archive: zipfile.ZipFile, machine: ByteOrder, where: str) -> bytes | None:
    """The archive in the machine's byte order, or None if it is in that."""
    prefix = _prefix(archive)
    names = set(archive.namelist())
    # Without the record it is from before 2.1, and PyTorch takes it for little-endian too.
    order = archive.read(f"{prefix}{ORDER}").decode("latin-1") if f"{prefix}{ORDER}" in names \
        else "little"  # fmt: skip
    if order not in ("little", "big"):
        raise ModelFileError(f"{where}: {ORDER}: expected little or big, found {order[:20]!r}")
    if order == machine:
        return None
    changed = {f"{prefix}{ORDER}": machine.encode()}
    for folder in _FOLDERS:
        pickled = f"{prefix}{folder}.pkl"
        if pickled in names:
            inside = f"{where}: {folder}.pkl"
            content = archive.read(pickled)
            if f"{prefix}constants.pkl" in names:
                content = changed[pickled] = with_short_memo(content, inside)
            storages = read_storages(io.BytesIO(content), inside)
            changed |= _swapped(archive, f"{prefix}{folder}/", storages, inside)
    return _with(archive, changed)


def _swapped(
    archive: zipfile.ZipFile, folder: str, storages: dict[str, Storage], where: str
) -> dict[str, bytes]:
    """Every record of numbers in a folder, in the other byte order."""
    records = {name: archive.getinfo(name).file_size
               for name in archive.namelist() if name.startswith(folder)}  # fmt: skip
    swapped = {}
    for storage in storages.values():
        name = f"{folder}{storage.key}"
        size = records.pop(name, None)
        if size is None and storage.size:
            raise ModelFileError(f"{where}: there is no record {name}")
        if size:
            swapped[name] = swap(archive.read(name), storage, where)
    unknown = [name for name, size in records.items() if size]
    if unknown:
        raise ModelFileError(f"{where}: nothing says what type the numbers of {unknown[0]} have")
    return swapped


def swap(data: bytes, storage: Storage, where: str) -> bytes:
    """A storage's bytes in the other order. Raises ModelFileError where its type is not known, or
    its length not as the pickle says."""
    try:
        unit = storage.unit()
    except ModelFileError as error:
        raise ModelFileError(f"{where}: {error}") from None
    if len(data) != storage.size * unit.element or len(data) % unit.number:
        raise ModelFileError(
            f"{where}: storage {storage.key} has {len(data)} bytes, "
            f"expected {storage.size} elements of {unit.element}"
        )
    if unit.number == 1:
        return data
    return np.frombuffer(data, dtype=f"=u{unit.number}").byteswap().tobytes()


def _with(archive: zipfile.ZipFile, changed: dict[str, bytes]) -> bytes:
    """The archive with these members changed or added, and without what only tells where errors
    are in a source (``.debug_pkl``), whose pickles would have to be mended too."""
    buffer = io.BytesIO()
    names = archive.namelist()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as new:
        for name in [*names, *(added for added in changed if added not in names)]:
            if not name.endswith(".debug_pkl"):
                content = changed[name] if name in changed else archive.read(name)
                new.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()
