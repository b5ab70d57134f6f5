"""The verbs of zport diff: look into a model, run probes of it, find where two runs part."""

import argparse
from pathlib import Path
from typing import Any

from zport_agent.cli.flags import whole
from zport_agent.errors import UsageError

# As in the command line's own module, what a verb imports it imports when called.


def add_verbs(verbs: Any) -> None:
    """Add the verbs to the command line's."""
    survey = verbs.add_parser("survey", help="list a model's operators; make random inputs")
    _path(survey, "--model", "ONNX")
    _path(survey, "--out", "DIR")
    survey.add_argument("--seed", type=whole, metavar="N", help="make random inputs from this seed")
    survey.set_defaults(run=_survey)

    expose = verbs.add_parser("expose", help="make probes, which give what operators give")
    _path(expose, "--model", "ONNX")
    _path(expose, "--out", "DIR")
    expose.add_argument("--nodes", required=True, metavar="RANGES", help="such as 0-9,10-20")
    expose.add_argument("--level", required=True, metavar="NAME", help="to run them at")
    expose.add_argument("--stem", required=True, metavar="NAME", help="what their names begin with")
    expose.set_defaults(run=_expose)

    prepare = verbs.add_parser("prepare", help="write what a model is given for one of its inputs")
    for flag, kind in (("--model", "DIR"), ("--files", "DIR"), ("--out", "NPZ")):
        _path(prepare, flag, kind)
    prepare.add_argument("--input", type=whole, default=0, metavar="N", help="which (default 0)")
    prepare.set_defaults(run=_prepare)

    observe = verbs.add_parser("observe", help="run probes")
    for flag, kind in (
        ("--files", "DIR"), ("--probes", "JSON"), ("--inputs", "NPZ"), ("--out", "DIR"),
    ):  # fmt: skip
        _path(observe, flag, kind)
    observe.add_argument("--framework", default="onnxruntime", metavar="NAME")
    observe.add_argument("--threads", type=int, default=1, metavar="N")
    observe.set_defaults(run=_observe)

    locate = verbs.add_parser("locate", help="find the first operator at which two runs differ")
    _path(locate, "--request", "JSON")
    _path(locate, "--out", "JSON")
    locate.set_defaults(run=_locate)


def _path(parser: argparse.ArgumentParser, flag: str, kind: str) -> None:
    parser.add_argument(flag, type=Path, required=True, metavar=kind)


def _survey(options: argparse.Namespace) -> int:
    from zport_agent.diff.expose import survey

    record = survey(options.model, options.out, options.seed)
    print(f"{len(record['operators'])} operators in {len(record['passes'])} passes")
    return 0


def _expose(options: argparse.Namespace) -> int:
    from zport_agent.diff.expose import make_probes

    ranges = parse_ranges(options.nodes)
    probes = make_probes(options.model, options.out, ranges, options.level, options.stem)
    print(f"{sum(len(probe.values) for probe in probes)} values in {len(probes)} probes")
    return 0


def parse_ranges(text: str) -> list[tuple[int, int]]:
    """Ranges such as 0-9,10-20. Raises UsageError."""
    try:
        pairs = [tuple(int(end) for end in part.split("-")) for part in text.split(",")]
        ranges = [(first, last) for first, last in pairs]
    except ValueError:
        raise UsageError(f"--nodes: expected ranges such as 0-9,10-20, found '{text}'") from None
    if any(last < first for first, last in ranges):
        raise UsageError(f"--nodes: a range ends before it begins in '{text}'")
    return ranges


def _prepare(options: argparse.Namespace) -> int:
    from zport_agent.diff.observe import prepare
    from zport_agent.pipeline import Job

    prepare(Job(options.model, options.files, options.out.parent), options.input, options.out)
    return 0


def _observe(options: argparse.Namespace) -> int:
    from zport_agent.diff.observe import observe

    observed = observe(
        options.framework,
        options.files,
        options.probes,
        options.inputs,
        options.out,
        options.threads,
    )
    failed = sum(one["error"] is not None for one in observed)
    print(f"{len(observed)} probes, {failed} failed")
    return 0


def _locate(options: argparse.Namespace) -> int:
    from zport_agent.diff.locate import locate_file
    from zport_agent.output import write_json

    found = locate_file(options.request)
    write_json(options.out, found)
    print(f"{found['compared']} values compared")
    return 1 if found["found"] else 0
