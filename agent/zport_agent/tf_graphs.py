"""TensorFlow's model files as one thing: a graph without variables, its inputs and outputs named.

A SavedModel's names are those of its signature; a frozen graph's those of its placeholders, and of
the nodes that no other takes anything of; Keras's those of the network's input layers, and
``output0`` and so on.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from zport_agent.errors import ModelFileError, one_line

# oneDNN's kernels round otherwise on each processor; messages below errors are not wanted.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SIGNATURE = "serving_default"
SAVED_MODEL = "saved_model.pb"

Names: TypeAlias = Mapping[str, str]
"""What an input or output is called, and the tensor that it is."""
v1 = tf.compat.v1


@dataclass(frozen=True)
class NamedGraph:
    """A graph of constants; its inputs and outputs are the operations of those names."""

    graph: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def tensors(self, names: tuple[str, ...]) -> list[Any]:
        """The tensors of inputs or outputs."""
        return [self.graph.get_tensor_by_name(f"{name}:0") for name in names]


def read_graph(path: Path) -> NamedGraph:
    """The network in a file: ``saved_model.pb``, with its variables in the same folder, a frozen
    graph (``.pb``) or a file of Keras's. Raises ModelFileError when TensorFlow cannot read it."""
    reader: Callable[[Path], tuple[Any, Names, Names]] = _READERS.get(path.suffix, _frozen)
    try:
        return _named(*(_saved_model if path.name == SAVED_MODEL else reader)(path))
    except Exception as error:
        raise ModelFileError(
            f"{path}: TensorFlow {tf.__version__} cannot read this file: {one_line(error)}"
        ) from None


def _saved_model(path: Path) -> tuple[Any, Names, Names]:
    with tempfile.TemporaryDirectory() as folder, v1.Session(graph=tf.Graph()) as session:
        variables = Path(folder) / "variables"
        variables.mkdir()
        (Path(folder) / SAVED_MODEL).symlink_to(path.resolve())
        for one in path.parent.glob("variables.*"):
            (variables / one.name).symlink_to(one.resolve())
        # The way of TensorFlow 1: that of 2 wants the classes of Keras 2 for an optimizer's state.
        meta = v1.saved_model.load(session, [tf.saved_model.SERVING], folder)
        signature = meta.signature_def[SIGNATURE]
        outputs = _names(signature.outputs)
        graph = v1.graph_util.convert_variables_to_constants(
            session, session.graph.as_graph_def(), [_node(name) for name in outputs.values()]
        )
    for function in graph.library.function:
        # They count the variables, which are no longer arguments.
        function.attr.pop("_input_shapes", None)
    return graph, _names(signature.inputs), outputs


def _frozen(path: Path) -> tuple[Any, Names, Names]:
    graph = v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    for node in graph.node:
        # What may be fed and here never is.
        if node.op == "PlaceholderWithDefault":
            node.op = "Identity"
            node.attr["T"].CopyFrom(node.attr.pop("dtype"))
            node.attr.pop("shape")
    used = {_node(name) for node in graph.node for name in node.input}
    inputs = {node.name: f"{node.name}:0" for node in graph.node if node.op == "Placeholder"}
    outputs = {node.name: f"{node.name}:0" for node in graph.node if node.name not in used}
    return graph, inputs, outputs


def _keras(path: Path) -> tuple[Any, Names, Names]:
    model = tf.keras.models.load_model(path, compile=False)
    specs = [tf.TensorSpec(one.shape, one.dtype, one.name) for one in model.inputs]
    call = tf.function(lambda *given: model(given[0] if len(given) == 1 else list(given)))
    frozen = convert_variables_to_constants_v2(call.get_concrete_function(*specs))
    outputs = {f"output{place}": one.name for place, one in enumerate(frozen.outputs)}
    return frozen.graph.as_graph_def(), {_node(o.name): o.name for o in frozen.inputs}, outputs


_READERS = {".h5": _keras, ".hdf5": _keras, ".keras": _keras}


def _names(tensors: Any) -> Names:
    return {name: tensors[name].name for name in sorted(tensors)}


def _node(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _named(graph: Any, inputs: Names, outputs: Names) -> NamedGraph:
    """The graph with its functions inlined, and with nothing but what leads to the outputs."""
    imported = v1.wrap_function(lambda: v1.import_graph_def(graph, name=""), [])

    def tensors(names: Names) -> list[Any]:
        return [imported.graph.as_graph_element(name) for name in names.values()]

    whole = convert_variables_to_constants_v2(imported.prune(tensors(inputs), tensors(outputs)))
    with tf.Graph().as_default() as result:
        fed = {
            given.name: v1.placeholder(given.dtype, given.shape, name)
            for name, given in zip(inputs, whole.inputs, strict=True)
        }
        wanted = [one.name for one in whole.outputs]
        found = v1.import_graph_def(whole.graph.as_graph_def(), fed, wanted, name="graph")
        for name, tensor in zip(outputs, found, strict=True):
            tf.identity(tensor, name)
    return NamedGraph(result, tuple(inputs), tuple(outputs))
