"""One run of a model over all inputs of its manifest, and what it leaves behind."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from zport_agent import info
from zport_agent.arrays import Array, describe, write_npz
from zport_agent.output import output_folder, write_json
from zport_agent.pipeline import Job, Pipeline, open_pipeline
from zport_agent.sampling import sampled

OUTPUTS = "outputs.npz"
RESULT = "result.json"


class Clock:
    """Adds up the seconds (float, wall clock) that named stages take."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the block's seconds to the stage's."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def predict(job: Job) -> dict[str, Any]:
    """Run the model and write ``outputs.npz`` and ``result.json``; returns the latter.

    Arrays are named ``<input index>/<output name>`` and stored little-endian, in the dtypes
    and shapes the framework gave; of outputs that the manifest samples a part is kept (see
    :mod:`zport_agent.sampling`). Raises any AgentError.
    """
    out = output_folder(job.out, OUTPUTS, RESULT)
    pipeline = open_pipeline(job)
    clock = Clock(load=pipeline.load_seconds)
    given: dict[str, Array] = {}
    outputs: dict[str, Array] = {}
    features = []
    for index in range(len(pipeline.input_files)):
        with clock.stage("preprocess"):
            arrays = pipeline.prepare(index)
        with clock.stage("predict"):
            answer = pipeline.predict(arrays)
        with clock.stage("postprocess"):
            features.append(pipeline.features(answer))
        given |= {f"{index}/{name}": array for name, array in arrays.items()}
        kept = sampled(answer, pipeline.manifest.extension().sample)
        outputs |= {f"{index}/{name}": array for name, array in kept.items()}
    result = _result(pipeline, given, outputs, features, clock.seconds)
    write_npz(out / OUTPUTS, outputs)
    write_json(out / RESULT, result)
    return result


def _result(
    pipeline: Pipeline,
    given: dict[str, Array],
    outputs: dict[str, Array],
    features: list[Any],
    seconds: dict[str, float],
) -> dict[str, Any]:
    return {
        "schema": 1,
        "model": model_identity(pipeline),
        "info": info.collect(pipeline.backend, pipeline.job.threads),
        "files": pipeline.manifest.extension().inputs,
        "inputs": [describe(name, array) for name, array in given.items()],
        "outputs": [describe(name, array) for name, array in outputs.items()],
        "features": features,
        "seconds": {stage: round(value, 6) for stage, value in seconds.items()},
    }


def model_identity(pipeline: Pipeline) -> dict[str, Any]:
    """Which model it was: name, version, kind of weights, and the files by SHA-256."""
    manifest = pipeline.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "weights": manifest.extension().weights,
        "files": [file.as_json() for file in pipeline.files],
    }
