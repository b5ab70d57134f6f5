"""Turns an ONNX file whose numbers are stored big-endian into one as ONNX defines it.

ONNX's raw_data is little-endian by definition, but a program that stores an array's own bytes
writes them in its machine's order, and nothing in the file tells. Only who made the file knows;
the manifest says so, and this reverses the bytes of every stored number.
"""

from pathlib import Path
from typing import Any

import numpy as np

from zport_agent.errors import UnsupportedError
from zport_zoo.graphs import read_model, tensors


def in_ours(source: Path) -> bytes:
    """The model in ``source`` with every stored number's bytes reversed.

    Raises ModelFileError when it is not ONNX, UnsupportedError when numbers lie outside the file
    or have a type of which it is not known how many bytes are one number.
    """
    model = read_model(source)
    if model.functions or model.training_info:
        raise UnsupportedError(f"{source}: functions and training graphs are not converted")
    for tensor in tensors(model.graph):
        if tensor.data_location:
            raise UnsupportedError(
                f"{source}: the numbers of '{tensor.name}' lie in another file, which is not "
                "converted; store them in the model"
            )
        if tensor.HasField("raw_data"):
            tensor.raw_data = _reversed(source, tensor)
    return bytes(model.SerializeToString(deterministic=True))


def _reversed(source: Path, tensor: Any) -> bytes:
    from onnx import TensorProto, helper

    if tensor.data_type == TensorProto.BFLOAT16:
        dtype = np.dtype(np.uint16)
    else:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if dtype.kind not in "biufc":
        raise UnsupportedError(
            f"{source}: '{tensor.name}' holds numbers of a type that is not converted"
        )
    data: bytes = np.frombuffer(tensor.raw_data, dtype).byteswap().tobytes()
    return data
