"""What a runtime said in each backend test, kept so that two machines can be compared.

One ``.npz`` a test, named after the test's folder: ``given_N`` is output N, ``wanted_N`` what the
test data has. All arrays are little-endian; texts are kept as numpy's unicode, sequences as one
array an element.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def keep(folder: Path, name: str, given: Sequence[Any], wanted: Sequence[Any]) -> None:
    """Write the outputs of a test; a second set of data gets a number behind the name."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = dict([*_named("given", given), *_named("wanted", wanted)])
    path, number = folder / f"{name}.npz", 1
    while path.exists():
        path, number = folder / f"{name}.{number}.npz", number + 1
    np.savez_compressed(path, **arrays)


def _named(prefix: str, values: Sequence[Any]) -> Iterator[tuple[str, np.ndarray]]:
    for number, value in enumerate(values):
        if isinstance(value, list | tuple):
            yield from _named(f"{prefix}_{number}", value)
        elif value is not None:
            yield f"{prefix}_{number}", _little(np.asarray(value))


def _little(array: np.ndarray) -> np.ndarray:
    if array.dtype == object:
        return array.astype(str).astype(np.dtype(array.astype(str).dtype).newbyteorder("<"))
    return array.astype(array.dtype.newbyteorder("<"))


def load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, in this machine's order."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name].astype(file[name].dtype.newbyteorder("=")) for name in file.files}
