"""The Open Inference Protocol's tensors, version 2, as JSON: numbers as text have no byte order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zport_agent.arrays import Array
from zport_agent.backends import TensorSpec
from zport_agent.errors import UnsupportedError

DATATYPES = {
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{kind}{bits}".upper() for kind in ("int", "uint") for bits in
       (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
    "str": "BYTES",
}  # fmt: skip
"""The protocol's names by NumPy's; texts are BYTES."""
_DTYPES = {datatype: dtype for dtype, datatype in DATATYPES.items()}
_GIVEN_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "iuf", "U": "U"}
"""Which kinds of JSON's values a kind of dtype takes: nothing is cut off."""


class RequestError(Exception):
    """A request that cannot be served; ``str()`` of it tells the client why."""


def inputs_of(request: Any, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """The model's inputs from an inference request, by name, in native byte order.

    Raises RequestError naming the field that does not fit.
    """
    entries = request.get("inputs") if isinstance(request, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RequestError("inputs: expected a list of tensors")
    arrays = {str(entry.get("name")): _array_of(entry) for entry in entries}
    wanted = {spec.name: spec for spec in specs}
    if arrays.keys() != wanted.keys():
        raise RequestError(
            f"inputs: expected {', '.join(wanted)}, found {', '.join(arrays) or 'none'}"
        )
    for name, spec in wanted.items():
        dtype = arrays[name].dtype.name
        if spec.dtype in DATATYPES and dtype != spec.dtype:
            raise RequestError(
                f"inputs.{name}: expected datatype {DATATYPES[spec.dtype]}, "
                f"found {DATATYPES.get(dtype, 'BYTES')}"
            )
    return {name: arrays[name] for name in wanted}


def _array_of(entry: Mapping[str, Any]) -> Array:
    where = f"inputs.{entry.get('name')}"
    datatype, shape = entry.get("datatype"), entry.get("shape")
    if not isinstance(datatype, str) or datatype not in _DTYPES:
        raise RequestError(f"{where}: datatype: expected one of {', '.join(_DTYPES)}")
    if not isinstance(shape, list) or not all(type(one) is int and one >= 0 for one in shape):
        raise RequestError(f"{where}: shape: expected a list of whole numbers from 0")
    dtype = np.dtype(_DTYPES[datatype])
    try:
        # The data may be flat or nested as the shape is.
        given = np.asarray(entry.get("data"))
        if dtype.kind == "u" and given.dtype.kind == "f":
            given = _whole(entry.get("data"))
        if given.size and given.dtype.kind not in _GIVEN_KINDS[dtype.kind]:
            raise ValueError(f"not what {datatype} holds")
        with np.errstate(over="ignore"):
            array = given.astype(np.str_ if dtype.kind == "U" else dtype).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise RequestError(f"{where}: data: {error}") from None
    given = given.reshape(shape)
    if dtype.kind in "iu" and not np.array_equal(array, given):
        raise RequestError(f"{where}: data: a number does not fit {datatype}")
    if dtype.kind == "f" and not np.array_equal(np.isfinite(array), np.isfinite(given)):
        raise RequestError(f"{where}: data: a number does not fit {datatype}")
    return array


def _whole(data: Any) -> Array:
    """Whole numbers, of which NumPy makes float64 where some fit uint64 alone and some int64."""
    exact = np.asarray(data, dtype=object)
    whole = all(type(one) is int for one in exact.flat)
    return exact.astype(np.uint64) if whole else np.asarray(data)


def wanted_of(request: Mapping[str, Any]) -> list[str]:
    """The outputs that a request names. Raises RequestError when they are not told as tensors."""
    entries = request.get("outputs") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RequestError("outputs: expected a list of tensors")
    return [str(entry.get("name")) for entry in entries]


def outputs_of(outputs: Mapping[str, Array], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """The outputs that are wanted, all where none is named, with flat data.

    Raises RequestError for one that the model does not have, UnsupportedError for what JSON cannot
    hold.
    """
    for name in wanted:
        if name not in outputs:
            raise RequestError(f"outputs: expected some of {', '.join(outputs)}, found {name}")
    return [entry_of(name, outputs[name]) | {"data": _data_of(name, outputs[name])}
            for name in wanted or outputs]  # fmt: skip


def entry_of(name: str, array: Array) -> dict[str, Any]:
    """Name, datatype and shape of a tensor."""
    datatype = "BYTES" if array.dtype.kind in "OSU" else DATATYPES.get(array.dtype.name)
    if datatype is None:
        raise UnsupportedError(f"'{name}' is {array.dtype}, which the protocol has not")
    return {"name": name, "datatype": datatype, "shape": list(array.shape)}


def _data_of(name: str, array: Array) -> list[Any]:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UnsupportedError(f"output '{name}' has NaN or infinity, which JSON cannot hold")
    data: list[Any] = array.ravel().tolist()
    try:
        return [one.decode() if isinstance(one, bytes) else one for one in data]
    except UnicodeDecodeError as error:
        raise UnsupportedError(f"output '{name}' holds bytes that are no UTF-8: {error}") from None


def metadata(
    specs: Sequence[TensorSpec], inputs: Mapping[str, Array], outputs: Mapping[str, Array]
) -> dict[str, Any]:
    """What the protocol tells of a model's tensors. ``inputs`` are some that the model has taken,
    ``outputs`` its answer: what is not known besides is told by them. Free sizes are -1; of outputs
    every size may be another one."""
    return {
        "inputs": [_input_entry(spec, inputs[spec.name]) for spec in specs],
        "outputs": [
            entry_of(key, array) | {"shape": [-1] * array.ndim} for key, array in outputs.items()
        ],
    }


def _input_entry(spec: TensorSpec, given: Array) -> dict[str, Any]:
    sizes = (None,) * given.ndim if spec.shape is None else spec.shape
    entry = entry_of(spec.name, given) | {"shape": [-1 if one is None else one for one in sizes]}
    if spec.dtype in DATATYPES:
        entry["datatype"] = DATATYPES[spec.dtype]
    return entry
