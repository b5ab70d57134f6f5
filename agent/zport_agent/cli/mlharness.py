"""MLHarness's command line, as another form of ``bench``.

Its flags mean what they mean in MLPerf's reference harness, which it wraps: ``--time`` is seconds,
``--max_latency`` seconds, ``--count`` the samples to use and the queries to make. What is traced is
not measured: ``--trace_level`` makes a run of its own after the benchmark.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zport_agent.cli.flags import count
from zport_agent.errors import UsageError
from zport_agent.loadgen.names import SCENARIOS
from zport_agent.trace import levels

if TYPE_CHECKING:
    from zport_agent.pipeline import Job

NO_TRACE = "NO_TRACE"
LEVELS = (NO_TRACE, *levels.LEVELS, "FULL_TRACE")


def add_verb(verbs: Any) -> None:
    """Add the verb to the command line's."""
    parser = verbs.add_parser("mlharness", help="the same with MLHarness's flags")
    flags: dict[str, dict[str, Any]] = {
        "--backend": {"help": "the framework; must be the manifest's"},
        "--model_path": {"type": Path, "required": True, "metavar": "PATH",
                         "help": "the manifest, or its folder"},
        "--files": {"type": Path, "metavar": "DIR",
                    "help": "holds the fetched model files (default: the manifest's folder)"},
        "--dataset": {"metavar": "NAME", "help": "what the result calls the inputs"},
        "--dataset_path": {"type": Path, "metavar": "DIR",
                           "help": "holds the inputs (default: the manifest's)"},
        "--scenario": {"choices": SCENARIOS, "default": "SingleStream"},
        "--accuracy": {"action": "store_true", "help": "log every answer instead of measuring"},
        "--count": {"type": count, "metavar": "N", "help": "samples to use, and queries to make"},
        "--time": {"type": _positive, "metavar": "SECONDS", "help": "how long to run"},
        "--qps": {"type": _positive, "metavar": "RATE", "help": "Server's and Offline's rate"},
        "--max_latency": {"type": _positive, "metavar": "SECONDS", "help": "Server's bound"},
        "--trace_level": {"choices": LEVELS, "default": NO_TRACE,
                          "help": "also trace the model, in a run of its own"},
        "--mlperf_conf": {"metavar": "FILE"},
        "--user_conf": {"metavar": "FILE"},
        "--threads": {"type": count, "default": 1, "metavar": "N"},
        "--output": {"type": Path, "default": Path("output"), "metavar": "DIR"},
    }  # fmt: skip
    for name, how in flags.items():
        parser.add_argument(name, **how)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from zport_agent.loadgen import bench
    from zport_agent.loadgen.settings import Wish
    from zport_agent.manifest import load_manifest
    from zport_agent.pipeline import Job

    folder = options.model_path
    if folder.is_file():
        if folder.name != "manifest.yml":
            raise UsageError(f"--model_path {folder}: expected a manifest.yml, or its folder")
        folder = folder.parent
    _require_backend(options.backend, load_manifest(folder).framework.name)
    wish = Wish(
        options.scenario,
        "accuracy" if options.accuracy else "performance",
        "mlperf",
        settings=settings_from(options),
        mlperf_conf=options.mlperf_conf,
        user_conf=options.user_conf,
    )
    job = Job(folder, options.files or folder, options.output, options.threads)
    library = bench.Library(options.dataset_path, options.count, options.dataset)
    result = bench.bench(job, wish, library=library)
    print(bench.render(result))
    if options.trace_level != NO_TRACE:
        _trace(job, options.trace_level)
    return 0 if result["valid"] else 1


def settings_from(options: argparse.Namespace) -> dict[str, Any]:
    """LoadGen's settings that the flags say, by TestSettings' attributes."""
    settings: dict[str, Any] = {}
    if options.time is not None:
        milliseconds = round(options.time * 1000)
        settings |= {"min_duration_ms": milliseconds, "max_duration_ms": milliseconds}
    if options.qps is not None:
        settings |= {"server_target_qps": options.qps, "offline_expected_qps": options.qps}
    if options.count is not None:
        settings |= {"min_query_count": options.count, "max_query_count": options.count}
    if options.max_latency is not None:
        nanoseconds = round(options.max_latency * 1e9)
        settings |= {
            "server_target_latency_ns": nanoseconds,
            "multi_stream_expected_latency_ns": float(nanoseconds),
        }
    return settings


def _trace(job: "Job", level: str) -> None:
    """Trace the model after it was measured: tracing takes time of its own."""
    from zport_agent.trace import run

    for why in run.trace(job, run.Request(levels.parse_levels(level))):
        print(f"not traced: {why}")


def _require_backend(asked: str | None, own: str) -> None:
    if asked and asked.lower() != own.lower():
        raise UsageError(f"--backend {asked}: the model's framework is {own}")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found '{text}'")
    return value
