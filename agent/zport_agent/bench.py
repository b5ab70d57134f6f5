"""One LoadGen scenario over a model's inputs: one process, one scenario."""

import hashlib
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zport_agent import info
from zport_agent.errors import AgentError, BenchError, UsageError
from zport_agent.harness import Harness
from zport_agent.loadgen_log import METRICS, DetailLog, read_accuracy, read_detail
from zport_agent.manifest import Bench, explain
from zport_agent.output import output_folder, write_json
from zport_agent.pipeline import Job, Pipeline, open_pipeline
from zport_agent.predict import model_identity

RESULT = "bench.json"
LOGS = "loadgen"
_LOG_NAMES = ("summary.txt", "detail.txt", "accuracy.json", "trace.json")

# Without a rate or a bound given, Server is asked for half of what one thread was measured to
# do, and for an answer within ten times one prediction: queues at half load stay far below it.
_SERVER_LOAD = 0.5
_SERVER_PATIENCE = 10

_LONG_SECONDS = 5.0

# Scenarios whose target latency percentile LoadGen lets one set, and the setting's prefix.
_PERCENTILES = {
    "SingleStream": "single_stream",
    "MultiStream": "multi_stream",
    "Server": "server",
}


def bench(job: Job, overrides: dict[str, Any], *, accuracy: bool) -> dict[str, Any]:
    """Run one scenario; write LoadGen's logs to ``loadgen/`` and the result to ``bench.json``.

    ``overrides`` are fields of the manifest's ``bench`` block that flags replace.
    Latencies are nanoseconds, rates samples a second. Raises any AgentError.
    """
    out = output_folder(job.out, RESULT)
    logs = output_folder(out / LOGS, *(f"mlperf_log_{name}" for name in _LOG_NAMES))
    loadgen = _import_loadgen()
    pipeline = open_pipeline(job)
    wanted = _merge(pipeline, overrides)
    harness = Harness(pipeline, loadgen)
    settings = _settings(loadgen, wanted, accuracy, _warm_up(pipeline))
    _run(loadgen, harness, settings, logs, len(pipeline.input_files))
    result = _result(pipeline, harness, wanted, accuracy, logs)
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


def _merge(pipeline: Pipeline, overrides: dict[str, Any]) -> Bench:
    """The manifest's bench block with flags laid over it, checked as the block is."""
    block = pipeline.manifest.extension().bench
    given = {key: value for key, value in overrides.items() if value is not None}
    try:
        return Bench.model_validate(block.model_dump() | given)
    except ValidationError as error:
        raise UsageError(explain("bench settings", error)) from None


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


def _settings(loadgen: Any, wanted: Bench, accuracy: bool, seconds: float) -> Any:
    """LoadGen's TestSettings, all by hand: FromConfig would lay mlperf.conf over them."""
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, wanted.scenario)
    mode = loadgen.TestMode
    settings.mode = mode.AccuracyOnly if accuracy else mode.PerformanceOnly
    settings.min_query_count = wanted.min_query_count
    settings.min_duration_ms = wanted.min_duration_ms
    settings.max_duration_ms = wanted.max_duration_ms
    nanoseconds = max(1, round(seconds * 1e9))
    settings.single_stream_expected_latency_ns = nanoseconds
    settings.multi_stream_expected_latency_ns = nanoseconds * (wanted.samples_per_query or 8)
    settings.offline_expected_qps = wanted.target_qps or 1 / seconds
    settings.server_target_qps = wanted.target_qps or _SERVER_LOAD / seconds
    settings.server_target_latency_ns = wanted.target_latency_ns or _SERVER_PATIENCE * nanoseconds
    if wanted.samples_per_query:
        settings.multi_stream_samples_per_query = wanted.samples_per_query
    if wanted.percentile and wanted.scenario in _PERCENTILES:
        name = f"{_PERCENTILES[wanted.scenario]}_target_latency_percentile"
        setattr(settings, name, wanted.percentile)
    return settings


def _run(loadgen: Any, harness: Harness, settings: Any, logs: Path, count: int) -> None:
    """Start the test and wait for its end. Raises what the model raised, or BenchError."""
    queued = settings.scenario in (loadgen.TestScenario.Server, loadgen.TestScenario.Offline)
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
    pipeline: Pipeline,
    harness: Harness,
    wanted: Bench,
    accuracy: bool,
    logs: Path,
) -> dict[str, Any]:
    detail = read_detail(logs / "mlperf_log_detail.txt")
    common = {
        "schema": 1,
        "model": model_identity(pipeline),
        "info": info.collect(pipeline.backend, pipeline.job.threads),
        "scenario": wanted.scenario,
        "mode": "accuracy" if accuracy else "performance",
        "requested": wanted.model_dump(),
        "settings": detail.settings(),
    }
    if accuracy:
        return common | _accuracy(harness, logs, len(pipeline.input_files), detail)
    return common | _performance(wanted, detail)


def _performance(wanted: Bench, detail: DetailLog) -> dict[str, Any]:
    key, unit = METRICS[wanted.scenario]
    return {
        "valid": detail.valid,
        "invalid_reasons": detail.reasons(),
        "metric": {"name": key, "value": detail.values.get(key), "unit": unit},
        "latency_ns": detail.latencies(),
        "query_count": detail.values.get("result_query_count"),
    }


def _accuracy(harness: Harness, logs: Path, count: int, detail: DetailLog) -> dict[str, Any]:
    """The accuracy log, made readable: which bytes are which output of which input."""
    answers = read_accuracy(logs / "mlperf_log_accuracy.json")
    missing = [index for index in range(count) if index not in answers]
    reasons = [f"no answer for input {index}" for index in missing] + detail.errors
    return {
        "valid": not reasons,
        "invalid_reasons": reasons,
        "byte_order": "little",
        "answers": [
            {
                "input": index,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "outputs": harness.layouts[index],
            }
            for index, data in sorted(answers.items())
        ],
        "query_count": len(answers),
    }


def render(result: dict[str, Any]) -> str:
    """The result as text."""
    verdict = "VALID" if result["valid"] else "INVALID"
    head = f"{result['scenario']} {result['mode']}: {verdict}, {result['query_count']} queries"
    lines = [head, *(f"  {reason}" for reason in result["invalid_reasons"])]
    if metric := result.get("metric"):
        lines.append(f"  {metric['name']}: {metric['value']} {metric['unit']}")
    return "\n".join(lines)
