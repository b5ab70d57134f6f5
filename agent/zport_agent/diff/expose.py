"""Makes what lies between a model's operators visible: probes, which are models of their own.

A probe is the model up to a node, with the outputs of some of its nodes, and the weights these
read, as the only outputs. Each passes through an Identity, so that it has a plain name. What
NumPy has no type for is cast to one that holds it exactly. Values within If, Loop and Scan are
handed out through these: from a branch that did not run comes an empty tensor, from a loop one
value an iteration, stacked.
"""

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zport_agent.arrays import Array, write_npz
from zport_agent.diff.onnxgraph import (
    BRANCHES,
    LOOPS,
    WIDER,
    Place,
    Scope,
    element_types,
    graph_inputs,
    identity,
    initializers_of,
    main_scope,
    places,
    read_model,
    subscopes,
)
from zport_agent.errors import UnsupportedError, UsageError, one_line
from zport_agent.output import write_bytes, write_json

PASS_BYTES = 256 << 20
PASS_NODES = 400
SURVEY = "survey.json"
INPUTS = "inputs.npz"


@dataclass(frozen=True)
class Exposed:
    """A value and the probe's output that it is: ``node`` is the first in the order of nodes that
    gives it, or reads it if it is an initializer. ``dtype`` is its own if that was widened.
    """

    output: str
    key: str
    node: int
    initializer: bool
    dtype: str | None
    element: int | None


@dataclass(frozen=True)
class Probe:
    """One file to run at one level of optimization, and what its outputs are."""

    file: str
    level: str
    values: list[dict[str, Any]]


def survey(model_path: Path, out: Path, seed: int | None) -> dict[str, Any]:
    """Write ``survey.json``: the operators, the passes (first, last) to look at them in, and the
    files that hold the model's external data.

    With a seed, ``inputs.npz`` too: random values for every input, unknown dimensions 1.
    """
    model = read_model(model_path, external=False)
    if seed is not None:
        write_npz(out / INPUTS, random_inputs(model, seed))
    nodes = places(model)
    record = {
        "operators": [identity(model, place) for place in nodes],
        "passes": _passes(model, nodes),
        "external": external_files(nodes),
    }
    write_json(out / SURVEY, record)
    return record


def make_probes(
    model_path: Path, out: Path, ranges: Iterable[tuple[int, int]], level: str, stem: str
) -> list[Probe]:
    """Write a probe for each range of nodes (first, last) and ``<stem>.json``, their list.

    Raises UsageError for a range that the model has not.
    """
    model = read_model(model_path, external=False)
    nodes = places(model)
    types = element_types(model)
    probes = []
    for number, (first, last) in enumerate(ranges):
        if last >= len(nodes):
            raise UsageError(f"{model_path}: no node {last}: it has {len(nodes)}, counted from 0")
        probe, values = expose(model, range(first, last + 1), nodes[last].top, types)
        name = f"{stem}-{number}.onnx"
        write_bytes(out / name, probe.SerializeToString())
        probes.append(Probe(name, level, [asdict(value) for value in values]))
    write_json(out / f"{stem}.json", [asdict(probe) for probe in probes])
    return probes


def expose(model: Any, wanted: range, top: int, types: dict[str, int]) -> tuple[Any, list[Exposed]]:
    """The probe of some nodes of a model, and what its outputs are.

    ``top`` is the main graph's node that the last of them is, or is within.
    """
    probe = type(model)()
    probe.CopyFrom(model)
    del probe.graph.node[top + 1 :]
    exposer = _Exposer(wanted, types)
    values = exposer.graph(main_scope(probe.graph))
    del probe.graph.output[:]
    probe.graph.output.extend(_value_info(value) for value in values)
    _drop_unused(probe.graph)
    return probe, sorted(values, key=lambda value: (value.node, not value.initializer))


class _Exposer:
    """Goes through a graph in the order of its nodes and hands out the wanted ones' values."""

    def __init__(self, wanted: range, types: dict[str, int]) -> None:
        self.wanted = wanted
        self.types = types
        self.index = 0
        self.given = 0
        self.seen: set[str] = set()

    def graph(self, scope: Scope) -> list[Exposed]:
        """Add the Identity nodes to a graph; the outputs they give are the caller's to list."""
        found: list[Exposed] = []
        added: list[Any] = []
        for position, node in enumerate(list(scope.graph.node)):
            # What is handed out through the node is not what it gives.
            own = [name for name in node.output if name]
            inner = [(sub, self.graph(sub)) for sub in subscopes(scope, node, position)]
            if any(values for _, values in inner):
                found += self._lift(node, inner)
            if self.index in self.wanted:
                for key, name, initializer in self._values(scope, node, own):
                    value = self._expose(key, name, initializer, added)
                    found += [value] if value else []
            self.index += 1
        scope.graph.node.extend(added)
        return found

    def _values(
        self, scope: Scope, node: Any, outputs: Sequence[str]
    ) -> list[tuple[str, str, bool]]:
        """Key, name and whether it is an initializer: the weights a node reads, what it gives."""
        values = []
        for name in filter(None, node.input):
            origin = scope.find(name)
            # In a loop's body a weight from outside would be stacked once an iteration.
            if origin and name in origin[0].initializers and not scope.loops:
                values.append((origin[1], name, True))
        values += [(scope.key(name), name, False) for name in outputs]
        return [value for value in values if value[0] not in self.seen]

    def _expose(self, key: str, name: str, initializer: bool, added: list[Any]) -> Exposed | None:
        from onnx import TensorProto, helper

        self.seen.add(key)
        element = self.types.get(key)
        if element == 0:
            return None
        kind = TensorProto.DataType.Name(element) if element else ""
        output = self._name()
        if wider := WIDER.get(kind):
            element = TensorProto.DataType.Value(wider)
            added.append(helper.make_node("Cast", [name], [output], to=element))
        else:
            added.append(helper.make_node("Identity", [name], [output]))
        dtype = kind.lower() if wider else None
        return Exposed(output, key, self.index, initializer, dtype, element)

    def _name(self) -> str:
        self.given += 1
        return f"zport_value_{self.given}"

    def _lift(self, node: Any, inner: list[tuple[Scope, list[Exposed]]]) -> list[Exposed]:
        """Hand what subgraphs give out through the node that holds them."""
        if node.op_type in BRANCHES:
            return self._lift_branches(node, inner)
        if node.op_type not in LOOPS or node.domain not in ("", "ai.onnx"):
            return []
        [(body, values)] = inner
        body.graph.output.extend(_value_info(value) for value in values)
        for attribute in node.attribute:
            if attribute.name in ("scan_output_axes", "scan_output_directions"):
                attribute.ints.extend([0] * len(values))
        return [self._outside(node, value) for value in values]

    def _lift_branches(self, node: Any, inner: list[tuple[Scope, list[Exposed]]]) -> list[Exposed]:
        from onnx import TensorProto, helper

        lifted = []
        for scope, values in inner:
            for value in values:
                if not value.element:
                    continue
                for other, _ in inner:
                    if other is not scope:
                        empty = TensorProto(name="", data_type=value.element, dims=[0])
                        other.graph.node.append(
                            helper.make_node("Constant", [], [value.output], value=empty)
                        )
                    other.graph.output.append(_value_info(value))
                lifted.append(self._outside(node, value))
        return lifted

    def _outside(self, node: Any, value: Exposed) -> Exposed:
        output = self._name()
        node.output.append(output)
        return Exposed(**{**asdict(value), "output": output})


def _value_info(value: Exposed) -> Any:
    from onnx import ValueInfoProto, helper

    if value.element:
        return helper.make_tensor_value_info(value.output, value.element, None)
    return ValueInfoProto(name=value.output)


def _drop_unused(graph: Any) -> None:
    """Leave out the weights that no remaining node reads, and inputs that stand for these."""
    used = set(_names_read(graph.node))
    dropped = set(initializers_of(graph)) - used
    for held in (graph.initializer, graph.sparse_initializer, graph.input):
        kept = [one for one in held if _name_of(one) not in dropped]
        del held[:]
        held.extend(kept)
    del graph.value_info[:]


def _name_of(one: Any) -> str:
    return str(one.values.name if hasattr(one, "values") else one.name)


def _names_read(nodes: Iterable[Any]) -> Iterable[str]:
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _names_read(graph.node)
                yield from (value.name for value in graph.output)


def external_files(nodes: Iterable[Place]) -> list[str]:
    """The files of external data, relative to the model's, as the model names them."""
    tensors: list[Any] = []
    for place in nodes:
        tensors += place.scope.initializers.values()
        for attribute in place.node.attribute:
            tensors += [attribute.t, *attribute.tensors, attribute.sparse_tensor]
    dense = []
    for tensor in tensors:
        dense += [tensor.values, tensor.indices] if hasattr(tensor, "values") else [tensor]
    entries = [entry for tensor in dense for entry in tensor.external_data]
    return sorted({entry.value for entry in entries if entry.key == "location"})


def _passes(model: Any, nodes: list[Any]) -> list[tuple[int, int]]:
    """Ranges of nodes whose values fit into memory together, as far as shapes are inferred."""
    sizes = _sizes(model)
    passes, first, held = [], 0, 0
    seen: set[str] = set()
    for place in nodes:
        names = [name for name in (*place.node.input, *place.node.output) if name]
        keys = {found[1] for name in names if (found := place.scope.find(name))} - seen
        seen |= keys
        size = sum(sizes.get(key, 0) for key in keys)
        if place.index > first and (held + size > PASS_BYTES or place.index - first >= PASS_NODES):
            passes.append((first, place.index - 1))
            first, held = place.index, 0
        held += size
    return [*passes, (first, len(nodes) - 1)]


def _sizes(model: Any) -> dict[str, int]:
    """Bytes of values by name, unknown dimensions counted as 1; eight bytes an element at most."""
    import onnx

    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:
        graph = model.graph
    shapes = {
        value.name: [max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    return {name: 8 * math.prod(shape) for name, shape in shapes.items()}


def random_inputs(model: Any, seed: int) -> dict[str, Array]:
    """Values for each input: standard normal numbers, 0 or 1 for integers; unknown sizes are 1.

    Raises UnsupportedError for an input that is no tensor.
    """
    from onnx import helper

    random = np.random.default_rng(seed)
    values = {}
    for value in graph_inputs(model.graph):
        tensor = value.type.tensor_type
        if not tensor.elem_type:
            raise UnsupportedError(f"input '{value.name}' is no tensor; give inputs by a manifest")
        shape = [max(dim.dim_value, 1) for dim in tensor.shape.dim]
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        values[value.name] = _random(random, shape, dtype)
    return values


def _random(random: np.random.Generator, shape: Collection[int], dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "fc":
        return random.standard_normal(tuple(shape)).astype(dtype)
    whole = random.integers(0, 2, tuple(shape))
    return whole.astype(np.str_) if dtype.kind == "O" else whole.astype(dtype)


def read_probes(path: Path) -> list[dict[str, Any]]:
    """The list that :func:`make_probes` wrote. Raises UsageError where it is none."""
    try:
        probes: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a list of probes: {one_line(error)}") from None
    return probes
