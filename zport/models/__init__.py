"""Models: manifests of the project, and their files fetched, checked and prepared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zport_agent.byteorder import refusal
from zport_agent.errors import ManifestError
from zport_agent.manifest import Manifest, load_manifest

from zport.agents import load_agents
from zport.definitions import choose_by_name, require_inside
from zport.engines import Engine
from zport.errors import DefinitionError
from zport.plan.planner import Planner
from zport.sources.fetch import Fetcher, Member, Source, UrlFile
from zport.sources.pypi import IndexFile
from zport.steps.step import ContextFile, Step
from zport.workspace import PROJECT, Workspace, digest, part_folder, sha256_file

MODELS = PROJECT / "models"
ALL = "all"
EMULATION_LIMIT = 20.0
"""GFLOP that a model may cost and still be run under emulation without being named.

ONNX Runtime under QEMU does about a tenth of a GFLOP in a second (ResNet-50: 8 GFLOP, 76 s), and
a cell runs a model several times.
"""


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

    @property
    def smoke(self) -> bool:
        """Whether it is one of the few that run unless others are named."""
        return self.manifest.extension().smoke

    @property
    def is_heavy(self) -> bool:
        """Whether emulating it takes so long that it is done only when the model is named."""
        return (self.manifest.extension().gflop or 0.0) > EMULATION_LIMIT

    @property
    def task(self) -> str:
        """What the model does, in a few words."""
        attributes = self.manifest.attributes or {}
        return str(attributes.get("task") or self.manifest.modality or "")

    def definition(self) -> dict[str, str]:
        """The hashes of all that says what is run: manifest, inputs and network."""
        own = self.manifest.extension()
        names = ["manifest.yml", *own.inputs, *([own.network] if own.network else [])]
        return {name: sha256_file(self._present(name)) for name in names}

    def sources(self) -> dict[str, Source]:
        """Each model file that is fetched, by its base name, and where from."""
        files = self.manifest.model.files()
        fetched = files[1:] if self.manifest.preparation == "build" else files
        return {
            PurePosixPath(path).name: file_source(self.manifest, path, checksum)
            for path, checksum in fetched
        }

    def _present(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise DefinitionError(
                f"no such input {name}", where=self.manifest.path, next_step="restore the file"
            )
        return path


def file_source(manifest: Manifest, path: str, checksum: str | None) -> Source:
    """Where one of a manifest's files is fetched from. Raises :class:`DefinitionError` when it, or
    the archive that it is in, is not pinned by SHA-256."""
    where = f"{manifest.path}: model"
    base = manifest.model.source
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
    if not manifest.model.is_archive:
        return UrlFile(f"{base.url.rstrip('/')}/{path}", sha256)
    if base.sha256 is None:
        raise DefinitionError(
            "the archive is not pinned",
            where=f"{where}.base_url",
            next_step="append #sha256=<64 hex digits> to it",
        )
    return Member(UrlFile(base.url, base.sha256), path, sha256)


def model_names() -> list[str]:
    """The models that the project defines."""
    return sorted(path.parent.name for path in MODELS.glob("*/manifest.yml"))


def load_models(names: Sequence[str] = ()) -> list[Model]:
    """The named models; of no name the smoke set, of ``all`` every one.

    Raises :class:`DefinitionError` for a bad manifest.
    """
    known = model_names()
    if not names or ALL in names:
        models = [load_model(MODELS / name) for name in known]
        return models if names else [model for model in models if model.smoke]
    return [load_model(MODELS / choose_by_name("model", name, known)) for name in names]


def load_model(folder: Path) -> Model:
    """The model in a folder. Raises :class:`DefinitionError` for a bad manifest, or one whose
    graph would be misread."""
    try:
        manifest = load_manifest(folder)
        declared = manifest.extension().byte_order
    except ManifestError as error:
        raise DefinitionError(str(error), next_step="see CONTRIBUTING: a model") from error
    own = manifest.extension()
    for name in filter(None, (*own.inputs, own.expected, own.network)):
        require_inside(folder, name, where=manifest.path)
    reason = refusal(manifest.model.graph_path, declared)
    if reason:
        raise DefinitionError(reason, where=manifest.path, next_step="see models/README.md")
    return Model(folder, manifest)


def preparation(model: Model, planner: Planner) -> Step | None:
    """The step that makes the model's graph, or another of it, if there is one."""
    kind = model.manifest.preparation
    if kind is None:
        return None
    graph = PurePosixPath(model.manifest.model.graph_path).name
    framework = model.manifest.framework.name.lower()
    own = model.manifest.extension()
    seed = ["--seed", str(own.seed)] if own.seed is not None else []
    if own.build:
        pairs = [f"{key}={value}" for key, value in sorted(own.build.options.items())]
        options = [one for pair in pairs for one in ("--option", pair)]
        arguments = ["build", own.build.architecture, f"/model/{graph}", *seed, *options]
        return planner.model_preparation(model.name, framework, [], arguments)
    if own.convert:
        return _conversion(model, own.convert, planner)
    source = model.sources()[graph]
    context = [ContextFile(f"source/{graph}", source.sha256, source)]
    arguments = [kind, f"/source/{graph}", f"/model/{graph}", *seed]
    return planner.model_preparation(model.name, framework, context, arguments)


def _conversion(model: Model, ending: str, planner: Planner) -> Step:
    """The step that writes what a model is converted to, in its framework's own agent's image."""
    framework = model.manifest.framework.name.lower()
    graph = PurePosixPath(model.manifest.model.graph_path)
    sources = model.sources()
    context = [ContextFile(f"source/{name}", one.sha256, one) for name, one in sources.items()]
    arguments = ["convert", f"/source/{graph.name}", f"/model/{graph.stem}.{ending}"]
    tools = planner.agent(load_agents(framework)[0], planner.host).step
    return planner.model_preparation(model.name, framework, context, arguments, tools)


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
