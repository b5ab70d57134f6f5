"""Reading ONNX files, and every tensor that one holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zport_agent.errors import ModelFileError, UnsupportedError


def read_model(source: Path) -> Any:
    """The model in a file. Raises ModelFileError when it is absent or not a whole ONNX file."""
    try:
        import onnx
    except ImportError as error:
        raise UnsupportedError(f"making models needs the onnx package ({error})") from None
    try:
        return onnx.load_model_from_string(source.read_bytes())
    except OSError as error:
        raise ModelFileError(f"{source}: {error.strerror}; fetch it first") from None
    except Exception as error:
        raise ModelFileError(f"{source}: not a whole ONNX file: {error}") from None


def replace(repeated: Any, items: list[Any]) -> None:
    """Make a repeated field of a message hold these items."""
    del repeated[:]
    repeated.extend(items)


def tensors(graph: Any) -> Iterator[Any]:
    """Every tensor of a graph: initializers, attributes, and those of the graphs within."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _tensors_of(node)


def _tensors_of(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        yield from attribute.tensors
        if attribute.HasField("t"):
            yield attribute.t
        if attribute.HasField("sparse_tensor"):
            yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        inner = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
        for graph in inner:
            yield from tensors(graph)
