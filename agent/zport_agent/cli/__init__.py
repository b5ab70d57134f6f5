"""The command line: verbs in a line here, groups of them in a module each.

Exit codes are those of zport_agent.errors.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zport_agent import __version__
from zport_agent.cli import bench, diff, http, trace
from zport_agent.cli.flags import add_model_flags, job_of
from zport_agent.errors import AgentError, UsageError

_EPILOG = """\
exit codes: 0 success; 1 the arrays differ, the benchmark is INVALID, or the server is not
well; 2 usage; 3 bad manifest; 4 model file missing, changed or unreadable; 5 preprocess or
postprocess failed; 6 not supported by the framework here; 7 LoadGen failed
"""

# What each verb imports it imports when called: under emulation every import costs.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the process's exit code."""
    options = _parser().parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return int(options.run(options))
    except AgentError as error:
        print(f"zport-agent: {error}", file=sys.stderr)
        return error.exit_code


def _info(options: argparse.Namespace) -> int:
    from zport_agent import info

    facts, installed = info.collect(), info.frameworks()
    _say(facts | {"frameworks": installed}, info.render(facts, installed), options.json)
    return 0


def _predict(options: argparse.Namespace) -> int:
    from zport_agent import predict

    result = predict.predict(job_of(options))
    total = sum(result["seconds"].values())
    text = f"{len(result['files'])} inputs, {len(result['outputs'])} arrays, {total:.3f} s"
    print(f"{result['model']['name']}: {text}, in {options.out}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from zport_agent import compare

    if options.pairs:
        return _compare_batch(options)
    if not (options.reference and options.candidate):
        raise UsageError("compare: give --reference and --candidate, or --pairs")
    bounds = compare.stated_bounds(options.absolute, options.relative)
    result = compare.compare_files(options.reference, options.candidate, bounds)
    _say(result, compare.render(result), options.json)
    return 0 if result["verdict"] == "pass" else 1


def _compare_batch(options: argparse.Namespace) -> int:
    from zport_agent import compare
    from zport_agent.output import write_json

    results = compare.compare_batch(options.pairs)
    if options.out:
        write_json(options.out, results)
    else:
        print(json.dumps(results, indent=1))
    verdicts = {result["verdict"] for result in results}
    return 2 if "unreadable" in verdicts else 1 if "differs" in verdicts else 0


def _serve(options: argparse.Namespace) -> int:
    from zport_agent import serve

    print(f"{serve.serve(options.batch, options.out)} cells served")
    return 0


def _say(value: Any, text: str, as_json: bool) -> None:
    print(json.dumps(value, indent=1) if as_json else text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zport-agent",
        description="Load, run, compare and benchmark models described by a manifest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    info = verbs.add_parser("info", help="what this is: framework, architecture, byte order, CPU")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=_info)

    predict = verbs.add_parser("predict", help="run a model once over its inputs")
    add_model_flags(predict, "outputs.npz and result.json")
    predict.set_defaults(run=_predict)

    bench.add_verbs(verbs)

    compare = verbs.add_parser("compare", help="compare the outputs of two runs")
    _compare_flags(compare)
    compare.set_defaults(run=_compare)

    serve = verbs.add_parser("serve", help="run the commands of many cells, each in its own child")
    _serve_flags(serve)
    serve.set_defaults(run=_serve)
    http.add_verbs(verbs)
    diff.add_verbs(verbs)
    trace.add_verbs(verbs)
    return parser


def _compare_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reference", type=Path, metavar="NPZ", help="the outputs to agree with")
    parser.add_argument("--candidate", type=Path, metavar="NPZ", help="the outputs in question")
    for name in ("absolute", "relative"):
        text = "bound of float32; other floating dtypes are given theirs if that is looser"
        parser.add_argument(f"--{name}", type=_bound, metavar=name[0].upper(), help=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="JSON",
        help="instead: a list of {reference, candidate, bounds}",
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="where --pairs writes its results")


def _serve_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch", type=Path, required=True, metavar="DIR", help="holds cells.json: what to run"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets one folder a cell"
    )


def _bound(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"expected a number from 0, found '{text}'")
