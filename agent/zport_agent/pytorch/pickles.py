"""The pickles in PyTorch's files, read without running anything of them.

Of each only the storages matter: what type their numbers have, and how many there are. PyTorch's
TorchScript writes its pickles itself, and numbers of four bytes for what it remembers in the
machine's own order, against the format; :func:`with_short_memo` gets rid of those.
"""

import io
import pickle
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zport_agent.errors import ModelFileError


class Unit(NamedTuple):
    """How a type's elements lie in memory: bytes of one, and of each number that it consists of."""

    element: int
    number: int


_COMPLEX = {"ComplexHalf": Unit(4, 2), "ComplexFloat": Unit(8, 4), "ComplexDouble": Unit(16, 8)}
_SAME = {
    1: "Byte Char Bool QInt8 QUInt8 QUInt4x2 QUInt2x4 Bits1x8 Bits2x4 Bits4x2 Bits8 "
    "Float8_e5m2 Float8_e4m3fn Float8_e5m2fnuz Float8_e4m3fnuz",
    2: "Short Half BFloat16 UInt16 Bits16",
    4: "Int Float QInt32 UInt32",
    8: "Long Double UInt64",
}
UNITS = _COMPLEX | {name: Unit(n, n) for n, names in _SAME.items() for name in names.split()}
"""By the name of the type in C++, which with ``Storage`` behind it is its name in a pickle."""

_DTYPES = {
    "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "float16": "Half", "float32": "Float", "float64": "Double", "complex32": "ComplexHalf",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble", "bool": "Bool",
    "bfloat16": "BFloat16", "qint8": "QInt8", "quint8": "QUInt8", "qint32": "QInt32",
    "quint4x2": "QUInt4x2", "quint2x4": "QUInt2x4", "uint16": "UInt16", "uint32": "UInt32",
    "uint64": "UInt64",
}  # fmt: skip
"""C++'s name of a dtype by Python's, where it is not the same with a capital letter."""
_UNTYPED = "Untyped"


@dataclass
class Storage:
    """A piece of memory as a pickle describes it: ``key`` names the record with its bytes.

    ``size`` is in elements of ``kind``, C++'s name of the type; storages that Python calls untyped
    have their size in bytes, and ``dtypes`` of the tensors that look into them (C++'s names too).
    """

    kind: str
    key: str
    size: int
    dtypes: set[str] = field(default_factory=set)

    @property
    def untyped(self) -> bool:
        """Whether the pickle gives no type to the memory itself."""
        return self.kind == _UNTYPED

    def unit(self) -> Unit:
        """How its elements lie in memory. Raises ModelFileError where the file does not tell."""
        kinds = self.dtypes if self.untyped else {self.kind}
        known = {UNITS[kind] for kind in kinds if kind in UNITS}
        numbers = {unit.number for unit in known}
        if len(numbers) != 1 or any(kind not in UNITS for kind in kinds):
            named = ", ".join(sorted(kinds)) or "no type at all"
            raise ModelFileError(
                f"storage {self.key}: the file gives it {named}, so its byte order cannot be mended"
            )
        element = 1 if self.untyped else next(iter(known)).element
        return Unit(element, numbers.pop())


class _Inert:
    """Stands for every object that a pickle makes; nothing happens to it."""

    def __new__(cls, *_arguments: Any, **_named: Any) -> "_Inert":
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **_named: Any) -> None:
        self.arguments = arguments

    def __call__(self, *_arguments: Any) -> "_Inert":
        return self

    def __setstate__(self, _state: Any) -> None: ...
    def __setitem__(self, _key: Any, _value: Any) -> None: ...
    def append(self, _item: Any) -> None: ...
    def extend(self, _items: Any) -> None: ...
    def add(self, _item: Any) -> None: ...


class _Rebuilt(_Inert):
    """A tensor of a type that has no storage of its own: its dtype is said beside the storage."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        storage, dtype = arguments[0], arguments[6]
        if isinstance(storage, Storage):
            storage.dtypes.add(_kind_of(dtype.__name__))


class _Reader(pickle.Unpickler):
    """An unpickler that makes inert objects only."""

    def __init__(self, stream: io.BytesIO, storages: dict[str, Storage]) -> None:
        super().__init__(stream, encoding="latin-1")
        self.storages = storages

    def find_class(self, module: str, name: str, /) -> Any:
        base = _Rebuilt if name == "_rebuild_tensor_v3" else _Inert
        return type(name, (base,), {"__module__": module})

    def persistent_load(self, pid: Any, /) -> Any:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in ("storage", b"storage"):
            raise pickle.UnpicklingError("it refers to something that is no storage")
        kind = pid[1].__name__.removesuffix("Storage")
        # The first one counts, as for PyTorch; another type may look at the same memory.
        key = str(pid[2])
        known = self.storages.setdefault(key, Storage(kind, key, int(pid[4])))
        if kind != known.kind and UNITS.get(kind, kind) != UNITS.get(known.kind):
            known.dtypes.add(kind)
            raise pickle.UnpicklingError(f"storage {key} has the types {known.kind} and {kind}")
        return known


def _kind_of(dtype: str) -> str:
    return _DTYPES.get(dtype, dtype[:1].upper() + dtype[1:])


def read_storages(stream: io.BytesIO, where: str) -> dict[str, Storage]:
    """The storages that the pickle at the stream's position refers to, by key, in its order.

    The stream is left behind the pickle. Raises ModelFileError when it is not a whole pickle.
    """
    storages: dict[str, Storage] = {}
    read_object(stream, where, storages)
    return storages


def read_object(stream: io.BytesIO, where: str, storages: dict[str, Storage] | None = None) -> Any:
    """The object that a pickle holds: plain values as they are, everything else inert."""
    try:
        return _Reader(stream, {} if storages is None else storages).load()
    except Exception as error:
        raise ModelFileError(f"{where}: not a pickle of PyTorch's: {error}") from None


class _Operation(NamedTuple):
    name: str
    argument: Any
    start: int
    end: int


def operations(data: bytes, where: str) -> Iterator[_Operation]:
    """What a pickle's machine does, each with the bytes that say so."""
    try:
        found = [(code.name, argument, start or 0)
                 for code, argument, start in pickletools.genops(data)]  # fmt: skip
    except Exception as error:
        raise ModelFileError(f"{where}: not a whole pickle: {error}") from None
    ends = [*(start for _, _, start in found[1:]), found[-1][2] + 1]
    for (name, argument, start), end in zip(found, ends, strict=True):
        yield _Operation(name, argument, start, end)


_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_GETS = ("GET", "BINGET", "LONG_BINGET")
_SHORT, _BOTH = 256, 511


def with_short_memo(data: bytes, where: str) -> bytes:
    """The same pickle, remembering only what is used, under numbers that mean the same in every
    byte order. Raises ModelFileError when it remembers more than 511 things."""
    found = list(operations(data, where))
    if not any(one.name.startswith("LONG_BIN") for one in found):
        return data
    used = {one.argument for one in found if one.name in _GETS}
    numbers: dict[int, int] = {}
    new = bytearray()
    for one in found:
        if one.name in _PUTS and one.argument in used:
            number = numbers[one.argument] = len(numbers)
            new += _memo(b"q", b"r", number, where)
        elif one.name in _GETS:
            new += _memo(b"h", b"j", numbers[one.argument], where)
        elif one.name not in _PUTS:
            new += data[one.start : one.end]
    return bytes(new)


def _memo(short: bytes, long: bytes, number: int, where: str) -> bytes:
    if number < _SHORT:
        return short + bytes([number])
    if number >= _BOTH:
        raise ModelFileError(f"{where}: the pickle remembers too much to mend its byte order")
    same = number - _SHORT + 1
    return long + bytes([0, same, same, 0])


def without_view(data: bytes, where: str) -> bytes:
    """A legacy file's pickle as a zip archive has it: without the sixth part of each reference to
    a storage, which says that it is a view. Raises ModelFileError where it is one."""
    found = list(operations(data, where))
    dropped = {index for index, one in enumerate(found) if one.name == "FRAME"}
    for index, one in enumerate(found):
        if one.name != "BINPERSID":
            continue
        at = index - 1
        while found[at].name in (*_PUTS, "MEMOIZE"):
            at -= 1
        if found[at].name != "TUPLE" or found[at - 1].name != "NONE":
            raise ModelFileError(f"{where}: it has views of storages, as PyTorch before 0.4 wrote")
        dropped.add(at - 1)
    return b"".join(data[one.start : one.end]
                    for index, one in enumerate(found) if index not in dropped)  # fmt: skip
