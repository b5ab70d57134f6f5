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
    if datatype not in _DTYPES:
        raise RequestError(f"{where}: datatype: expected one of {', '.join(_DTYPES)}")
    if not isinstance(shape, list) or not all(type(one) is int and one >= 0 for one in shape):
        raise RequestError(f"{where}: shape: expected a list of whole numbers from 0")
    dtype = np.dtype(_DTYPES[datatype])
    try:
        # The data may be flat or nested as the shape is.
        given = np.asarray(entry.get("data"))
        if given.size and given.dtype.kind not in _GIVEN_KINDS[dtype.kind]:
            raise ValueError(f"not what {datatype} holds")
        array = given.astype(np.str_ if dtype.kind == "U" else dtype).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise RequestError(f"{where}: data: {error}") from None
    if dtype.kind in "iu" and not np.array_equal(array.ravel(), given.ravel()):
        raise RequestError(f"{where}: data: a number does not fit {datatype}")
    return array


def outputs_of(outputs: Mapping[str, Array], request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outputs that a request asks for, all where it names none, with flat data.

    Raises RequestError for one that the model does not have, UnsupportedError for what JSON cannot
    hold.
    """
    asked = [str(entry.get("name")) for entry in request.get("outputs") or []] or list(outputs)
    for name in asked:
        if name not in outputs:
            raise RequestError(f"outputs: expected some of {', '.join(outputs)}, found {name}")
    return [entry_of(name, outputs[name]) | {"data": _data_of(name, outputs[name])}
            for name in asked]  # fmt: skip


def entry_of(name: str, array: Array) -> dict[str, Any]:
    """Name, datatype and shape of an output."""
    datatype = "BYTES" if array.dtype.kind in "OU" else DATATYPES.get(array.dtype.name)
    if datatype is None:
        raise UnsupportedError(f"output '{name}' is {array.dtype}, which the protocol has not")
    return {"name": name, "datatype": datatype, "shape": list(array.shape)}


def _data_of(name: str, array: Array) -> list[Any]:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UnsupportedError(f"output '{name}' has NaN or infinity, which JSON cannot hold")
    data: list[Any] = array.ravel().tolist()
    return data


def metadata(
    name: str,
    version: str,
    platform: str,
    specs: Sequence[TensorSpec],
    outputs: Mapping[str, Array],
) -> dict[str, Any]:
    """What the protocol tells of a model. ``outputs`` are those of some input: of them name,
    datatype and rank are known, and every size may be another one; free sizes are -1."""
    return {
        "name": name,
        "versions": [version],
        "platform": platform,
        "inputs": [
            {
                "name": spec.name,
                "datatype": DATATYPES.get(spec.dtype or "", "BYTES"),
                "shape": [-1 if size is None else size for size in spec.shape or (None,)],
            }
            for spec in specs
        ],
        "outputs": [
            entry_of(key, array) | {"shape": [-1] * array.ndim} for key, array in outputs.items()
        ],
    }
