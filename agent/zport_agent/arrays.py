"""Arrays on their way out of and into the process: the byte order is always stated."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.lib import format as npy

from zport_agent.errors import UnsupportedError, UsageError
from zport_agent.output import write_bytes

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# The earliest time a ZIP archive can state: equal arrays give equal files.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def is_text(array: Array) -> bool:
    """Whether its elements are strings, of a fixed length or Python's own."""
    kind = array.dtype.kind
    return kind == "U" or (kind == "O" and all(isinstance(one, str) for one in array.flat))


def to_little(array: Array) -> Array:
    """The same values in little-endian, C order, any shape (a 0-d array stays 0-d).

    Strings become fixed-length ones ('<U5'), which files can hold without pickling. Raises
    UnsupportedError for dtypes that are not plain numbers, booleans or strings.
    """
    if array.dtype.kind == "O" and is_text(array):
        array = array.astype(np.str_)
    if array.dtype.kind not in "biufcU":
        raise UnsupportedError(f"arrays of dtype {array.dtype} cannot be stored or compared")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def to_native(array: Array) -> Array:
    """The same values in the processor's own order, C order: what frameworks take.

    ONNX Runtime accepts the other order and misreads it: 1.0 becomes 4.6e-41.
    """
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def describe(name: str, array: Array) -> dict[str, Any]:
    """name, dtype (with its order, as '<f4'), shape, and SHA-256 of the little-endian bytes."""
    little = to_little(array)
    return {
        "name": name,
        "dtype": little.dtype.str,
        "shape": list(little.shape),
        "sha256": hashlib.sha256(little.tobytes()).hexdigest(),
    }


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write a ``.npz`` of little-endian arrays; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            with archive.open(member, "w") as stream:
                npy.write_array(stream, to_little(array), version=(1, 0), allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, Array]:
    """All arrays of a ``.npz``, each in the order its header states.

    Raises UsageError when the file is absent or not a whole ``.npz`` of plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a .npz written by predict") from None
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: not a whole .npz of plain arrays: {error}") from None
