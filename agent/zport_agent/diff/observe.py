"""Runs probes in an agent: what a model's operators gave here, for a given input."""

import inspect
from pathlib import Path
from typing import Any

from zport_agent.arrays import read_npz, write_npz
from zport_agent.backends import open_backend
from zport_agent.diff.expose import read_probes
from zport_agent.errors import AgentError, UnsupportedError
from zport_agent.output import output_folder, write_json
from zport_agent.pipeline import Job, open_pipeline

OBSERVED = "observed.json"


def prepare(job: Job, index: int, path: Path) -> None:
    """Write the arrays that the manifest's input ``index`` becomes, by model input name."""
    write_npz(path, open_pipeline(job).prepare(index))


def observe(
    framework: str, files: Path, probes: Path, inputs: Path, out: Path, threads: int
) -> list[dict[str, Any]]:
    """Run each probe of a list on the inputs; its outputs become ``<file>.<level>.npz``.

    Writes ``observed.json`` after each: a probe that ended the process is one it does not name.
    A probe that cannot be loaded or run has an ``error``; the others go on. Raises
    UnsupportedError for a framework that is absent or whose optimizations cannot be chosen.
    """
    arrays = read_npz(inputs)
    output_folder(out, OBSERVED)
    backend = open_backend(framework)
    if "optimization" not in inspect.signature(backend.load).parameters:
        raise UnsupportedError(f"the optimizations of {backend.name} cannot be chosen here")
    observed: list[dict[str, Any]] = []
    for probe in read_probes(probes):
        name, level = probe["file"], probe["level"]
        record: dict[str, Any] = {"file": name, "level": level, "error": None}
        try:
            write_npz(
                out / f"{name}.{level}.npz", _run(backend, files / name, level, arrays, threads)
            )
        except AgentError as error:
            record["error"] = str(error)
        observed.append(record)
        write_json(out / OBSERVED, observed)
    return observed


def _run(backend: Any, path: Path, level: str, arrays: dict[str, Any], threads: int) -> Any:
    backend.load(path, threads, optimization=level)
    wanted = {spec.name for spec in backend.inputs()}
    return backend.predict({name: array for name, array in arrays.items() if name in wanted})
