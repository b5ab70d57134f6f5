"""TensorFlow's model files converted to what runs where TensorFlow does not."""

from pathlib import Path
from typing import Any

from zport_agent.errors import UnsupportedError

OPSET = 17
"""Of ONNX: what the oldest runtime that reads it here knows."""


def converted(source: Path, ending: str) -> bytes:
    """The network in a file as TensorFlow Lite (``.tflite``) or ONNX (``.onnx``) writes it.

    Raises ModelFileError when TensorFlow cannot read it, and UnsupportedError when it cannot be
    converted: an operator of it is lacking there.
    """
    from zport_agent.tf_graphs import read_graph

    network = read_graph(source)
    try:
        return _WRITERS[ending](network)
    except Exception as error:
        reason = " ".join(str(error).split())[-400:]
        raise UnsupportedError(f"{source}: it cannot be converted to {ending}: {reason}") from None


def _lite(network: Any) -> bytes:
    from zport_agent.tf_graphs import v1

    with v1.Session(graph=network.graph) as session:
        converter = v1.lite.TFLiteConverter.from_session(
            session, network.tensors(network.inputs), network.tensors(network.outputs)
        )
        return bytes(converter.convert())


def _onnx(network: Any) -> bytes:
    import tensorflow as tf
    from tf2onnx.tf_loader import tf_optimize
    from tf2onnx.tfonnx import process_tf_graph

    inputs, outputs = ([f"{name}:0" for name in names]
                       for names in (network.inputs, network.outputs))  # fmt: skip
    with tf.Graph().as_default():
        inlined = tf_optimize(inputs, outputs, network.graph.as_graph_def())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(inlined, name="")
        # Its optimizers give another graph each time, and the runtime has its own.
        found = process_tf_graph(graph, opset=OPSET, input_names=inputs, output_names=outputs)
    model = found.make_model("converted from TensorFlow")
    domains = {node.domain for node in model.graph.node} - {"", "ai.onnx.ml"}
    if domains:
        raise ValueError(f"operators of {', '.join(sorted(domains))}")
    data: bytes = _numbered(model).SerializeToString(deterministic=True)
    return data


def _numbered(model: Any) -> Any:
    """The model, values and nodes called by their place: tf2onnx's counters differ each time.

    Raises ValueError for an operator with a graph of its own, which may use any of these values.
    """
    graph = model.graph
    for node in graph.node:
        if any(one.HasField("g") or one.graphs for one in node.attribute):
            raise ValueError(f"operator {node.op_type} {node.name} has a graph of its own")
    kept = {one.name: one.name for one in (*graph.input, *graph.output)}
    for place, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{place}"
        for names in (node.input, node.output):
            for number, name in enumerate(names):
                names[number] = kept.setdefault(name, f"value{len(kept)}") if name else ""
    weights = sorted(graph.initializer, key=lambda one: int(kept[one.name].removeprefix("value")))
    for one in weights:
        one.name = kept[one.name]
    del graph.initializer[:]
    graph.initializer.extend(weights)
    del graph.value_info[:]
    return model


_WRITERS = {".tflite": _lite, ".onnx": _onnx}
ENDINGS = tuple(_WRITERS)
