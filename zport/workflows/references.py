"""Reading a rendered workflow back: which task needs which, and where each artefact comes from.

What a schema cannot see: a task that waits for one that does not exist or for itself, an artefact
that nobody leaves or that is not there yet when it is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from zport.errors import DefinitionError


@dataclass(frozen=True)
class Node:
    """One task of a rendered workflow: the tasks before it, the artefacts it takes and gives."""

    needs: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()


def check_references(system: str, documents: Sequence[Any], path: Path) -> None:
    """Raise :class:`DefinitionError` unless every reference in a workflow leads somewhere."""
    try:
        nodes = READERS[system](documents)
    except (KeyError, TypeError, StopIteration) as error:
        raise DefinitionError(
            f"no workflow of {system}: {error!r} is missing", where=path
        ) from error
    for problem in problems(nodes):
        raise DefinitionError(problem, where=path, next_step="mend the template")


def problems(nodes: Mapping[str, Node]) -> Iterable[str]:
    """What is wrong with a graph, worst first."""
    if not nodes:
        yield "there are no tasks"
    for name, node in nodes.items():
        for need in sorted(node.needs - set(nodes)):
            yield f"{name} needs {need}, which does not exist"
    try:
        order = list(TopologicalSorter({n: node.needs for n, node in nodes.items()}).static_order())
    except CycleError as error:
        yield f"tasks wait for each other: {' → '.join(error.args[1])}"
        return
    before: dict[str, frozenset[str]] = {}
    for name in (name for name in order if name in nodes):
        needs = nodes[name].needs & set(nodes)
        before[name] = needs.union(*(before[need] for need in needs))
        given = {artefact for one in before[name] for artefact in nodes[one].gives}
        for artefact in sorted(nodes[name].takes - given):
            yield f"{name} takes {artefact}, which no task before it leaves"
    givers: dict[str, str] = {}
    for name, node in nodes.items():
        for artefact in sorted(node.gives):
            if artefact in givers:
                yield f"{artefact} is left by {givers[artefact]} and by {name}"
            givers[artefact] = name


def _github(documents: Sequence[Any]) -> dict[str, Node]:
    jobs = documents[0]["jobs"]
    return {name: _github_job(job) for name, job in jobs.items()}


def _github_job(job: Mapping[str, Any]) -> Node:
    used: dict[str, set[str]] = {"upload": set(), "download": set()}
    for step in job.get("steps", []):
        action = re.match(r"actions/(upload|download)-artifact@", step.get("uses", ""))
        if action:
            used[action[1]].add(step["with"]["name"])
    return Node(
        _names(job.get("needs", [])), frozenset(used["download"]), frozenset(used["upload"])
    )


KEYWORDS = frozenset({"stages", "workflow", "variables", "default", "include"})


def _gitlab(documents: Sequence[Any]) -> dict[str, Node]:
    jobs = {name: job for name, job in documents[0].items() if name not in KEYWORDS}
    stages = documents[0]["stages"]
    for name, job in jobs.items():
        if job["stage"] not in stages:
            raise KeyError(f"stage {job['stage']} of {name}")
    return {name: _gitlab_job(job) for name, job in jobs.items()}


def _gitlab_job(job: Mapping[str, Any]) -> Node:
    taken = re.findall(r"mv artefacts/(\S+)", "\n".join(job["script"]))
    kept = job.get("artifacts", {}).get("paths", [])
    given = [path.removeprefix("artefacts/") for path in kept if path.startswith("artefacts/")]
    moved = re.findall(r"mv \S+ artefacts/(\S+)", "\n".join(job.get("after_script", [])))
    if sorted(moved) != sorted(given):
        raise KeyError(f"artefacts {given} of {moved}")
    return Node(_names(job.get("needs", [])), frozenset(taken), frozenset(given))


ARGO_RESULT = r"([\w-]+)\.(?:Succeeded|Failed|Errored|Omitted)"
"""A task before this one, and how it has to have ended."""


def _argo(documents: Sequence[Any]) -> dict[str, Node]:
    specification = documents[0]["spec"]
    templates = {template["name"]: template for template in specification["templates"]}
    nodes = {}
    for task in templates[specification["entrypoint"]]["dag"]["tasks"]:
        template = templates[task["template"]]
        needs = re.findall(ARGO_RESULT, task.get("depends", ""))
        sources = task.get("arguments", {}).get("artifacts", [])
        taken = [_argo_source(source["from"], needs) for source in sources]
        declared = [one["name"] for one in template.get("inputs", {}).get("artifacts", [])]
        if not {source["name"] for source in sources} <= set(declared):
            raise KeyError(f"an input of {task['template']}")
        outputs = template.get("outputs", {}).get("artifacts", [])
        nodes[task["name"]] = Node(
            frozenset(needs), frozenset(taken), frozenset(one["name"] for one in outputs)
        )
    return nodes


def _argo_source(expression: str, needs: Sequence[str]) -> str:
    found = re.fullmatch(r"\{\{tasks\.([\w-]+)\.outputs\.artifacts\.([\w-]+)\}\}", expression)
    if not found or found[1] not in needs:
        raise KeyError(expression)
    return found[2]


def _kubeflow(documents: Sequence[Any]) -> dict[str, Node]:
    pipeline = documents[0]
    nodes = {}
    for name, task in pipeline["root"]["dag"]["tasks"].items():
        component = pipeline["components"][task["componentRef"]["name"]]
        _ = pipeline["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        taken = []
        for own, source in task.get("inputs", {}).get("artifacts", {}).items():
            _ = component["inputDefinitions"]["artifacts"][own]
            produced = source["taskOutputArtifact"]
            if produced["producerTask"] not in task["dependentTasks"]:
                raise KeyError(f"{produced['producerTask']} among what {name} depends on")
            taken.append(produced["outputArtifactKey"])
        given = component.get("outputDefinitions", {}).get("artifacts", {})
        nodes[name] = Node(
            _names(task.get("dependentTasks", [])), frozenset(taken), frozenset(given)
        )
    return nodes


def _names(value: Any) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value)


READERS: Mapping[str, Callable[[Sequence[Any]], dict[str, Node]]] = {
    "github": _github, "gitlab": _gitlab, "argo": _argo, "kubeflow": _kubeflow,
}  # fmt: skip
