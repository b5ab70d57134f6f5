"""The verbs of benchmarks: LoadGen's scenarios, with flags of ours or MLHarness's."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from zport_agent.cli.flags import add_model_flags, count, job_of
from zport_agent.errors import UnsupportedError
from zport_agent.loadgen.names import BASES, SCENARIOS

# As in the command line's own module, what a verb imports it imports when called.

CPU = "QEMU_CPU"
"""Tells QEMU's emulator of programs which processor to be; it reads it when a program starts."""

_SETTINGS: dict[str, tuple[type, str]] = {
    "min_query_count": (int, "least number of queries (of samples, in Offline)"),
    "percentile": (float, "target latency percentile, as a fraction"),
    "min_duration_ms": (int, "least duration of the run in ms"),
    "max_duration_ms": (int, "duration in ms after which the run ends INVALID; 0: none"),
    "target_qps": (float, "rate: Server's arrivals, Offline's expectation"),
    "target_latency_ns": (int, "Server's latency bound in ns"),
    "samples_per_query": (int, "samples of one MultiStream query"),
}


def add_verbs(verbs: Any) -> None:
    """Add the verbs to the command line's."""
    from zport_agent.cli import mlharness

    bench = verbs.add_parser("bench", help="run one LoadGen scenario")
    add_model_flags(bench, "bench.json and LoadGen's logs")
    _bench_flags(bench)
    bench.set_defaults(run=_bench)
    mlharness.add_verb(verbs)


def _bench_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", choices=SCENARIOS, help="default: the manifest's")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--accuracy", action="store_const", dest="mode", const="accuracy", default="performance",
        help="log every answer instead of measuring",
    )  # fmt: skip
    mode.add_argument(
        "--find-peak", action="store_const", dest="mode", const="find-peak",
        help="search for the highest rate that Server keeps its bound at",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=count, default=1, metavar="N", help="samples of one call (default 1)"
    )
    parser.add_argument(
        "--settings", choices=BASES, dest="basis",
        help="what they start from: the manifest's, MLPerf's rules, or the fewest queries that "
        "may be VALID (default: manifest; mlperf where a file is given)",
    )  # fmt: skip
    for name in ("mlperf", "user"):
        parser.add_argument(f"--{name}-conf", metavar="FILE", help=f"MLPerf's {name}.conf")
    parser.add_argument(
        "--benchmark",
        metavar="NAME",
        help="the model in these files (default: the manifest's name)",
    )
    parser.add_argument(
        "--cpu", metavar="NAME", help="the processor that an emulator of programs is to be"
    )
    for name, (kind, text) in _SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=text)


def _bench(options: argparse.Namespace) -> int:
    from zport_agent.loadgen import bench
    from zport_agent.loadgen.settings import Wish

    become(options.cpu, options.arguments)
    wish = Wish(
        options.scenario, options.mode, options.basis,
        {name: getattr(options, name) for name in _SETTINGS}, None,
        options.mlperf_conf, options.user_conf, options.benchmark,
    )  # fmt: skip
    result = bench.bench(job_of(options), wish, batch=options.batch)
    print(bench.render(result))
    return 0 if result["valid"] else 1


def become(cpu: str | None, arguments: Sequence[str]) -> None:
    """Start this program anew on another processor of the emulator, unless it is that already.

    Raises UnsupportedError when the new one cannot be started.
    """
    if cpu is None or os.environ.get(CPU) == cpu:
        return
    sys.stdout.flush()
    command = [sys.executable, "-m", "zport_agent", *arguments]
    try:
        os.execve(sys.executable, command, {**os.environ, CPU: cpu})  # noqa: S606
    except OSError as error:
        raise UnsupportedError(f"--cpu {cpu}: {error.strerror}") from None
