"""The verb of zport trace: run a model at MLModelScope's trace levels."""

import argparse
from typing import Any

from zport_agent.cli.flags import add_model_flags, count, job_of, whole
from zport_agent.errors import UsageError

# As in the command line's own module, what a verb imports it imports when called.


def add_verbs(verbs: Any) -> None:
    """Add the verb to the command line's."""
    trace = verbs.add_parser("trace", help="trace a model's run, as OpenTelemetry's spans")
    add_model_flags(trace, "trace.otlp.json")
    trace.add_argument(
        "--level",
        default="full",
        metavar="NAME",
        help="application, model, framework, ml_library, system_library, hardware or full "
        "(default): one run of each",
    )
    trace.add_argument(
        "--iterations", type=count, default=3, metavar="N", help="recorded runs of every input"
    )
    trace.add_argument(
        "--warmup", type=whole, default=1, metavar="N", help="runs of every input before those"
    )
    trace.add_argument("--emulated", action="store_true", help="say that an emulator runs this")
    trace.set_defaults(run=_trace)


def _trace(options: argparse.Namespace) -> int:
    from zport_agent.trace.levels import parse_levels

    try:
        levels = parse_levels(options.level)
    except ValueError as error:
        raise UsageError(f"--level: {error}") from None

    from zport_agent.trace import run

    request = run.Request(levels, options.iterations, options.warmup, options.emulated)
    for why in run.trace(job_of(options), request):
        print(f"not run: {why}")
    print(f"traced, in {options.out / run.TRACE}")
    return 0
