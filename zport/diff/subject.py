"""What is looked into: a model of the project, a model's folder elsewhere, or a bare ONNX file."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zport_agent.tolerance import default_bounds

from zport.errors import DefinitionError, UsageError
from zport.job import Job
from zport.models import Model, fetch_files, load_model, load_models, preparation
from zport.steps.step import Step

SUFFIX = ".onnx"


@dataclass(frozen=True)
class Subject:
    """A model: its ONNX graph by base name, and the manifest's model unless it is a bare file.

    ``local`` is the folder where its files lie, None where they have to be fetched.
    """

    name: str
    graph: str
    model: Model | None
    local: Path | None

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The tolerance of its outputs, by dtype."""
        if self.model is None:
            return default_bounds()
        return self.model.manifest.extension().tolerance.bounds()

    def preparation(self, job: Job) -> Step | None:
        """The step that makes the model's file, if one does."""
        if self.local is not None or self.model is None:
            return None
        return preparation(self.model, job.planner)

    def files(self, job: Job, step: Step | None) -> Path:
        """The folder with the model's files, fetched if need be."""
        if self.local is not None or self.model is None:
            assert self.local is not None
            return self.local
        request = job.request
        return fetch_files(self.model, step, request.workspace, job.fetcher, request.engine)


def find_subject(text: str) -> Subject:
    """The model that the command line names. Raises :class:`UsageError` or
    :class:`DefinitionError` when it is none, or no ONNX file."""
    path = Path(text)
    if path.suffix == SUFFIX and path.is_file():
        return Subject(path.stem, path.name, None, path.resolve().parent)
    if path.suffix == SUFFIX:
        raise UsageError(f"no such file {text}", next_step="name a file that exists")
    if (path / "manifest.yml").is_file():
        model = load_model(path.resolve())
        beside = (path / _graph(model)).is_file()
        return Subject(model.name, _graph(model), model, model.folder if beside else None)
    if path.is_dir() or len(path.parts) > 1:
        raise UsageError(
            f"{text} has no manifest.yml",
            next_step="name a model, a folder with manifest.yml, or a file that ends in .onnx",
        )
    [model] = load_models([text])
    return Subject(model.name, _graph(model), model, None)


def _graph(model: Model) -> str:
    name = PurePosixPath(model.manifest.model.graph_path).name
    if not name.endswith(SUFFIX):
        raise DefinitionError(
            f"{name} is no ONNX file; operators are told apart in ONNX files only",
            where=model.manifest.path,
            next_step="name a model whose graph_path ends in .onnx",
        )
    return name


def place_files(source: Path, names: Iterable[str], folder: Path) -> None:
    """Give a folder the named files of another, by hard links where it can be.

    Raises :class:`DefinitionError` for a name that is not a file within the source.
    """
    for name in names:
        file = source / name
        if not file.is_file() or not file.resolve().is_relative_to(source.resolve()):
            raise DefinitionError(
                f"the model's data {name} is not there", where=source, next_step="fetch it too"
            )
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, place)
        except OSError:
            shutil.copyfile(file, place)
        if not place.stat().st_mode & stat.S_IROTH:
            # The images' user is not the one whose file it is, and the file is not ours to change.
            place.unlink()
            shutil.copyfile(file, place)
            place.chmod(0o644)
