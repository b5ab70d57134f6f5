"""ONNX Runtime, on the CPU."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from zport_agent.arrays import Array, to_native
from zport_agent.backends import OperatorRun, TensorSpec
from zport_agent.errors import ModelFileError, ProcessingError, UnsupportedError, one_line

# Element types whose ONNX Runtime name is not NumPy's.
_DTYPES = {"float": "float32", "double": "float64", "string": "str"}

# What ONNX Runtime says, under several exception types, when it does not know an operator.
_UNSUPPORTED = (
    "is not a registered function/op",
    "No Op registered for",
    "Opset",
    "opset",
    "NOT_IMPLEMENTED",
)

_LOG_ERRORS = 3

_LEVELS = {
    "disabled": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


class OnnxRuntime:
    """The Backend of ONNX Runtime, with the CPU provider only."""

    name = "onnxruntime"

    def __init__(self) -> None:
        self.version: str = onnxruntime.__version__
        self._session: Any = None

    def load(self, path: Path, threads: int, optimization: str = "all") -> None:
        """See Backend.load. ``optimization`` is the level: disabled, basic, extended or all."""
        self._open(path, _options(threads, optimization))

    @contextlib.contextmanager
    def profile(self, path: Path, threads: int) -> Iterator[list[OperatorRun]]:
        """See Profiling.profile."""
        from zport_agent.trace.operators import read_onnxruntime

        options = _options(threads)
        ran: list[OperatorRun] = []
        with tempfile.TemporaryDirectory() as folder:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            self._open(path, options)
            # By C++'s high_resolution_clock, which with GNU's library is the wall clock.
            start = int(self._session.get_profiling_start_time_ns())
            try:
                yield ran
            finally:
                profile = Path(self._session.end_profiling())
            ran += read_onnxruntime(profile, start)

    def _open(self, path: Path, options: Any) -> None:
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            reason = one_line(error)
            if isinstance(error, state.NotImplemented) or any(w in reason for w in _UNSUPPORTED):
                raise UnsupportedError(
                    f"{path}: ONNX Runtime {self.version} cannot run this model: {reason}"
                ) from None
            raise ModelFileError(
                f"{path}: ONNX Runtime {self.version} cannot read this file: {reason}"
            ) from None

    def inputs(self) -> list[TensorSpec]:
        """See Backend.inputs."""
        return [
            TensorSpec(
                node.name,
                _dtype(node.type),
                tuple(size if isinstance(size, int) else None for size in node.shape),
            )
            for node in self._session.get_inputs()
        ]

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See Backend.predict."""
        names = [node.name for node in self._session.get_outputs()]
        try:
            outputs = self._session.run(names, {k: to_native(v) for k, v in inputs.items()})
        except state.InvalidArgument as error:
            raise ProcessingError(f"ONNX Runtime refused the inputs: {one_line(error)}") from None
        except Exception as error:
            raise UnsupportedError(
                f"ONNX Runtime cannot run the model: {one_line(error)}"
            ) from None
        for name, output in zip(names, outputs, strict=True):
            if not isinstance(output, np.ndarray):
                raise UnsupportedError(
                    f"output '{name}' is a {type(output).__name__}, not a tensor"
                )
        return dict(zip(names, outputs, strict=True))


def _options(threads: int, optimization: str = "all") -> Any:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = _LEVELS[optimization]
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_ERRORS
    return options


def _dtype(ort_type: str) -> str:
    element = ort_type.removeprefix("tensor(").removesuffix(")")
    return _DTYPES.get(element, element)
