"""Models: manifests of the project, and their files fetched, checked and prepared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zport_agent.errors import ManifestError
from zport_agent.manifest import Manifest, load_manifest

from zport.definitions import choose_by_name
from zport.engines import Engine
from zport.errors import DefinitionError
from zport.fetch import Fetcher, Member, Source, UrlFile
from zport.plan import Planner
from zport.pypi import IndexFile
from zport.step import ContextFile, Step
from zport.workspace import PROJECT, Workspace, digest, part_folder, sha256_file

MODELS = PROJECT / "models"


@dataclass(frozen=True)
class Model:
    """A model: its folder with manifest and inputs, and the manifest."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def expected(self) -> Path:
        """The outputs of the reference image, as the repository keeps them."""
        return self.folder / self.manifest.extension().expected

    @property
    def seed(self) -> int | None:
        """The seed of the weights, for a model whose own weights are constants."""
        return self.manifest.extension().seed

    def definition(self) -> dict[str, str]:
        """The hashes of all that says what is run: manifest and inputs."""
        names = ["manifest.yml", *self.manifest.extension().inputs]
        return {name: sha256_file(self._present(name)) for name in names}

    def sources(self) -> dict[str, Source]:
        """Each model file by its base name, and where it is fetched from."""
        return {
            PurePosixPath(path).name: self._source(path, checksum)
            for path, checksum in self.manifest.model.files()
        }

    def _source(self, path: str, checksum: str | None) -> Source:
        where = f"{self.manifest.path}: model"
        base = self.manifest.model.source
        sha256 = (checksum or "").removeprefix("sha256:")
        if len(sha256) != 64:
            raise DefinitionError(
                f"{path} is not pinned by SHA-256",
                where=where,
                next_step="set its checksum to sha256:<64 hex digits>",
            )
        if base is None:
            return UrlFile(path, sha256)
        if base.kind == "pypi":
            assert base.package and base.version and base.sha256
            archive = IndexFile(base.package, base.version, "", base.sha256)
            return Member(archive, path, sha256)
        if not self.manifest.model.is_archive:
            return UrlFile(f"{base.url.rstrip('/')}/{path}", sha256)
        if base.sha256 is None:
            raise DefinitionError(
                "the archive is not pinned",
                where=f"{where}.base_url",
                next_step="append #sha256=<64 hex digits> to it",
            )
        return Member(UrlFile(base.url, base.sha256), path, sha256)

    def _present(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise DefinitionError(
                f"no such input {name}", where=self.manifest.path, next_step="restore the file"
            )
        return path


def model_names() -> list[str]:
    """The models that the project defines."""
    return sorted(path.parent.name for path in MODELS.glob("*/manifest.yml"))


def load_models(names: Sequence[str] = ()) -> list[Model]:
    """The named models, or all. Raises :class:`DefinitionError` for a bad manifest."""
    known = model_names()
    return [_load(MODELS / choose_by_name("model", name, known)) for name in names or known]


def _load(folder: Path) -> Model:
    try:
        manifest = load_manifest(folder)
        manifest.extension()
    except ManifestError as error:
        raise DefinitionError(str(error), next_step="see CONTRIBUTING: a model") from error
    return Model(folder, manifest)


def preparation(model: Model, planner: Planner) -> Step | None:
    """The step that makes the model's file, if it is not used as fetched."""
    if model.seed is None:
        return None
    name, source = next(iter(model.sources().items()))
    context = [ContextFile(f"source/{name}", source.sha256, source)]
    return planner.model_preparation(model.name, context, file=name, seed=model.seed)


def files_key(model: Model, step: Step | None) -> str:
    """The key of a model's files: their pinned hashes, and the step that changes one."""
    return digest([model.manifest.model.files(), step.key if step else None])[:16]


def fetch_files(
    model: Model, step: Step | None, workspace: Workspace, fetcher: Fetcher, engine: Engine
) -> Path:
    """The folder with a model's files, fetched or taken from their step's image, moved in whole."""
    folder = workspace.models / f"{model.name}-{files_key(model, step)}"
    with workspace.exclusive(f"model-{folder.name}"):
        if not folder.is_dir():
            with part_folder(folder) as part:
                if step:
                    engine.extract(step.image, step.target, "*", part)
                for name, source in model.sources().items():
                    if not (part / name).exists():
                        os.link(fetcher.file(source), part / name)
    return folder
