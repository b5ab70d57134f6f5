"""Frameworks behind one small protocol; a framework is one module and one line of the table."""

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from zport_agent.arrays import Array
from zport_agent.errors import UnsupportedError


@dataclass(frozen=True)
class TensorSpec:
    """One input of a loaded model: NumPy's name of its dtype; None is a free dimension.

    The dtype of texts is ``str``. The dtype and the shape as a whole are None where the framework
    does not say them.
    """

    name: str
    dtype: str | None
    shape: tuple[int | None, ...] | None


class Backend(Protocol):
    """One framework, holding at most one model."""

    name: str
    version: str

    def load(self, path: Path, threads: int) -> None:
        """Load a model; ``threads`` is the number for one operator.

        Raises ModelFileError (unreadable) or UnsupportedError (not implemented).
        """

    def inputs(self) -> list[TensorSpec]:
        """The loaded model's inputs, in its own order."""

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the loaded model once; inputs may be in either byte order, outputs are native.

        Raises ProcessingError (inputs do not fit) or UnsupportedError (it cannot be run).
        """


@dataclass(frozen=True)
class OperatorRun:
    """One run of one operator or layer, as a framework's own profiler tells of it.

    ``start`` is in ns since the Unix epoch, ``duration`` in ns; ``operator`` is its type.
    ``attributes`` are texts, numbers or lists of texts; their names begin with ``zport.``.
    """

    name: str
    operator: str
    start: int
    duration: int
    attributes: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Profiling(Protocol):
    """What a Backend may offer besides: the framework's own profiler. One without is refused where
    its operators are asked for."""

    def profile(self, path: Path, threads: int) -> AbstractContextManager[list[OperatorRun]]:
        """Load a model, as Backend.load does, with the profiler on; predict as often as needed in
        the block. The list it gives is filled when the block ends: in any order, an operator with
        a subgraph beside those inside it. Raises what load does, and UnsupportedError when the
        profile cannot be read.
        """


@runtime_checkable
class Defining(Protocol):
    """What a Backend may offer besides: models whose network is code beside the manifest."""

    def define(self, code: Path) -> None:
        """Take the Python file's ``network``, a function that makes the model of what ``load``
        reads: of a state dict, say. Raises ProcessingError when the file has none.
        """


# By the manifest's framework.name in lower case: "module:class". Imported when asked for,
# because importing a framework under emulation takes seconds.
BACKENDS = {
    "onnxruntime": "zport_agent.backends.onnxruntime:OnnxRuntime",
    "pytorch": "zport_agent.backends.pytorch:PyTorch",
    "tensorflow": "zport_agent.backends.tensorflow:TensorFlow",
    "tflite": "zport_agent.backends.tflite:TfLite",
}


def open_backend(framework: str) -> Backend:
    """The framework of that name. Raises UnsupportedError when unknown or not importable."""
    entry = BACKENDS.get(framework.lower())
    if entry is None:
        raise UnsupportedError(
            f"framework.name: '{framework}' has no backend in this agent; "
            f"known are {', '.join(BACKENDS)}"
        )
    module, _, name = entry.partition(":")
    try:
        factory: Any = getattr(importlib.import_module(module), name)
        return cast(Backend, factory())
    except ImportError as error:
        raise UnsupportedError(
            f"framework '{framework}' cannot be imported here ({error}); "
            "run this model in the image of that framework"
        ) from None
