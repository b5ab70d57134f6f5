"""TensorFlow, on the CPU: SavedModels, frozen graphs and Keras's files.

Where TensorFlow is, it runs them. Elsewhere, as on s390x, what was made of them beside the file is
run: a TensorFlow Lite or an ONNX file, whose inputs and outputs have the same names.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zport_agent.arrays import Array, to_native
from zport_agent.backends import Backend, TensorSpec
from zport_agent.errors import ModelFileError, ProcessingError, one_line

WHOLE = "tensorflow"
CONVERTED = {
    ".tflite": "zport_agent.backends.tflite:TfLite",
    ".onnx": "zport_agent.backends.onnxruntime:OnnxRuntime",
}
"""The backend of each format that a model may have been converted to, by the file's ending."""
RUNTIMES = ("tflite-runtime", "onnxruntime")
"""The distributions that those backends are of."""


class TensorFlow:
    """The Backend of TensorFlow, by itself or by the runtimes of what models are converted to."""

    name = "tensorflow"

    def __init__(self) -> None:
        self._whole = importlib.util.find_spec(WHOLE) is not None
        if self._whole:
            self.version = version("tensorflow-cpu")
        else:
            # One that is absent is an ImportError, as of any framework.
            self.version = ", ".join(f"{name} {version(name)}" for name in RUNTIMES)
        self._runtime: Any = None

    def load(self, path: Path, threads: int) -> None:
        """See Backend.load."""
        if self._whole:
            self._runtime = _Session()
            self._runtime.load(path, threads)
        else:
            converted = _converted(path)
            self._runtime = _backend(CONVERTED[converted.suffix])
            self._runtime.load(converted, threads)

    def inputs(self) -> list[TensorSpec]:
        """See Backend.inputs."""
        specs: list[TensorSpec] = self._runtime.inputs()
        return [TensorSpec(_plain(one.name), one.dtype, one.shape) for one in specs]

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See Backend.predict. Outputs are in the order of their names, whatever computes them."""
        given = {one.name: inputs[_plain(one.name)] for one in self._runtime.inputs()}
        outputs = {_plain(name): one for name, one in self._runtime.predict(given).items()}
        return {name: outputs[name] for name in sorted(outputs)}


class _Session:
    """TensorFlow itself."""

    def load(self, path: Path, threads: int) -> None:
        from zport_agent.tf_graphs import read_graph, v1

        self._network = read_graph(path)
        options = v1.ConfigProto(intra_op_parallelism_threads=threads,
                                 inter_op_parallelism_threads=1)  # fmt: skip
        self._session = v1.Session(graph=self._network.graph, config=options)

    def inputs(self) -> list[TensorSpec]:
        tensors = self._network.tensors(self._network.inputs)
        return [TensorSpec(one.op.name, _dtype(one.dtype), _shape(one.shape)) for one in tensors]

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        names = self._network.outputs
        feeds = {f"{name}:0": to_native(array) for name, array in inputs.items()}
        try:
            found = self._session.run(self._network.tensors(names), feeds)
        except Exception as error:
            raise ProcessingError(f"TensorFlow refused the inputs: {one_line(error)}") from None
        return dict(zip(names, found, strict=True))


def _dtype(dtype: Any) -> str:
    """NumPy's name of a type of TensorFlow's."""
    return "str" if dtype.name == "string" else str(dtype.as_numpy_dtype().dtype.name)


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    return tuple(shape.as_list()) if shape.rank is not None else None


def _backend(place: str) -> Backend:
    module, _, name = place.partition(":")
    factory: Callable[[], Backend] = getattr(importlib.import_module(module), name)
    return factory()


def _converted(path: Path) -> Path:
    """What a model was converted to: the one file beside it of the same name and another ending."""
    found = [path.with_suffix(ending) for ending in CONVERTED if path.with_suffix(ending).exists()]
    if len(found) != 1:
        raise ModelFileError(
            f"{path}: TensorFlow is not in this image, and beside the file there are "
            f"{len(found)} of {' and '.join(CONVERTED)}, expected one: "
            "say zport.convert in the manifest (see models/README.md)"
        )
    return found[0]


def _plain(tensor: str) -> str:
    return tensor.removesuffix(":0")
