"""What came of a point: ``record.json`` beside its runs, and its row in the results store.

``BUILD/bench/MODEL/AGENT/TARGET/SCENARIO/KEY/`` holds ``record.json`` with all circumstances,
``performance/`` and, where it was asked for, ``accuracy/``: each with the agent's ``bench.json``
and LoadGen's files in ``loadgen/``. A search for the peak is no run of the scenario: it has
``find-peak/`` and ``peak.json``. A point whose run left no result has neither record.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zport_agent.loadgen.settings import departure_phrase

from zport import __version__
from zport.bench.sweep import Point
from zport.job import Job
from zport.matrix.cells import AGENT_SAYS_NO, CellRun, is_emulated
from zport.matrix.outcome import LOG, reason_in
from zport.progress import last_line
from zport.results import Store
from zport.results.circumstances import commit_of
from zport.workspace import PROJECT, read_json, write_json

SCHEMA = 1
RECORD, PEAK = "record.json", "peak.json"
Json = dict[str, Any]
OF_RESULT = (
    "mode", "valid", "invalid_reasons", "metric", "latency_ns", "query_count", "largest_batch",
    "requested",
)  # fmt: skip
"""Keys of ``bench.json`` that a record has as they are."""
IN_FOLDER = ("schema", "settings", "conf", "host")
"""Keys of a record that stay in its folder: the store has what plots and tables need."""
COMPLAINT = 400
"""So many characters of why a run failed are told; its log has all."""
DEFAULT_CPU = "default"
"""What the CPU level of a run is called that asked for none."""


@dataclass(frozen=True)
class PointResult:
    """A point with the agent's result, or the reason why there is none.

    ``unsupported`` says that the agent refused it: this model cannot be run so.
    """

    point: Point
    folder: Path
    bench: Json | None
    failure: str | None
    unsupported: bool
    emulated: bool
    seconds: float


def read_result(point: Point, run: CellRun) -> PointResult:
    """The result of a point from what its container left."""
    left = read_json(run.folder / "run.json")
    bench = read_json(run.folder / "bench.json")
    failure = None
    if left["bench"] not in (0, AGENT_SAYS_NO) or bench is None:
        log = run.folder / LOG
        # An emulator that does not know a processor ends with the status of an honest "no".
        said = reason_in(log) or (last_line(log) if left["bench"] == AGENT_SAYS_NO else None)
        failure, bench = (said or run.reason or "it left no result")[:COMPLAINT], None
    return PointResult(
        point, run.folder, bench, failure, run.failure == "unsupported",
        is_emulated(point.runner, bench), sum(run.seconds.values()),
    )  # fmt: skip


def write_record(job: Job, folder: Path, results: Sequence[PointResult]) -> Json | None:
    """Write the record of a point whose runs have all ended, unless it is there as it would be.

    None where the run that is measured left no result.
    """
    main = next(result for result in results if result.point.mode != "accuracy")
    if main.bench is None:
        return None
    record = _record(job, folder, main, [r for r in results if r.bench is not None])
    path = folder / (PEAK if main.point.mode == "find-peak" else RECORD)
    kept: Json | None = read_json(path)
    # zport's own version may be another since; what ran and when is what counts.
    if kept and all(kept.get(name) == record[name] for name in ("key", "written", "parts")):
        return kept
    write_json(path, record)
    return record


def _record(job: Job, folder: Path, main: PointResult, results: Sequence[PointResult]) -> Json:
    point, bench = main.point, main.bench or {}
    setup, manifest = point.setup, point.model.manifest
    reasons = [reason for result in results for reason in not_conforming(result)]
    accuracy = next((r.bench or {} for r in results if r.point.mode == "accuracy"), {})
    return {
        "schema": SCHEMA,
        "zport": __version__,
        "commit": commit_of(PROJECT),
        "written": _ended(main.folder / "run.json"),
        "key": point.key,
        "model": point.model.name,
        "model_version": manifest.version,
        "weights": manifest.extension().weights,
        "agent": point.agent.agent.name,
        "framework": bench["info"]["framework"],
        "target": point.target.name,
        "byte_order": point.target.byte_order,
        "runner": point.runner,
        "emulated": main.emulated,
        "emulator": point.emulator,
        "image": point.agent.step.image,
        "image_key": point.agent.step.key,
        "files_key": point.files_key,
        "scenario": setup.scenario,
        "threads": setup.threads,
        "batch": setup.batch,
        "cpu_level": setup.cpu or DEFAULT_CPU,
        "basis": setup.basis,
        "benchmark": bench["benchmark"],
        "conf": {
            name: asdict(conf) if conf else None
            for name, conf in (("mlperf", setup.mlperf_conf), ("user", setup.user_conf))
        },
        "settings": bench["chosen"],
        "unheeded": bench["unheeded"],
        "departures": bench["departures"],
        "conforming": not reasons,
        "reasons": list(dict.fromkeys(reasons)),
        **{name: bench[name] for name in OF_RESULT},
        "task_accuracy": accuracy.get("task_accuracy"),
        "parts": {result.point.mode: str(result.folder.relative_to(folder)) for result in results},
        "seconds": round(sum(result.seconds for result in results), 3),
        "host": {"target": job.host.name, "engine": job.request.engine.name, "info": bench["info"]},
        "folder": str(folder),
    }


def not_conforming(result: PointResult) -> list[str]:
    """Why a run is none by MLPerf's rules, in words."""
    bench, point = result.bench or {}, result.point
    reasons = [departure_phrase(one) for one in bench["departures"]]
    if result.emulated:
        reasons.append("the processor is emulated")
    weights = point.model.manifest.extension().weights
    if weights != "trained":
        reasons.append(f"the weights are {weights}, not trained")
    if not bench["valid"]:
        reasons.append(f"LoadGen calls the {point.mode} run INVALID")
    return reasons


def keep_bench(store: Store, run: int, record: Json) -> None:
    """Write a record to the results store."""
    row = {name: value for name, value in record.items() if name not in IN_FOLDER}
    row["framework"] = record["framework"]["name"]
    row["framework_version"] = record["framework"]["version"]
    store.add_bench(run, {**row, "info": record["host"]["info"]})


def _ended(path: Path) -> str:
    """When a run ended: when its record was written, in UTC."""
    ended = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return ended.isoformat(timespec="seconds")
