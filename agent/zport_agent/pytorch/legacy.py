"""torch.save's format before 1.6: five pickles, then the numbers.

Numbers are little-endian on every machine, by elements of 2, 4 or 8 bytes. So on a big-endian
machine a complex64, of 8 bytes, has its two halves exchanged in the file, which fits if the same
machine reads it; a complex128, of 16, is not swapped but left out: what is written is zero, and
what is read was in memory before. The recipe's PyTorch writes both as they should be, and says so
(``complex_by_parts``). Storages without a type (of uint16, say) are in the writer's own order.

A file that this concerns is made a zip archive, whose order is right for every type.
"""

import io
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zport_agent.byteorder import ByteOrder
from zport_agent.errors import ModelFileError
from zport_agent.pytorch.pickles import Storage, read_object, read_storages, without_view

MAGIC = 0x1950A86A20F9469CFC6C
"""torch.serialization.MAGIC_NUMBER."""
_PROTOCOL = 1001
_LONGEST_MAGIC = 64
_COMPLEX = ("ComplexFloat", "ComplexDouble")


class _Legacy(NamedTuple):
    """A file in its parts: the writer's order, the pickle, and each storage with its bytes."""

    order: ByteOrder
    complex_by_parts: bool
    pickled: bytes
    storages: list[tuple[Storage, bytes]]

    def writer(self, storage: Storage) -> ByteOrder:
        """The order of the machine that writes such a storage in this way."""
        by_parts = self.complex_by_parts and storage.kind in _COMPLEX
        return "little" if by_parts else self.order


def is_legacy(path: Path) -> bool:
    """Whether the file begins as those of torch.save before 1.6 do."""
    with path.open("rb") as stream:
        start = io.BytesIO(stream.read(_LONGEST_MAGIC))
    try:
        return bool(read_object(start, str(path)) == MAGIC)
    except ModelFileError:
        return False


def mended_legacy(data: bytes, machine: ByteOrder, where: str) -> bytes | None:
    """The file as a little-endian zip archive if PyTorch would misread it, else None.

    Raises ModelFileError when it is cut short, or its numbers were lost when it was written.
    """
    legacy = _parse(data, where)
    if not any(_is_misread(one, legacy.writer(one), machine) for one, _ in legacy.storages):
        return None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", without_view(legacy.pickled, where))
        archive.writestr("archive/byteorder", "little")
        for storage, content in legacy.storages:
            little = _little(storage, content, legacy.writer(storage), where)
            archive.writestr(f"archive/data/{storage.key}", little)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def _is_misread(storage: Storage, writer: ByteOrder, machine: ByteOrder) -> bool:
    # PyTorch 2.6 writes storages without a type in this format, but cannot read them anywhere.
    big = "big" in (writer, machine)
    return storage.untyped or (
        storage.kind == "ComplexFloat" and writer != machine
    ) or (storage.kind == "ComplexDouble" and big)  # fmt: skip


def _little(storage: Storage, content: bytes, writer: ByteOrder, where: str) -> bytes:
    """A storage's numbers in little-endian order."""
    if writer == "little":
        return content
    if storage.kind == "ComplexDouble" and content:
        raise ModelFileError(
            f"{where}: storage {storage.key}: PyTorch writes zeros for complex128 in this format "
            "on a big-endian machine: the numbers are lost, save them anew as a zip archive"
        )
    if storage.kind == "ComplexFloat":
        return np.frombuffer(content, "<u4").reshape(-1, 2)[:, ::-1].tobytes()
    if storage.untyped:
        return np.frombuffer(content, f">u{storage.unit().number}").byteswap().tobytes()
    return content


def _parse(data: bytes, where: str) -> _Legacy:
    stream = io.BytesIO(data)
    magic, protocol, system = (read_object(stream, where) for _ in range(3))
    if magic != MAGIC or protocol != _PROTOCOL or not isinstance(system, dict):
        raise ModelFileError(f"{where}: not a file of torch.save, or of another protocol")
    start = stream.tell()
    storages = read_storages(stream, where)
    pickled = data[start : stream.tell()]
    keys = read_object(stream, where)
    if not isinstance(keys, list) or not all(str(key) in storages for key in keys):
        raise ModelFileError(f"{where}: its list of storages is not that of its pickle")
    found = [(storages[str(key)], _numbers(stream, storages[str(key)], where)) for key in keys]
    order: ByteOrder = "little" if system.get("little_endian", True) else "big"
    return _Legacy(order, bool(system.get("complex_by_parts")), pickled, found)


def _numbers(stream: io.BytesIO, storage: Storage, where: str) -> bytes:
    """The bytes of the storage that the file has next."""
    head = stream.read(8)
    element = 1 if storage.untyped else storage.unit().element
    size = struct.unpack("<q", head)[0] if len(head) == 8 else -1
    content = stream.read(max(size, 0) * element)
    if size != storage.size or len(content) != size * element:
        raise ModelFileError(f"{where}: storage {storage.key} is cut short or of another size")
    return content
