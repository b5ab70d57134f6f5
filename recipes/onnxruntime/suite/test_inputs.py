"""Arrays given to the runtime in either byte order: converted or refused, never misread."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnxruntime as ort
import pytest
from element_types import ELEMENT_TYPES, INT64, ElementType
from onnx_writer import Graph, node, sequence, value
from sessions import PROVIDERS, options

ORDERED = {one.name: one for one in ELEMENT_TYPES if one.shown and one.shown[-1] in "248"}
"""The types whose numbers numpy has in two orders."""
COUNT = 6


def session_of(kind: ElementType) -> ort.InferenceSession:
    """y = x, of any shape."""
    graph = Graph(
        (node("Identity", ["x"], ["y"]),),
        (value("x", kind.kind, None),),
        (value("y", kind.kind, None),),
    )
    return ort.InferenceSession(graph.model(), options("basic"), providers=PROVIDERS)


def by_run(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """An input of a session."""
    return session_of(kind).run(None, {"x": array})[0]


def by_value(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """A value made of an array, and made an array again."""
    del kind
    return ort.OrtValue.ortvalue_from_numpy(array).numpy()


def by_value_run(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """A value as an input."""
    given = {"x": ort.OrtValue.ortvalue_from_numpy(array)}
    return session_of(kind).run_with_ort_values(None, given)[0].numpy()


def by_update(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """New numbers for a value."""
    first = np.zeros(array.shape, dtype=kind.shown)
    changed = ort.OrtValue.ortvalue_from_numpy(first)
    changed.update_inplace(array)
    return changed.numpy()


def by_onnx_type(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """A value whose type is named by its number in ONNX."""
    make = ort.OrtValue.ortvalue_from_numpy_with_onnx_type
    return make(array, kind.kind).numpy()


def bound(kind: ElementType, bind: Callable[[ort.IOBinding], None]) -> np.ndarray:
    """What a session says to the input that is bound so."""
    session = session_of(kind)
    binding = session.io_binding()
    bind(binding)
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()[0]


def by_binding(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """A bound array."""
    return bound(kind, lambda binding: binding.bind_cpu_input("x", array))


def by_bound_value(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """A bound value."""
    value = ort.OrtValue.ortvalue_from_numpy(array)
    return bound(kind, lambda binding: binding.bind_ortvalue_input("x", value))


def by_pointer(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """The caller names the type of the numbers at an address: by the array's own dtype."""
    held = np.ascontiguousarray(array)
    place = ("x", "cpu", 0, held.dtype, held.shape, held.ctypes.data)
    return bound(kind, lambda binding: binding.bind_input(*place))


def by_initializer(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """A value that takes the place of a tensor of the model, after optimization if there is any."""
    stored = kind.raw_tensor([0] * array.size, array.shape).encode("w")
    graph = Graph(
        nodes=(node("Identity", ["w"], ["y"]),),
        outputs=(value("y", kind.kind, array.shape),),
        initializers=(stored,),
    )
    chosen = options("disabled")
    given = ort.OrtValue.ortvalue_from_numpy(array)
    chosen.add_initializer("w", given)
    return ort.InferenceSession(graph.model(), chosen, providers=PROVIDERS).run(None, {})[0]


def by_sequence(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """A list of arrays as one input."""
    made = Graph(
        nodes=(node("SequenceAt", ["x", "i"], ["y"]),),
        inputs=(sequence("x", kind.kind), value("i", INT64, [])),
        outputs=(value("y", kind.kind, None),),
    )
    session = ort.InferenceSession(made.model(), options("basic"), providers=PROVIDERS)
    return session.run(None, {"x": [array, array], "i": np.array(1)})[0]


def by_sparse(kind: ElementType, array: np.ndarray) -> np.ndarray:
    """The values of a sparse tensor, and its indices in the same order."""
    del kind
    device = ort.OrtDevice.make("cpu", 0)
    flat = np.ascontiguousarray(array.ravel())
    places = np.arange(flat.size).astype(np.dtype("i8").newbyteorder(array.dtype.byteorder))
    shape = np.array([flat.size], dtype="i8")
    sparse = ort.SparseTensor.sparse_coo_from_numpy(shape, flat, places, device)
    assert sparse.as_coo_view().indices().tolist() == [*range(flat.size)], "the indices"
    return sparse.values().reshape(array.shape)


Way = Callable[[ElementType, np.ndarray], np.ndarray]
WAYS: Mapping[str, Way] = {
    "run": by_run,
    "value": by_value,
    "value-run": by_value_run,
    "update": by_update,
    "onnx-type": by_onnx_type,
    "binding": by_binding,
    "bound-value": by_bound_value,
    "pointer": by_pointer,
    "initializer": by_initializer,
    "sequence": by_sequence,
    "sparse": by_sparse,
}
SHAPES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "flat": lambda a: a,
    "matrix": lambda a: a.reshape(2, 3),
    "transposed": lambda a: a.reshape(2, 3).T,
    "every-other": lambda a: np.repeat(a, 2)[::2],
    "scalar": lambda a: a[1:2].reshape(()),
}
WHOLE_ONLY = ("update", "onnx-type", "pointer", "sparse", "initializer")
"""They take the buffer as it is: whole arrays only."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("name", ORDERED)
def test_given_numbers(name: str, order: str, way: str, shape: str) -> None:
    """The numbers are right, or there is an error."""
    if way in WHOLE_ONLY and shape not in ("flat", "matrix"):
        pytest.skip("it takes whole arrays")
    if way == "sparse" and name == "float16":
        pytest.skip("ONNX Runtime has no sparse tensors of it for Python")
    kind = ORDERED[name]
    dtype = np.dtype(kind.shown).newbyteorder({"little": "<", "big": ">"}[order])
    array = SHAPES[shape](np.array(kind.numbers(COUNT), dtype=dtype))
    try:
        found = WAYS[way](kind, array)
    except Exception as refused:
        # The machine's own order has to work.
        assert not array.dtype.isnative, refused
        return
    assert found.dtype.isnative
    assert found.tolist() == array.tolist()
