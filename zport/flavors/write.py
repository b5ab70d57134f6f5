"""A flavor's folder: its files, and a README that says how they are used and what was run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from zport.definitions import Definition, Line, choose_by_name, load_definition
from zport.errors import UsageError
from zport.flavors import backend_ai, kserve, kubernetes, mlcube
from zport.flavors.subject import Subject
from zport.workspace import part_folder

FLAVORS: dict[str, Callable[[Subject], dict[str, str]]] = {
    "backend-ai": backend_ai.files,
    "mlcube": mlcube.files,
    "kserve": kserve.files,
    "kubernetes": kubernetes.files,
}
"""By the name that users write."""
USAGE = {
    "backend-ai": """\
Build the image of a target and push it to the registry that Backend.AI reads; its labels say the
rest. A model's folder, with its manifest, is mounted at `/models`.

    docker buildx build --platform {oci} --file Dockerfile.{target} --tag REGISTRY/{name} --push .
""",
    "mlcube": """\
The folder `workspace/out` has to be one that the image's user, 65532, may write to.

    mkdir -p {target}/workspace/out && chmod 777 {target}/workspace/out
    cp -R MODEL {target}/workspace/model && cp -R FILES {target}/workspace/files
    mlcube run --mlcube={target} --task=predict
""",
    "kserve": """\
Put a model's folder, with its manifest and files, where the storage of `inferenceservice.yaml` is,
and fill in its name.

    kubectl apply -f servingruntime.yaml -f inferenceservice.yaml
""",
    "kubernetes": """\
The model's folder, with its manifest and files, is in the volume of the claim `{name}-model`.

    kubectl apply -f kubernetes.yaml
""",
}
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - Markdown, not HTML
    trim_blocks=True,
    keep_trailing_newline=True,
)


class Evidence(Definition):
    """What of a flavor was run, only checked, and neither: a line each."""

    title: Line
    run: tuple[Line, ...]
    checked: tuple[Line, ...]
    not_run: tuple[Line, ...]


class AllEvidence(Definition):
    """``evidence.toml``: one table a flavor."""

    flavors: dict[str, Evidence]


def evidence_of(flavor: str) -> Evidence:
    """What was done with a flavor."""
    return load_definition(Path(__file__).with_name("evidence.toml"), AllEvidence).flavors[flavor]


def write_flavor(flavor: str, subject: Subject, folder: Path) -> Path:
    """Write a flavor's files into a folder that is not there yet, whole or not at all.

    Raises :class:`UsageError` for an unknown flavor, or a folder that has something in it.
    """
    choose_by_name("flavor", flavor, list(FLAVORS))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("is there already", where=folder, next_step="name another with --out")
    files = FLAVORS[flavor](subject) | {"README.md": _readme(flavor, subject)}
    with part_folder(folder) as part:
        for name, text in files.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if text.startswith("#!") else 0o644)
    return folder


def _readme(flavor: str, subject: Subject) -> str:
    first = subject.targets[0]
    usage = USAGE[flavor].format(target=first.name, oci=first.oci, name=subject.name)
    return TEMPLATES.get_template("flavor.md.j2").render(
        flavor=flavor, subject=subject, usage=usage, evidence=evidence_of(flavor)
    )
