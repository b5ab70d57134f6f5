"""The manifest's own Python: ``preprocess(ctx, data)`` and ``postprocess(ctx, data)``.

preprocess gets the path of one input file and gives the model's inputs: a dict by name, one
array, or a tuple in the order of the model's inputs. postprocess gets the list of the model's
outputs, in the model's order, and gives a list of JSON texts (or what ``json`` can write).
``ctx`` is a dict: ``name``, ``version``, ``inputs`` and ``outputs`` (the manifest's entries),
``attributes``, ``manifest_dir``, ``graph_path``, ``weights_path``, ``features_path``,
``byte_order`` (as declared, or None).
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

import numpy as np

from zport_agent.arrays import Array, is_text
from zport_agent.backends import TensorSpec
from zport_agent.errors import ManifestError, ProcessingError
from zport_agent.manifest import Manifest

Step: TypeAlias = Callable[[Any], Any]
# How many of a model's inputs a message lists.
_SHOWN = 5

StepName: TypeAlias = Literal["preprocess", "postprocess"]


def context(manifest: Manifest, folder: Path) -> dict[str, Any]:
    """The ``ctx`` of a manifest whose files lie in ``folder``; every path in it is a str."""

    def local(name: str | None) -> str | None:
        return str(folder / name.rsplit("/", 1)[-1]) if name else None

    return {
        "name": manifest.name,
        "version": manifest.version,
        "inputs": [entry.model_dump() for entry in manifest.inputs],
        "outputs": [entry.model_dump() for entry in manifest.outputs],
        "attributes": manifest.attributes or {},
        "manifest_dir": str(manifest.path.parent),
        "graph_path": local(manifest.model.graph_path),
        "weights_path": local(manifest.model.weights_path),
        "features_path": local(manifest.model.features_path),
        "byte_order": manifest.zport.byte_order if manifest.zport else None,
    }


def compile_step(manifest: Manifest, step: StepName, ctx: dict[str, Any]) -> Step:
    """Compile one step; the result takes ``data`` and gives what the step gives.

    Raises ManifestError when the manifest has no such step, ProcessingError when its text does
    not compile, does not define the function, or raises; lines are those of the manifest file.
    """
    text = getattr(manifest, step)
    if not text:
        raise ManifestError(f"{manifest.path}: {step}: missing; define {step}(ctx, data) there")
    # Blank lines in front make the compiler count lines as the manifest file does.
    padded = "\n" * (manifest.first_line(step) - 1) + text
    namespace: dict[str, Any] = {"__name__": f"zport_manifest_{step}"}
    try:
        # The format is Python in a manifest: whoever runs a model runs its author's code.
        exec(compile(padded, str(manifest.path), "exec"), namespace)  # noqa: S102
    except (Exception, SystemExit) as error:
        raise ProcessingError(_report(manifest, step, error)) from None
    function = namespace.get(step)
    if not callable(function):
        raise ProcessingError(f"{manifest.path}: {step}: the code defines no {step}(ctx, data)")

    def run(data: Any) -> Any:
        try:
            return function(ctx, data)
        except (Exception, SystemExit) as error:
            raise ProcessingError(_report(manifest, step, error)) from None

    return run


def _report(manifest: Manifest, step: StepName, error: BaseException) -> str:
    line = error.lineno if isinstance(error, SyntaxError) else None
    if line is None or (isinstance(error, SyntaxError) and error.filename != str(manifest.path)):
        line = _line_in(str(manifest.path), error.__traceback__)
    where = f"{manifest.path}, line {line}" if line else str(manifest.path)
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{where}: {step} raised {type(error).__name__}: {reason}"


def _line_in(filename: str, traceback: TracebackType | None) -> int | None:
    """The innermost line of the manifest's own code that an exception passed through."""
    line = None
    while traceback:
        if traceback.tb_frame.f_code.co_filename == filename:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def model_inputs(result: Any, specs: Sequence[TensorSpec], where: str) -> dict[str, Array]:
    """What preprocess gave, as arrays by input name, checked against the model's inputs.

    Raises ProcessingError when names, counts, ranks or dtypes do not fit the model.
    """
    if isinstance(result, np.ndarray):
        result = (result,)
    if isinstance(result, list | tuple):
        if len(result) != len(specs):
            raise ProcessingError(
                f"{where}: preprocess gave {len(result)} arrays, the model takes {_names(specs)}"
            )
        result = {spec.name: array for spec, array in zip(specs, result, strict=True)}
    if not isinstance(result, dict):
        raise ProcessingError(
            f"{where}: preprocess gave a {type(result).__name__}; "
            "expected a NumPy array, a tuple of them, or a dict by input name"
        )
    if set(result) != {spec.name for spec in specs}:
        given = ", ".join(map(str, result)) or "nothing"
        raise ProcessingError(f"{where}: preprocess gave {given}; the model takes {_names(specs)}")
    return {spec.name: _fit(result[spec.name], spec, where) for spec in specs}


def _names(specs: Sequence[TensorSpec]) -> str:
    shown = [f"{spec.name} {_described(spec)}".rstrip() for spec in specs[:_SHOWN]]
    return ", ".join([*shown, *([f"and {len(specs) - _SHOWN} more"] if specs[_SHOWN:] else [])])


def _described(spec: TensorSpec) -> str:
    return f"{spec.dtype or ''}{'' if spec.shape is None else list(spec.shape)}"


def _fit(value: Any, spec: TensorSpec, where: str) -> Array:
    array = np.asarray(value)
    dtype = "str" if is_text(array) else array.dtype.newbyteorder("=").name
    if spec.dtype not in (None, dtype) or not _shape_fits(array, spec):
        raise ProcessingError(
            f"{where}: preprocess gave input '{spec.name}' as {dtype}{list(array.shape)}; "
            f"the model takes {_described(spec)}"
        )
    return array


def _shape_fits(array: Array, spec: TensorSpec) -> bool:
    if spec.shape is None:
        return True
    return len(array.shape) == len(spec.shape) and all(
        wanted is None or wanted == size
        for wanted, size in zip(spec.shape, array.shape, strict=True)
    )


def features(result: Any, where: str) -> list[Any]:
    """What postprocess gave, parsed: JSON texts become values, values stay.

    Raises ProcessingError when it is not a list, or an item is not JSON.
    """
    if not isinstance(result, list | tuple):
        raise ProcessingError(
            f"{where}: postprocess gave a {type(result).__name__}; expected a list of JSON texts"
        )
    try:
        parsed = [json.loads(item) if isinstance(item, str | bytes) else item for item in result]
        json.dumps(parsed, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ProcessingError(f"{where}: postprocess gave what is not JSON: {error}") from None
    return parsed
