"""Frameworks behind one small protocol; a framework is one module and one line of the table."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from zport_agent.arrays import Array
from zport_agent.errors import UnsupportedError


@dataclass(frozen=True)
class TensorSpec:
    """One input of a loaded model: NumPy's name of its dtype; None is a free dimension."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


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


# By the manifest's framework.name in lower case: "module:class". Imported when asked for,
# because importing a framework under emulation takes seconds.
BACKENDS = {"onnxruntime": "zport_agent.backends.onnxruntime:OnnxRuntime"}


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
