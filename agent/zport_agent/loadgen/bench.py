"""One LoadGen scenario over a model's inputs: one process, one scenario."""

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zport_agent import info
from zport_agent.errors import AgentError, BenchError, ManifestError, UsageError
from zport_agent.labels import count_right
from zport_agent.loadgen.batching import require_batchable
from zport_agent.loadgen.harness import Harness
from zport_agent.loadgen.log import METRICS, DetailLog, decode_answer, read_accuracy, read_detail
from zport_agent.loadgen.settings import Settings, Wish, departure_phrase, resolve
from zport_agent.output import output_folder, write_json
from zport_agent.pipeline import Job, Pipeline, open_pipeline
from zport_agent.predict import model_identity

RESULT = "bench.json"
LOGS = "loadgen"
_LOG_NAMES = ("summary.txt", "detail.txt", "accuracy.json", "trace.json")
_LONG_SECONDS, _SHORT_SECONDS = 5.0, 0.2
_REHEARSED = 3
"""So many samples are answered before the run, to see how long one takes."""


_BELIEVED = 2
"""At the peak, queries come at most so many times as fast as they are answered."""


@dataclass(frozen=True)
class Library:
    """The samples: the manifest's inputs, or the files of a folder; at most ``count`` of them."""

    folder: Path | None = None
    count: int | None = None
    name: str | None = None


def bench(
    job: Job, wish: Wish, *, batch: int = 1, library: Library | None = None
) -> dict[str, Any]:
    """Run one scenario; write LoadGen's logs to ``loadgen/`` and the result to ``bench.json``.

    Latencies are nanoseconds, rates samples a second. Raises any AgentError.
    """
    out = output_folder(job.out, RESULT)
    logs = output_folder(out / LOGS, *(f"mlperf_log_{name}" for name in _LOG_NAMES))
    loadgen = _import_loadgen()
    pipeline = _with_library(open_pipeline(job), library or Library())
    block = pipeline.manifest.extension().bench
    samples = len(pipeline.input_files)
    name = pipeline.manifest.name
    # What cannot be run is said before the model runs at all.
    settings = resolve(loadgen, wish, block, name, 1.0, samples)
    if batch > 1:
        _require_queries_of_several(settings.scenario)
        require_batchable(pipeline, batch)
    seconds = _warm_up(pipeline)
    if seconds < _SHORT_SECONDS:
        seconds = max(seconds, _rehearse(loadgen, pipeline))
    settings = resolve(loadgen, wish, block, name, seconds, samples)
    harness = Harness(pipeline, loadgen, batch)
    queued = settings.scenario in ("Server", "Offline")
    _run(loadgen, harness, settings.apply(loadgen), logs, samples, queued=queued)
    result = _result(pipeline, harness, settings, batch, logs)
    result["library"] = {"name": (library or Library()).name, "samples": samples}
    write_json(out / RESULT, result)
    return result


def _import_loadgen() -> Any:
    try:
        # Never mlcommons_loadgen first: its __init__ shadows this module by an empty one.
        import mlperf_loadgen
    except ImportError as error:
        raise BenchError(
            f"LoadGen cannot be imported here ({error}); use an image with mlcommons-loadgen"
        ) from None
    return mlperf_loadgen


def _with_library(pipeline: Pipeline, library: Library) -> Pipeline:
    """The pipeline with those samples for inputs. Raises UsageError when there are none."""
    files = pipeline.input_files
    if library.folder:
        try:
            files = sorted(path for path in library.folder.iterdir() if path.is_file())
        except OSError as error:
            raise UsageError(
                f"{library.folder}: {error.strerror}; name a folder of inputs"
            ) from None
        if not files:
            raise UsageError(f"{library.folder}: there is no file in it; name a folder of inputs")
    return replace(pipeline, input_files=files[: library.count])


def _require_queries_of_several(scenario: str) -> None:
    if scenario == "SingleStream":
        raise UsageError("--batch: a query of SingleStream is one sample; name another scenario")


def _warm_up(pipeline: Pipeline) -> float:
    """Seconds of one prediction, a second one where the first was short.

    The first pays for what the framework puts off, which is little beside a long prediction.
    """
    inputs = pipeline.prepare(0)
    for _ in range(2):
        start = time.perf_counter()
        pipeline.predict(inputs)
        seconds = time.perf_counter() - start
        if seconds > _LONG_SECONDS:
            break
    return seconds


def _rehearse(loadgen: Any, pipeline: Pipeline) -> float:
    """Seconds of one sample under LoadGen: a short Offline run, whose logs are thrown away.

    Of a small model the prediction is the least of it.
    """
    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Offline
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = 0
    settings.min_query_count = _REHEARSED
    with TemporaryDirectory() as folder:
        count = len(pipeline.input_files)
        _run(loadgen, Harness(pipeline, loadgen), settings, Path(folder), count, queued=True)
        detail = read_detail(Path(folder) / "mlperf_log_detail.txt")
    rate = detail.values.get(METRICS["Offline"][0])
    return 1 / rate if rate else 0.0


def _run(
    loadgen: Any, harness: Harness, settings: Any, logs: Path, count: int, *, queued: bool
) -> None:
    """Start the test with those TestSettings and wait for its end.

    Raises what the model raised, or BenchError.
    """
    issue = harness.issue_queued if queued else harness.issue_inline
    sut = loadgen.ConstructSUT(issue, harness.flush)
    qsl = loadgen.ConstructQSL(count, count, harness.load_samples, harness.unload_samples)
    try:
        with harness.worker():
            loadgen.StartTestWithLogSettings(sut, qsl, settings, _log_settings(loadgen, logs))
    except RuntimeError as error:
        raise BenchError(f"LoadGen failed: {error}; its logs are in {logs}") from None
    finally:
        loadgen.DestroyQSL(qsl)
        loadgen.DestroySUT(sut)
    if isinstance(harness.failure, AgentError):
        raise harness.failure
    if harness.failure:
        raise BenchError(f"the model failed under LoadGen: {harness.failure!r}")


def _log_settings(loadgen: Any, logs: Path) -> Any:
    settings = loadgen.LogSettings()
    settings.enable_trace = False
    settings.log_output.outdir = str(logs)
    settings.log_output.copy_summary_to_stdout = False
    return settings


def _result(
    pipeline: Pipeline, harness: Harness, settings: Settings, batch: int, logs: Path
) -> dict[str, Any]:
    detail = read_detail(logs / "mlperf_log_detail.txt")
    common = {
        "schema": 1,
        "model": model_identity(pipeline),
        "info": info.collect(pipeline.backend, pipeline.job.threads),
        "scenario": settings.scenario,
        "mode": settings.mode,
        "threads": pipeline.job.threads,
        "batch": batch,
        "largest_batch": harness.largest_batch,
        "benchmark": settings.benchmark,
        "basis": settings.basis,
        "settings_conform": not settings.departures,
        "departures": settings.departures,
        "unheeded": settings.unheeded,
        "requested": settings.requested(),
        "chosen": settings.chosen(),
        "settings": detail.settings(),
    }
    if settings.mode == "accuracy":
        return common | _accuracy(pipeline, harness, logs, detail)
    return common | _performance(settings, detail)


def _performance(settings: Settings, detail: DetailLog) -> dict[str, Any]:
    key, unit = METRICS[settings.scenario]
    value = detail.values.get(key)
    reasons, valid = detail.reasons(), detail.valid
    if settings.mode == "find-peak":
        key, value, answered = "peak_target_qps", detail.peak, value or 0.0
        if value is not None and value > _BELIEVED * answered:
            reasons.append(f"queries came at {value:g} a second, but answers at {answered:g}: "
                           "too few queries to tell a peak")  # fmt: skip
            value = None
        elif value is None and not reasons:
            reasons.append("LoadGen found no peak")
        valid = valid and value is not None
    return {
        "valid": valid,
        "invalid_reasons": reasons,
        "metric": {"name": key, "value": value, "unit": unit},
        "latency_ns": detail.latencies(),
        "query_count": detail.values.get("result_query_count"),
    }


def _accuracy(
    pipeline: Pipeline, harness: Harness, logs: Path, detail: DetailLog
) -> dict[str, Any]:
    """The accuracy log, made readable: which bytes are which output of which input, and what
    postprocess makes of them."""
    logged = read_accuracy(logs / "mlperf_log_accuracy.json")
    names = [path.name for path in pipeline.input_files]
    missing = [index for index in range(len(names)) if index not in logged]
    reasons = [f"no answer for input {index}" for index in missing] + detail.errors
    answers = [
        {
            "input": index,
            "file": names[index],
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "outputs": harness.layouts[index],
            "features": pipeline.features(decode_answer(data, harness.layouts[index])),
        }
        for index, data in sorted(logged.items())
    ]
    return {
        "valid": not reasons,
        "invalid_reasons": reasons,
        "byte_order": "little",
        "answers": answers,
        "task_accuracy": _task_accuracy(pipeline, answers),
        "query_count": len(answers),
    }


def _task_accuracy(pipeline: Pipeline, answers: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How many answers are right, of those whose input the manifest has a label for."""
    own = pipeline.manifest.extension()
    if not own.labels:
        return None
    labels = {name.rsplit("/", 1)[-1]: label for name, label in
              zip(own.inputs, own.labels, strict=True)}  # fmt: skip
    if len(labels) != len(own.labels):
        raise ManifestError(f"{pipeline.where}: zport.inputs: two labelled inputs have one name")
    known = [answer for answer in answers if answer["file"] in labels]
    if not known:
        return None
    right = count_right(
        [answer["features"] for answer in known], [labels[answer["file"]] for answer in known]
    )
    return {"answers": len(known), "right": right, "fraction": right / len(known)}


def render(result: dict[str, Any]) -> str:
    """The result as text."""
    verdict = "VALID" if result["valid"] else "INVALID"
    head = f"{result['scenario']} {result['mode']}: {verdict}, {result['query_count']} queries"
    lines = [head, *(f"  {reason}" for reason in result["invalid_reasons"])]
    if metric := result.get("metric"):
        lines.append(f"  {metric['name']}: {metric['value']} {metric['unit']}")
    if task := result.get("task_accuracy"):
        lines.append(f"  {task['right']} of {task['answers']} answers are right")
    if result["departures"]:
        lines.append("  not by MLPerf's rules:")
    lines += [f"    {departure_phrase(one)}" for one in result["departures"]]
    return "\n".join(lines)
