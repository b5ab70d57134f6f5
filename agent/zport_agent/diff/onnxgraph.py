"""An ONNX graph as one list of nodes in the order in which they run, subgraphs included.

The nodes of a subgraph (a branch of If, the body of Loop or Scan) come before the node that
holds it, because its output needs theirs. A value's key is its name, after the path of the
subgraph that it is in: ``If_3.then_branch/y``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zport_agent.errors import ModelFileError, UnsupportedError

BRANCHES = frozenset({"If"})
LOOPS = frozenset({"Loop", "Scan"})
WIDER = {
    "BFLOAT16": "FLOAT",
    "FLOAT8E4M3FN": "FLOAT",
    "FLOAT8E4M3FNUZ": "FLOAT",
    "FLOAT8E5M2": "FLOAT",
    "FLOAT8E5M2FNUZ": "FLOAT",
    "INT4": "INT8",
    "UINT4": "UINT8",
}
"""Types of numbers that NumPy has not, and those that hold them exactly."""


@dataclass(frozen=True)
class Scope:
    """A graph: the main one, or a subgraph at a path within it.

    ``initializers`` are tensors (dense or sparse) by name; ``made`` are the names that exist in
    this scope: its inputs, initializers and nodes' outputs. ``loops`` tells whether it may run
    more than once, ``holder`` and ``attribute`` which node it belongs to, as what.
    """

    path: str
    graph: Any
    parent: "Scope | None" = None
    loops: bool = False
    holder: Any = None
    attribute: str = ""
    initializers: dict[str, Any] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)

    def find(self, name: str) -> "tuple[Scope, str] | None":
        """The scope that a name is of, looking outwards, and the value's key."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.made:
                return scope, scope.key(name)
            scope = scope.parent
        return None

    def key(self, name: str) -> str:
        """The key of a value of this scope."""
        return f"{self.path}/{name}" if self.path else name


@dataclass(frozen=True)
class Place:
    """A node where it runs. ``top`` counts the main graph's node that it is, or is within."""

    index: int
    node: Any
    scope: Scope
    top: int

    @property
    def outputs(self) -> list[str]:
        """The names of what it gives."""
        return [name for name in self.node.output if name]


def read_model(path: Path, *, external: bool) -> Any:
    """An ONNX file as protobuf, with its external data or without.

    Raises ModelFileError when it is no whole ONNX file, UnsupportedError without the package.
    """
    try:
        import onnx
    except ImportError as error:
        raise UnsupportedError(f"this needs the onnx package ({error})") from None
    try:
        model = onnx.load_model(str(path), load_external_data=external)
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}; fetch it first") from None
    except Exception as error:
        raise ModelFileError(f"{path}: not a whole ONNX file: {error}") from None
    if not model.graph.node:
        raise ModelFileError(f"{path}: there is no operator in it")
    return model


def places(model: Any) -> list[Place]:
    """Every node of a model in the order in which they run."""
    found: list[Place] = []
    _walk(main_scope(model.graph), found, None)
    return found


def identity(model: Any, place: Place) -> dict[str, Any]:
    """What a node is: its place in the order, name, operator, and the path of its subgraph."""
    node = place.node
    versions = {opset.domain: opset.version for opset in model.opset_import}
    return {
        "index": place.index,
        "node": node.name or f"{node.op_type}_{place.index} (it has no name)",
        "op_type": node.op_type,
        "domain": node.domain or "ai.onnx",
        "opset": versions.get(node.domain, versions.get("ai.onnx")),
        "scope": place.scope.path or None,
    }


def main_scope(graph: Any) -> Scope:
    """The scope of a main graph."""
    return _scope("", graph, None, False, None, "")


def subscopes(scope: Scope, node: Any, position: int) -> Iterator[Scope]:
    """The subgraphs of a scope's node, which is its ``position``-th."""
    for attribute in node.attribute:
        for number, graph in enumerate(
            [attribute.g] if attribute.HasField("g") else attribute.graphs
        ):
            label = f"{node.op_type}_{position}.{attribute.name}" + (f".{number}" if number else "")
            path = f"{scope.path}/{label}" if scope.path else label
            loops = scope.loops or node.op_type not in BRANCHES
            yield _scope(path, graph, scope, loops, node, attribute.name)


def graph_inputs(graph: Any) -> list[Any]:
    """The inputs that a caller has to give: those that no initializer stands for."""
    held = {tensor.name for tensor in graph.initializer}
    held |= {tensor.values.name for tensor in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in held]


def initializers_of(graph: Any) -> dict[str, Any]:
    """A graph's initializers by name, dense and sparse."""
    dense = {tensor.name: tensor for tensor in graph.initializer}
    return dense | {tensor.values.name: tensor for tensor in graph.sparse_initializer}


def _scope(
    path: str, graph: Any, parent: Scope | None, loops: bool, holder: Any, attribute: str
) -> Scope:
    initializers = initializers_of(graph)
    made = {value.name for value in graph.input} | set(initializers)
    made |= {name for node in graph.node for name in node.output if name}
    return Scope(path, graph, parent, loops, holder, attribute, initializers, made)


def _walk(scope: Scope, found: list[Place], top: int | None) -> None:
    for position, node in enumerate(scope.graph.node):
        within = position if top is None else top
        for inner in subscopes(scope, node, position):
            _walk(inner, found, within)
        found.append(Place(len(found), node, scope, within))


def element_types(model: Any) -> dict[str, int]:
    """The element type (onnx.TensorProto.DataType) of values by key, as far as it is inferred.

    0 is a value that is known not to be a tensor.
    """
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except Exception:
        # A model that inference refuses may run all the same; its types stay unknown.
        inferred = model
    types: dict[str, int] = {}
    _collect_types(main_scope(inferred.graph), types)
    return types


def _collect_types(scope: Scope, types: dict[str, int]) -> None:
    graph = scope.graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.WhichOneof("value") == "tensor_type":
            types[scope.key(value.name)] = value.type.tensor_type.elem_type
        elif value.type.WhichOneof("value"):
            types[scope.key(value.name)] = 0
    for name, tensor in scope.initializers.items():
        dense = tensor.values if hasattr(tensor, "values") else tensor
        types[scope.key(name)] = dense.data_type
    for position, node in enumerate(graph.node):
        for inner in subscopes(scope, node, position):
            _collect_types(inner, types)
