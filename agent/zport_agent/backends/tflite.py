"""TensorFlow Lite, on the CPU."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tflite_runtime
from tflite_runtime.interpreter import Interpreter

from zport_agent.arrays import Array, to_native
from zport_agent.backends import TensorSpec
from zport_agent.errors import ModelFileError, ProcessingError, UnsupportedError, one_line

# What the interpreter says when it lacks an operator, or a version of one.
_UNSUPPORTED = ("unsupported", "unresolved", "Didn't find op", "not supported", "Flex")

# Operators that keep something from one run to the next, which no call resets.
_STATEFUL = frozenset({"VAR_HANDLE", "CALL_ONCE", "HASHTABLE"})


class TfLite:
    """The Backend of TensorFlow Lite, with the built-in operators and no delegate.

    Converted models mostly have a batch of one. A longer first axis is run slice by slice, in
    order, so a model with variables hears one stream; each prediction starts from its first state.
    """

    name = "tflite"

    def __init__(self) -> None:
        self.version: str = tflite_runtime.__version__
        self._interpreter: Any = None
        self._model = b""
        self._path = Path()
        self._threads = 1

    def load(self, path: Path, threads: int) -> None:
        """See Backend.load."""
        self._path, self._threads = path, threads
        try:
            self._model = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
        self._open()

    def _open(self) -> None:
        """Make an interpreter, in the model's first state. Its tensors are not allocated yet:
        shapes that the model leaves open may be ones that no operator takes."""
        try:
            self._interpreter = Interpreter(model_content=self._model, num_threads=self._threads)
        except (ValueError, RuntimeError) as error:
            reason = one_line(error)
            if any(word in reason for word in _UNSUPPORTED):
                raise UnsupportedError(
                    f"{self._path}: TensorFlow Lite {self.version} cannot run this model: {reason}"
                ) from None
            raise ModelFileError(
                f"{self._path}: TensorFlow Lite {self.version} cannot read this file: {reason}"
            ) from None

    def inputs(self) -> list[TensorSpec]:
        """See Backend.inputs. The first dimension is always free: see the class."""
        if not self._interpreter:
            self._open()
        return [
            TensorSpec(one["name"], _dtype(one["dtype"]), _free(one["shape_signature"]))
            for one in self._interpreter.get_input_details()
        ]

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See Backend.predict."""
        if not self._interpreter or self._has_variables():
            self._open()
        details = self._interpreter.get_input_details()
        try:
            runs = _slices(details, [to_native(inputs[one["name"]]) for one in details])
            self._allocate(details, runs[0])
            ran = [self._run(details, arrays) for arrays in runs]
        except (TypeError, ValueError, RuntimeError) as error:
            # Half a run may have been done.
            self._interpreter = None
            raise ProcessingError(
                f"TensorFlow Lite refused the inputs: {one_line(error)}"
            ) from None
        return {
            name: np.concatenate([np.atleast_1d(one[name]) for one in ran])
            if len(ran) > 1
            else ran[0][name]
            for name in ran[0]
        }

    def _allocate(self, details: list[dict[str, Any]], arrays: list[Array]) -> None:
        model = self._interpreter
        for one, array in zip(details, arrays, strict=True):
            if tuple(one["shape"]) != array.shape:
                model.resize_tensor_input(one["index"], array.shape)
        model.allocate_tensors()
        model.reset_all_variables()

    def _has_variables(self) -> bool:
        details = self._interpreter._get_ops_details()
        return any(one["op_name"] in _STATEFUL for one in details)

    def _run(self, details: list[dict[str, Any]], arrays: list[Array]) -> dict[str, Array]:
        model = self._interpreter
        for one, array in zip(details, arrays, strict=True):
            model.set_tensor(one["index"], array)
        model.invoke()
        return {one["name"]: model.get_tensor(one["index"]) for one in model.get_output_details()}


def _dtype(kind: type) -> str:
    """NumPy's name of a tensor's type; texts are its bytes."""
    return "str" if kind is np.bytes_ else np.dtype(kind).name


def _free(shape: Any) -> tuple[int | None, ...]:
    """A shape of the model, its first and its unknown (-1) dimensions free."""
    sizes = [None if size < 0 else int(size) for size in shape]
    return (None, *sizes[1:]) if sizes else ()


def _slices(details: list[dict[str, Any]], arrays: list[Array]) -> list[list[Array]]:
    """The arrays of each run: one, or one for each place of a first axis that is longer than the
    model's, which then has to be one.

    Raises ValueError when the inputs have not the same number of places.
    """
    if not any(_is_stream(one, array) for one, array in zip(details, arrays, strict=True)):
        return [arrays]
    counts = {len(array) if array.ndim else 1 for array in arrays}
    if len(counts) > 1:
        raise ValueError(f"a stream has one length for all inputs, found {sorted(counts)}")
    return [[array[place : place + 1] for array in arrays] for place in range(counts.pop())]


def _is_stream(detail: dict[str, Any], array: Array) -> bool:
    signature = list(detail["shape_signature"])
    return bool(signature) and signature[0] == 1 and array.ndim > 0 and len(array) > 1
