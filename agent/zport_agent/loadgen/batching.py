"""Several samples in one call of the model, where that gives what each alone gives."""

from collections.abc import Mapping, Sequence

import numpy as np

from zport_agent.arrays import Array
from zport_agent.compare import compare_arrays
from zport_agent.errors import UnsupportedError
from zport_agent.pipeline import Pipeline

Arrays = Mapping[str, Array]


def predict_together(pipeline: Pipeline, samples: Sequence[Arrays]) -> list[dict[str, Array]]:
    """The outputs of each sample from one call for all; their rows are along the first axis.

    Raises UnsupportedError when an output has not as many rows as the inputs together.
    """
    if len(samples) == 1:
        return [pipeline.predict(dict(samples[0]))]
    rows = [_rows(sample) for sample in samples]
    together = {name: np.concatenate([one[name] for one in samples]) for name in samples[0]}
    outputs = pipeline.predict(together)
    for name, output in outputs.items():
        if output.ndim == 0 or len(output) != sum(rows):
            raise UnsupportedError(
                f"--batch: output '{name}' has shape {list(output.shape)} for inputs of "
                f"{sum(rows)} rows, so it cannot be told which part is whose"
            )
    parts = {name: np.split(output, np.cumsum(rows)[:-1]) for name, output in outputs.items()}
    return [{name: part[index] for name, part in parts.items()} for index in range(len(samples))]


def signature(sample: Arrays) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    """What samples must have alike to go together: dtypes, and all dimensions but the first.

    The byte order is not among it: what is put together is in the processor's own.
    """
    return tuple(
        (name, array.dtype.newbyteorder("=").str, array.shape[1:]) for name, array in sample.items()
    )


def grouped(samples: Sequence[Arrays]) -> list[list[int]]:
    """The places of samples that can go together, in the order of the first of each group."""
    groups: dict[object, list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(signature(sample), []).append(index)
    return list(groups.values())


def require_batchable(pipeline: Pipeline, size: int) -> None:
    """Make sure that ``size`` samples may go together: every input of the model leaves its first
    dimension free, and each answer in a batch is within the model's tolerance of the one alone.

    Raises UnsupportedError naming what stands against it.
    """
    for spec in pipeline.specs:
        if spec.shape is not None and spec.shape[:1] != (None,):
            raise UnsupportedError(
                f"--batch {size}: input '{spec.name}' of the model has shape {list(spec.shape)}; "
                "samples go together only where the first dimension of every input is free"
            )
    count = min(len(pipeline.input_files), 2 * size)
    samples = [pipeline.prepare(index) for index in range(count)]
    bounds = pipeline.manifest.extension().tolerance.bounds()
    for group in grouped(samples):
        members = [group[place % len(group)] for place in range(size)]
        together = predict_together(pipeline, [samples[index] for index in members])
        for index, batched in zip(members, together, strict=True):
            for name, alone in pipeline.predict(samples[index]).items():
                found = compare_arrays(name, alone, batched[name], bounds)
                if found.verdict != "pass":
                    raise UnsupportedError(
                        f"--batch {size}: output '{name}' of input {index} is another one in a "
                        f"batch than alone: {'; '.join(found.reasons)}"
                    )


def _rows(sample: Arrays) -> int:
    rows = {array.shape[0] if array.ndim else None for array in sample.values()}
    if len(rows) != 1 or None in rows:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in sample.items())
        raise UnsupportedError(f"--batch: the inputs of one sample have not as many rows: {shapes}")
    return int(next(iter(rows)) or 0)
