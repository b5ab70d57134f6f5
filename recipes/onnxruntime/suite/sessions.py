"""Ways from a model to numbers: optimization levels, and formats to save and load again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from byte_order_cases import Case

LEVELS = {
    "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
PROVIDERS = ["CPUExecutionProvider"]
ERROR = 3
"""The severity from which on the runtime prints."""


def options(level: str, **entries: str) -> ort.SessionOptions:
    """Options of a quiet session with one thread; entries are named without their ``session.``."""
    chosen = ort.SessionOptions()
    chosen.graph_optimization_level = LEVELS[level]
    chosen.intra_op_num_threads = chosen.inter_op_num_threads = 1
    chosen.log_severity_level = ERROR + 1
    for name, text in entries.items():
        chosen.add_session_config_entry(f"session.{name}", text)
    return chosen


def write_model(case: Case, folder: Path) -> Path:
    """The model of a case as a file, and the files beside it."""
    for name, data in case.files.items():
        (folder / name).write_bytes(data)
    path = folder / "model.onnx"
    path.write_bytes(case.model)
    return path


def run(model: Path | bytes, chosen: ort.SessionOptions, case: Case) -> list[np.ndarray]:
    """A session of the model, and what it says to the inputs of the case."""
    given = str(model) if isinstance(model, Path) else model
    session = ort.InferenceSession(given, chosen, providers=PROVIDERS)
    return session.run(None, dict(case.inputs))


def save(model: Path, level: str, target: Path, **entries: str) -> Path:
    """The model as the runtime keeps it after it has optimized it."""
    chosen = options(level, **entries)
    chosen.optimized_model_filepath = str(target)
    ort.InferenceSession(str(model), chosen, providers=PROVIDERS)
    return target


def save_ort(model: Path, level: str, target: Path) -> Path:
    """The model in ONNX Runtime's own format."""
    return save(model, level, target, save_model_format="ORT")


def save_external(model: Path, level: str, target: Path, smallest: int = 0, **entries: str) -> Path:
    """The model as an ONNX file, and one with the tensors of so many bytes and more."""
    name = f"{target.stem}.bin"
    return save(
        model, level, target,
        optimized_model_external_initializers_file_name=name,
        optimized_model_external_initializers_min_size_in_bytes=str(smallest),
        **entries,
    )  # fmt: skip


def as_is(model: Path, level: str, case: Case) -> list[np.ndarray]:
    """The model itself."""
    return run(model, options(level), case)


def through_onnx(model: Path, level: str, case: Case) -> list[np.ndarray]:
    """Saved as ONNX, and loaded without another optimization."""
    return run(save(model, level, model.with_name("saved.onnx")), options("disabled"), case)


def through_external(model: Path, level: str, case: Case) -> list[np.ndarray]:
    """Saved as ONNX with its numbers beside it."""
    saved = save_external(model, level, model.with_name("apart.onnx"), case.smallest)
    return run(saved, options("disabled"), case)


def through_ort(model: Path, level: str, case: Case) -> list[np.ndarray]:
    """Saved in ORT format and loaded from the file."""
    return run(save_ort(model, level, model.with_name("saved.ort")), options("all"), case)


Format = Callable[[Path, str, Case], list[np.ndarray]]
FORMATS: Mapping[str, Format] = {
    "onnx": as_is,
    "saved": through_onnx,
    "external": through_external,
    "ort": through_ort,
}


def check(case: Case, found: Sequence[np.ndarray]) -> None:
    """Raise :class:`AssertionError` with the first output that is not as expected."""
    assert len(found) == len(case.expected), f"{len(found)} outputs, not {len(case.expected)}"
    for number, (one, wanted) in enumerate(zip(found, case.expected, strict=True)):
        given = np.asarray(one)
        assert given.shape == wanted.shape, (
            f"output {number} of {case.name}: shape {given.shape}, not {wanted.shape}"
        )
        if not agrees(given, wanted, case.tolerance):
            raise AssertionError(
                f"output {number} of {case.name}: {head(given)} instead of {head(wanted)}"
            )


def agrees(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> bool:
    """Whether the numbers are those: every one of them where the tolerance is 0."""
    if tolerance == 0 or wanted.dtype == object:
        return bool(found.dtype == wanted.dtype and np.array_equal(found, wanted))
    return bool(np.allclose(found, wanted, rtol=tolerance, atol=tolerance))


def head(array: np.ndarray) -> str:
    """The first numbers of an array, in one line."""
    return json.dumps([str(one) for one in array.ravel()[:4]], ensure_ascii=False)
