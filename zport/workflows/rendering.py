"""Filling a system's template in ``ci/`` with the tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from zport import __version__
from zport.definitions import choose_by_name, read_toml, shown
from zport.errors import DefinitionError, UsageError
from zport.targets import REFERENCE, Target, find_target
from zport.workflows.references import check_references
from zport.workflows.tasks import Artefact, Task
from zport.workspace import PROJECT

TEMPLATES = PROJECT / "ci"
ACTIONS = TEMPLATES / "actions.toml"
PIN = ("commit", "version")
"""What the table of an action has to have."""
PREPARE = (
    "apt-get update && apt-get install --yes --no-install-recommends --no-upgrade "
    "ca-certificates git python3 python3-venv"
)
"""What a bare Debian image needs before the checkout can help itself."""
STORE = "/var/lib/containers"
"""Where Buildah keeps images: a volume, because its file system does not lie upon a container's."""
LABEL = re.compile(r"[A-Za-z0-9][\w./:=-]*")


FORMS = {
    "--image": (
        re.compile(
            r"[A-Za-z0-9][\w.-]*(:\d+)?(/[a-z0-9][a-z0-9._-]*)*(:\w[\w.-]*)?(@sha256:[0-9a-f]{64})?",
            re.ASCII,
        ),
        "an image",
        "such as debian:trixie-slim",
    ),
    "--repository": (
        re.compile(r"[A-Za-z0-9/][\w.+:/@~%=&?-]*", re.ASCII),
        "the URL of a repository",
        "such as https://example.org/team/zport",
    ),
    "--revision": (
        re.compile(r"\w([\w.+/@#-]*[\w+@#-])?", re.ASCII),
        "a branch or tag",
        "such as main",
    ),
}
"""What options may be: a pattern, its name, an example. A workflow's own language, such as $(…) and
${{ … }}, must not come in by them."""


@dataclass(frozen=True)
class System:
    """A CI system: its template, where its workflow is looked for, the registry that it has of its
    own (an expression of its own), and whether its labels are pairs ``name=value``."""

    name: str
    file: str
    registry: str | None = None
    pairs: bool = False

    @property
    def template(self) -> str:
        return f"{self.name}.yml.j2"


SYSTEMS = {
    system.name: system
    for system in (
        System("github", ".github/workflows/images.yml", "ghcr.io/${{ github.repository }}"),
        System("gitlab", ".gitlab-ci.yml", "$CI_REGISTRY_IMAGE"),
        System("argo", "zport-images.yml", pairs=True),
        System("kubeflow", "zport-images.yml", pairs=True),
    )
}


@dataclass(frozen=True)
class Place:
    """Where the workflow runs: the system, the registry, the repository and revision that systems
    without a checkout clone, the image that tasks run in, and the labels of machines that run a
    target's programs natively."""

    system: System
    registry: str
    repository: str | None
    revision: str
    image: str
    labels: Mapping[Target, Sequence[str]]


def check_form(text: str, option: str) -> str:
    """What an option gives. Raises :class:`UsageError` for what is not of its form."""
    form, kind, example = FORMS[option]
    if not form.fullmatch(text):
        raise UsageError(f"{shown(text)} is not {kind}", where=option, next_step=example)
    return text


def find_system(name: str) -> System:
    """The system of that name. Raises :class:`UsageError` with the nearest one."""
    return SYSTEMS[choose_by_name("CI system", name, list(SYSTEMS))]


def parse_labels(
    texts: Sequence[str], system: System, targets: Sequence[Target]
) -> dict[Target, list[str]]:
    """Labels such as ``TARGET=self-hosted,big``, for targets of the plan.

    Raises :class:`UsageError` for another form, an unknown target, one that the plan does not have,
    and a label that the system does not take.
    """
    labels: dict[Target, list[str]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        target = find_label_target(name, text, targets)
        labels[target] = [_label(label, text, system) for label in listed.split(",")]
    return labels


def find_label_target(name: str, text: str, targets: Sequence[Target]) -> Target:
    """The target that a label is for."""
    where = f"--label {text}"
    try:
        target = find_target(name)
    except UsageError as error:
        error.where = where
        raise
    if target not in targets:
        raise UsageError(
            f"the plan has no {target.name}", where=where,
            next_step=f"add it to --arch, or label one of {', '.join(t.name for t in targets)}",
        )  # fmt: skip
    return target


def _label(label: str, text: str, system: System) -> str:
    form = "NAME=VALUE of a node" if system.pairs else "a runner's label"
    if not LABEL.fullmatch(label) or system.pairs != ("=" in label):
        raise UsageError(
            f"{label!r} is not {form}", where=f"--label {text}",
            next_step="such as --label TARGET=example.org/pool=big" if system.pairs
            else "such as --label TARGET=self-hosted,big",
        )  # fmt: skip
    return label


def render_workflow(tasks: Sequence[Task], place: Place, command: str) -> str:
    """The workflow, checked: every reference in it leads somewhere.

    ``command`` is what makes it again. Raises :class:`DefinitionError` for a template that does not
    render, or whose result does not hang together.
    """
    path = TEMPLATES / place.system.template
    try:
        text = _environment().get_template(place.system.template).render(
            tasks=tasks, place=place, command=command, version=__version__, prepare=PREPARE,
            machine=REFERENCE, store=STORE,
        )  # fmt: skip
        documents = list(yaml.safe_load_all(text))
    except (TemplateError, yaml.YAMLError) as error:
        raise DefinitionError(f"the template does not render: {error}", where=path) from error
    check_references(place.system.name, documents, path)
    return text


@cache
def read_actions() -> dict[str, Any]:
    """The pinned actions: commit and version of each. Raises :class:`DefinitionError` for a file
    that cannot be read."""
    return read_toml(ACTIONS)


def pinned(action: str) -> str:
    """An action at its pinned commit, with the version as a comment.

    Raises :class:`DefinitionError` for one that has no pin.
    """
    pin = read_actions().get(action)
    if not isinstance(pin, dict) or not all(isinstance(pin.get(one), str) for one in PIN):
        raise DefinitionError(
            f"no pin for {action}", where=ACTIONS,
            next_step=f"add its table with {' and '.join(PIN)}, or use a script",
        )  # fmt: skip
    return f"{action}@{pin['commit']} # {pin['version']}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "yaml": in_yaml,
        "parent": lambda folder: str(PurePosixPath(folder).parent),
        "giver": giver,
        "node": lambda target: {"kubernetes.io/arch": target.goarch},
        "pairs": lambda labels: dict(label.split("=", 1) for label in labels),
    }
    environment.globals["pinned"] = pinned
    return environment


def giver(artefact: Artefact, tasks: Sequence[Task]) -> str:
    """The task that leaves an artefact."""
    return next(task.name for task in tasks for one in task.gives if one.name == artefact.name)


def in_yaml(value: Any) -> str:
    """A value as YAML in flow style on one line."""
    style = None if isinstance(value, str) else True
    text = yaml.safe_dump(value, default_flow_style=style, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
