"""A part of an output that is too large to store, and what the whole of it amounts to."""

from collections.abc import Mapping

import numpy as np

from zport_agent.arrays import Array
from zport_agent.errors import ManifestError


def sampled(outputs: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
    """Of each output in ``sizes`` that many elements, evenly spread; all others whole.

    Of floating numbers four more are kept as ``<name>.summary``, in the output's dtype: the
    least, the largest, the mean and the root of the mean square of all elements. A NaN anywhere
    shows there, and a few wrong elements between the kept ones in a small output may not: what is
    not sampled is compared whole. Raises ManifestError when the model has no such output.
    """
    missing = [name for name in sizes if name not in outputs]
    if missing:
        raise ManifestError(
            f"zport.sample: the model has no output '{missing[0]}'; it has {', '.join(outputs)}"
        )
    kept: dict[str, Array] = {}
    for name, array in outputs.items():
        wanted = sizes.get(name, array.size)
        if array.size <= wanted:
            kept[name] = array
            continue
        kept[name] = array.reshape(-1)[np.arange(wanted) * array.size // wanted]
        if array.dtype.kind == "f":
            kept[f"{name}.summary"] = _summary(array)
    return kept


def _summary(array: Array) -> Array:
    wide = array.astype(np.float64)
    square = np.sqrt(np.mean(wide * wide))
    return np.array([wide.min(), wide.max(), wide.mean(), square]).astype(array.dtype)
