"""In which byte order the numbers of a model file are: from its format, or from the manifest.

What is known of the formats: ONNX's raw_data and safetensors are little-endian by definition,
flatbuffers (TensorFlow Lite, ONNX Runtime's own) and protobuf's repeated numbers (Caffe) too;
NumPy, HDF5, PyTorch's archives and TensorFlow's variables (in their .index) say the order;
TensorFlow's tensor_content and MXNet's .params hold the writer's memory as it was, and nothing in
them tells.
The toolkit on the host reads this module too, so it imports nothing but errors.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal, NamedTuple, TypeAlias

from zport_agent.errors import ModelFileError

ByteOrder: TypeAlias = Literal["little", "big"]


class Format(NamedTuple):
    """A file format: its name, and its byte order or where that is said."""

    name: str
    order: Literal["little", "in the file", "the writer's", "none"]


FORMATS: Mapping[str, Format] = {
    ".onnx": Format("ONNX", "little"),
    ".ort": Format("ONNX Runtime", "little"),
    ".tflite": Format("TensorFlow Lite", "little"),
    ".caffemodel": Format("Caffe", "little"),
    ".safetensors": Format("safetensors", "little"),
    ".npy": Format("NumPy", "in the file"),
    ".npz": Format("NumPy", "in the file"),
    ".h5": Format("HDF5", "in the file"),
    ".hdf5": Format("HDF5", "in the file"),
    ".keras": Format("Keras", "in the file"),
    ".data-00000-of-00001": Format("TensorFlow's variables", "in the file"),
    ".index": Format("TensorFlow's variables", "in the file"),
    ".pt": Format("PyTorch", "in the file"),
    ".pth": Format("PyTorch", "in the file"),
    ".pt2": Format("PyTorch", "in the file"),
    ".jit": Format("PyTorch", "in the file"),
    ".pb": Format("TensorFlow", "the writer's"),
    ".params": Format("MXNet", "the writer's"),
    ".json": Format("JSON", "none"),
    ".txt": Format("text", "none"),
    ".yml": Format("YAML", "none"),
    ".yaml": Format("YAML", "none"),
    ".csv": Format("text", "none"),
    ".prototxt": Format("text", "none"),
}
UNKNOWN = Format("unknown format", "the writer's")
CONVERTED = (".onnx",)
"""Formats whose files are converted when they were written against their definition."""


def format_of(path: str) -> Format:
    """The format of a file, by the end of its name."""
    return FORMATS.get(PurePosixPath(path).suffix.lower(), UNKNOWN)


def is_against_format(path: str, declared: ByteOrder | None) -> bool:
    """Whether a file of a little-endian format is declared to be big-endian."""
    return declared == "big" and format_of(path).order == "little"


def refusal(path: str, declared: ByteOrder | None) -> str | None:
    """Why the numbers of a file would be misread, or None where they are read right."""
    found = format_of(path)
    if found.order == "the writer's" and declared is None:
        return (
            f"{path}: {found.name}: the file does not say its byte order; "
            "declare it in the manifest: zport.byte_order: little or big"
        )
    suffix = PurePosixPath(path).suffix.lower()
    if is_against_format(path, declared) and suffix not in CONVERTED:
        return (
            f"{path}: {found.name} files are little-endian by definition and this one is declared "
            "big-endian; zport cannot convert this format, write the file anew"
        )
    return None


def require_known(path: str, declared: ByteOrder | None) -> None:
    """Raise ModelFileError where the numbers of a file would be misread."""
    reason = refusal(path, declared)
    if reason:
        raise ModelFileError(reason)
