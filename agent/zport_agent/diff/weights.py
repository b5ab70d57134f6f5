"""What a model's files say its weights are, dense or sparse, in them or in files beside them."""

from pathlib import Path
from typing import Any

import numpy as np

from zport_agent.arrays import Array
from zport_agent.diff.onnxgraph import Scope
from zport_agent.errors import ModelFileError


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
    """A tensor of a model whose external data are in a folder; bfloat16 and the like widened."""
    from onnx import TensorProto, numpy_helper

    try:
        array = np.asarray(numpy_helper.to_array(tensor, base_dir=str(folder)))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder}: the data of '{tensor.name}': {error}") from None
    widened = TensorProto.DataType.Name(tensor.data_type) in ("BFLOAT16",) or (
        array.dtype.kind == "V"
    )
    return array.astype(np.float32) if widened else array


def dense_of(tensor: Any, folder: Path) -> Array:
    """A sparse initializer as the tensor that it stands for."""
    values, indices = array_of(tensor.values, folder), array_of(tensor.indices, folder)
    dense = np.zeros(tuple(tensor.dims), values.dtype)
    if indices.ndim == 1:
        dense.reshape(-1)[indices] = values
    else:
        dense[tuple(indices.T)] = values
    return dense
