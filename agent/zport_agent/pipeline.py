"""A model ready to run: its manifest read, its files checked, its framework loaded."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zport_agent import processing
from zport_agent.arrays import Array
from zport_agent.backends import Backend, Defining, TensorSpec, open_backend
from zport_agent.errors import ManifestError, UnsupportedError, UsageError
from zport_agent.files import CheckedFile, check_files
from zport_agent.manifest import Manifest, load_manifest


@dataclass(frozen=True)
class Job:
    """What one call is about: ``model`` holds manifest.yml and the inputs, ``files`` the fetched
    files, ``out`` gets the results; ``threads`` is the number for one operator.
    """

    model: Path
    files: Path
    out: Path
    threads: int = 1


@dataclass(frozen=True)
class Pipeline:
    """One loaded model. ``load_seconds`` is the framework's load alone, in seconds."""

    job: Job
    manifest: Manifest
    files: list[CheckedFile]
    backend: Backend
    load_seconds: float
    preprocess: processing.Step
    postprocess: processing.Step
    input_files: list[Path]
    specs: list[TensorSpec]

    @property
    def where(self) -> str:
        """How messages name the model."""
        return str(self.manifest.path)

    def prepare(self, index: int) -> dict[str, Array]:
        """The arrays of the manifest's input ``index``, by model input name.

        Raises UsageError where it has none of that number, else as preprocess does.
        """
        if index >= len(self.input_files):
            raise UsageError(f"{self.where}: no input {index}: it has {len(self.input_files)}, "
                             "counted from 0")  # fmt: skip
        result = self.preprocess(str(self.input_files[index]))
        return processing.model_inputs(result, self.specs, self.where)

    def predict(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """The model's outputs by name, native byte order."""
        return self.backend.predict(inputs)

    def features(self, outputs: dict[str, Array]) -> list[Any]:
        """What postprocess makes of one input's outputs, as JSON values."""
        return processing.features(self.postprocess(list(outputs.values())), self.where)


def open_pipeline(job: Job, load: Callable[[Backend, Path, int], None] | None = None) -> Pipeline:
    """Make everything ready, cheapest checks first. ``load`` loads the model in place of the
    backend's own method.

    Raises ManifestError, ModelFileError, ProcessingError or UnsupportedError.
    """
    manifest = load_manifest(job.model)
    input_files = _input_files(manifest)
    files = check_files(manifest, job.files)
    backend = open_backend(manifest.framework.name)
    _define(backend, manifest)
    ctx = processing.context(manifest, job.files)
    preprocess = processing.compile_step(manifest, "preprocess", ctx)
    postprocess = processing.compile_step(manifest, "postprocess", ctx)
    start = time.perf_counter()
    if load:
        load(backend, files[0].path, job.threads)
    else:
        backend.load(files[0].path, job.threads)
    seconds = time.perf_counter() - start
    return Pipeline(
        job=job,
        manifest=manifest,
        files=files,
        backend=backend,
        load_seconds=seconds,
        preprocess=preprocess,
        postprocess=postprocess,
        input_files=input_files,
        specs=backend.inputs(),
    )


def _define(backend: Backend, manifest: Manifest) -> None:
    """Give the backend the network that the manifest has as code, if it has one."""
    name = manifest.extension().network
    if name is None:
        return
    if not isinstance(backend, Defining):
        raise UnsupportedError(
            f"{manifest.path}: zport.network: {backend.name} has its networks in the model's file"
        )
    backend.define(manifest.path.parent / name)


def _input_files(manifest: Manifest) -> list[Path]:
    paths = [manifest.path.parent / name for name in manifest.extension().inputs]
    for index, path in enumerate(paths):
        if not path.is_file():
            raise ManifestError(
                f"{manifest.path}: zport.inputs[{index}]: expected a file beside the manifest, "
                f"found no {path}"
            )
    return paths
