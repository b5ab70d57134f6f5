"""What a model's files say its weights are, dense or sparse, in them or in files beside them."""

from pathlib import Path
from typing import Any

import numpy as np

from zport_agent.arrays import Array
from zport_agent.diff.onnxgraph import WIDER, Scope
from zport_agent.errors import ModelFileError, one_line


class Weights:
    """The initializers as the model's files have them: what is right, on every machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, scope: Scope, name: str) -> Array | None:
        """The initializer that a name in a scope stands for; None where it is none.

        Raises ModelFileError when its external data cannot be read.
        """
        found = scope.find(name)
        tensor = found[0].initializers.get(name) if found else None
        if tensor is None:
            return None
        if hasattr(tensor, "values"):
            return dense_of(tensor, self.folder)
        return array_of(tensor, self.folder)


def array_of(tensor: Any, folder: Path) -> Array:
    """A tensor of a model with its external data in a folder; widened if NumPy has no such type."""
    from onnx import TensorProto, checker, helper, numpy_helper

    try:
        array = np.asarray(numpy_helper.to_array(tensor, base_dir=str(folder)))
    except (OSError, ValueError, checker.ValidationError) as error:
        raise ModelFileError(f"{folder}: the data of '{tensor.name}': {one_line(error)}") from None
    wider = WIDER.get(TensorProto.DataType.Name(tensor.data_type))
    if wider is None:
        return array
    return array.astype(helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(wider)))


def dense_of(tensor: Any, folder: Path) -> Array:
    """A sparse initializer as the tensor that it stands for."""
    values, indices = array_of(tensor.values, folder), array_of(tensor.indices, folder)
    dense = np.zeros(tuple(tensor.dims), values.dtype)
    if indices.ndim == 1:
        dense.reshape(-1)[indices] = values
    else:
        dense[tuple(indices.T)] = values
    return dense
