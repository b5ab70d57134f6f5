"""The exact answer of one operator: onnx.reference in float64, where the operator may be float64.

It is slow and independent of every framework, so it can say which of two machines is wrong.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zport_agent.arrays import Array, to_native
from zport_agent.diff.onnxgraph import Place
from zport_agent.diff.weights import array_of, dense_of
from zport_agent.metrics import wide as wider_of

RANDOM = frozenset({
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
    "Bernoulli", "Dropout",
})  # fmt: skip
"""Operators whose answer is not determined by their inputs."""

_DOUBLE = "tensor(double)"
_SPATIAL_FIRST = 2
_BATCH_NORMALIZATION = 15


def _global_max_pool(x: Array) -> Array:
    return np.asarray(x.max(axis=tuple(range(_SPATIAL_FIRST, x.ndim)), keepdims=True))


class NoExactAnswerError(Exception):
    """The operator cannot be evaluated; ``str()`` of it is why."""


def exact(model: Any, place: Place, inputs: Mapping[str, Array], folder: Path) -> dict[str, Array]:
    """What a node gives for these inputs (by name, of its own scope), by its outputs' names.

    Floating inputs are widened to float64 where the operator's schema allows it, so outputs
    may be float64 too. ``folder`` has the model's external data. Raises NoExactAnswerError.
    """
    node = place.node
    reason = _impossible(place, inputs)
    if reason:
        raise NoExactAnswerError(reason)
    if node.op_type == "Constant":
        return {node.output[0]: constant(node, folder)}
    given = {name: to_native(inputs[name]) for name in node.input if name}
    wider = _widened(node, given, model)
    if node.op_type == "GlobalMaxPool":
        # onnx.reference 1.17 takes the maximum over the channels too.
        return {node.output[0]: _global_max_pool(wider[node.input[0]])}
    try:
        return _evaluate(model, node, wider)
    except Exception as error:
        raise NoExactAnswerError(
            f"onnx.reference cannot evaluate {node.op_type}: {' '.join(str(error).split())[:160]}"
        ) from None


def constant(node: Any, folder: Path) -> Array:
    """What a Constant node stands for; onnx.reference cannot make dense what is sparse."""
    from onnx import helper

    [attribute] = node.attribute
    if attribute.name == "sparse_value":
        return dense_of(attribute.sparse_tensor, folder)
    if attribute.name == "value":
        return array_of(attribute.t, folder)
    value = helper.get_attribute_value(attribute)
    if attribute.name in ("value_string", "value_strings"):
        return np.array(value, dtype=np.bytes_).astype(np.str_)
    return np.array(value, np.float32 if "float" in attribute.name else np.int64)


def _impossible(place: Place, inputs: Mapping[str, Array]) -> str | None:
    node = place.node
    missing = [name for name in node.input if name and name not in inputs]
    if node.op_type in RANDOM:
        return f"{node.op_type} is random"
    if any(a.name == "spatial" and not a.i for a in node.attribute):
        return "its statistics are those of each position, which nothing evaluates"
    if any(a.HasField("g") or a.graphs for a in node.attribute):
        return f"{node.op_type} holds a subgraph, whose own operators are looked at"
    if place.scope.loops:
        return "it runs in a loop, and its values are those of all iterations"
    return f"its input {missing[0]} was not observed" if missing else None


def _widened(node: Any, given: dict[str, Array], model: Any) -> dict[str, Array]:
    """The inputs, those floating ones in float64 whose type may be that by the schema."""
    import onnx

    versions = {opset.domain or "": opset.version for opset in model.opset_import}
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        schema = onnx.defs.get_schema(node.op_type, versions.get(domain, 1), domain)
    except Exception:
        return given
    allowed = {one.type_param_str: one.allowed_type_strs for one in schema.type_constraints}
    wide = dict(given)
    for position, name in enumerate(node.input):
        if not name or given[name].dtype.kind != "f":
            continue
        formal = schema.inputs[min(position, len(schema.inputs) - 1)]
        if _DOUBLE in allowed.get(formal.type_str, ()):
            wide[name] = wider_of(given[name])
    return wide


def _evaluate(model: Any, node: Any, inputs: dict[str, Array]) -> dict[str, Array]:
    from onnx import ValueInfoProto, helper
    from onnx.reference import ReferenceEvaluator

    outputs = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "one_node",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in inputs.items()
        ],
        [ValueInfoProto(name=name) for name in outputs],
    )
    opsets = list(model.opset_import)
    if node.op_type == "BatchNormalization" and len(node.output) == 1:
        # The older ones, which do the same at inference, onnx.reference 1.17 runs as in training.
        opsets = [helper.make_opsetid("", _BATCH_NORMALIZATION)]
    alone = helper.make_model(
        graph,
        opset_imports=opsets,
        functions=list(model.functions),
        ir_version=model.ir_version,
    )
    with np.errstate(all="ignore"):
        answers = ReferenceEvaluator(alone).run(None, inputs)
    return {name: np.asarray(answer) for name, answer in zip(outputs, answers, strict=True)}
