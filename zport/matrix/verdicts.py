"""Verdicts: each cell's outputs are compared, inside an agent image, with those of the reference.

The toolkit itself never touches a tensor: the agent program compares, because it has NumPy on
every target and reads the declared byte order of what it compares.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zport.engines import Engine, Mount
from zport.errors import EngineError
from zport.matrix.accuracy import RECORD, accuracy_record
from zport.matrix.cells import CellResult, CellRun
from zport.plan.planner import AgentPlan
from zport.targets import REFERENCE
from zport.workspace import Workspace, make_folder, read_json, write_json

COMPARE_SECONDS = 600


def decide(
    runs: Sequence[CellRun], judge: AgentPlan, engine: Engine, workspace: Workspace
) -> list[CellResult]:
    """The verdict of each run.

    The reference's own cells are compared with the outputs that the repository keeps, all others
    with the reference's of the same model and agent. ``judge`` is the agent whose image compares.
    """
    references = {_subject(run): run for run in runs if run.cell.is_reference}
    with TemporaryDirectory(dir=make_folder(workspace.results), prefix=".compare.") as name:
        folder = Path(name)
        folder.chmod(0o777)
        pairs = [
            pair
            for index, run in enumerate(runs)
            if (pair := _pair(index, run, references.get(_subject(run)), folder))
        ]
        compared = {one["index"]: one for one in _compare(pairs, judge, engine, workspace, folder)}
    return [
        _result(run, references.get(_subject(run)), compared.get(index))
        for index, run in enumerate(runs)
    ]


def _subject(run: CellRun) -> tuple[str, str]:
    return run.cell.model.name, run.cell.agent.agent.name


def _pair(
    index: int, run: CellRun, reference: CellRun | None, folder: Path
) -> dict[str, Any] | None:
    """One comparison to make; nothing where either side has no outputs."""
    cell = run.cell
    stored = cell.is_reference or reference is None
    source = cell.model.expected if stored or reference is None else reference.outputs
    if run.failure or not source.exists():
        return None
    names = f"{index}-reference.npz", f"{index}-candidate.npz"
    for name, path in zip(names, (source, run.outputs), strict=True):
        (folder / name).write_bytes(path.read_bytes())
    return {
        "index": index,
        "reference": names[0],
        "candidate": names[1],
        "compared_with": "stored outputs" if stored else f"{REFERENCE.name} in this run",
        "bounds": cell.model.manifest.extension().tolerance.bounds(),
    }


def _compare(
    pairs: list[dict[str, Any]],
    judge: AgentPlan,
    engine: Engine,
    workspace: Workspace,
    folder: Path,
) -> list[dict[str, Any]]:
    if not pairs:
        return []
    write_json(folder / "pairs.json", pairs)
    log = workspace.logs / f"compare-{os.getpid()}.log"
    engine.run(
        judge.step.image,
        judge.target,
        ["compare", "--pairs", "/compare/pairs.json", "--out", "/compare/compared.json"],
        [Mount(folder, "/compare", writable=True)],
        log,
        COMPARE_SECONDS,
    )
    compared: list[dict[str, Any]] | None = read_json(folder / "compared.json")
    if compared is None:
        raise EngineError(
            "the comparison did not end", where=judge.step.image, next_step="read the log", log=log
        )
    return compared


def _result(run: CellRun, reference: CellRun | None, compared: dict[str, Any] | None) -> CellResult:
    if run.failure:
        return CellResult(run, run.failure, run.reason)
    if compared is None:
        return CellResult(
            run,
            "blocked",
            f"no reference to compare with: run zport models expect {run.cell.model.name}",
        )
    if compared["verdict"] == "unreadable":
        return CellResult(run, "crash", compared["message"], compared["compared_with"])
    outputs = compared["outputs"]
    accuracy = accuracy_record(run, reference if reference is not run else None)
    outputs += [accuracy] if accuracy else []
    return CellResult(
        run,
        "pass" if all(output["verdict"] == "pass" for output in outputs) else "differs",
        _why(outputs, _differing_input(run, reference)),
        compared["compared_with"],
        compared["largest_absolute"],
        compared["largest_relative"],
        tuple(outputs),
    )


def _why(outputs: list[dict[str, Any]], differing_input: str | None) -> str | None:
    """Where the difference begins, in words: before the model, or at which of its outputs."""
    for output in outputs:
        if output["verdict"] != "pass":
            what = f"output {output['name']}: {'; '.join(output['reasons'])}"
            if output["name"] == RECORD:
                return "; ".join(output["reasons"])
            if differing_input:
                return f"preprocessing differs first, at input {differing_input}; {what}"
            return f"first at {what}; {output['hint'] or 'no byte swap explains it'}"
    return None


def _differing_input(run: CellRun, reference: CellRun | None) -> str | None:
    """The first model input whose bytes are not the reference's, by the digests of both runs."""
    if reference is None or reference.failure or reference is run:
        return None
    theirs, ours = (
        {one["name"]: one["sha256"] for one in read_json(side.folder / "result.json")["inputs"]}
        for side in (reference, run)
    )
    return next((name for name, sha256 in theirs.items() if ours.get(name) != sha256), None)
