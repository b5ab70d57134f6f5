"""Runs the models that TensorFlow's source has for its own tests, on made-up inputs.

    python run_models.py FOLDER expected.npz

writes what all models below FOLDER answer; those that this runtime cannot run are left out. The
expected answers here are those of the published tflite_runtime 2.14.0 on amd64, whose kernels are
others: it computes with XNNPACK.
"""

from __future__ import annotations

import io
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType

PATTERNS = ("*.bin", "*.tflite")
WORDS = np.array([b"", b"big", b"endian", "größer".encode()])
LEFT_OUT = ("multinomial", "random", "huge")
"""Parts of the names of models whose answers are random, or take hundreds of megabytes."""


def find_models(folder: Path) -> dict[str, Path]:
    """Every model below a folder, by its path there."""
    found = (path for pattern in PATTERNS for path in folder.rglob(pattern))
    fit = (path for path in found if not any(word in path.name for word in LEFT_OUT))
    return {path.relative_to(folder).as_posix(): path for path in sorted(fit)}


def made_up(shape: np.ndarray, dtype: type, chance: np.random.Generator) -> np.ndarray:
    """An input: any float near 1, integers from 0 to 2, so that they may be places of others."""
    sizes = [max(1, int(size)) for size in shape]
    kind = np.dtype(dtype).kind
    if kind == "S":
        return chance.choice(WORDS, sizes)
    if kind == "b":
        return chance.integers(0, 2, sizes).astype(bool)
    if kind in "iu":
        return chance.integers(0, 3, sizes).astype(dtype)
    return chance.uniform(-1.5, 1.5, sizes).astype(dtype)


def run(path: Path, kernels: OpResolverType = OpResolverType.BUILTIN) -> list[np.ndarray]:
    """The answers of a model, the same inputs each time. Raises ValueError or RuntimeError."""
    interpreter = Interpreter(str(path), experimental_op_resolver_type=kernels, num_threads=1)
    chance = np.random.Generator(np.random.PCG64(zlib.crc32(path.name.encode())))
    given = [
        (one["index"], made_up(one["shape"], one["dtype"], chance))
        for one in interpreter.get_input_details()
    ]
    for place, array in given:
        interpreter.resize_tensor_input(place, array.shape)
    interpreter.allocate_tensors()
    for place, array in given:
        interpreter.set_tensor(place, array)
    interpreter.invoke()
    found = (interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details())
    return [np.array(one.tolist(), "S") if one.dtype == object else one for one in found]


def answers(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Name, number of output and array (little-endian) of what every model answers."""
    for name, path in find_models(folder).items():
        try:
            outputs = run(path)
        except (ValueError, RuntimeError) as error:
            print(f"left out: {name}: {' '.join(str(error).split())[:120]}")
            continue
        for number, output in enumerate(outputs):
            yield f"{name}/{number}", np.asarray(output, output.dtype.newbyteorder("<"))


def main(folder: Path, target: Path) -> None:
    """Write the answers; equal ones give equal bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in answers(folder):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
