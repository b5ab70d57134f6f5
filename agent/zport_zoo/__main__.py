"""``python -m zport_zoo``: makes one model file."""

import argparse
import sys
from pathlib import Path

from zport_agent.errors import AgentError
from zport_agent.output import write_bytes
from zport_zoo.architectures import ARCHITECTURES, build
from zport_zoo.converting import ENDINGS, converted
from zport_zoo.seeding import seed_weights
from zport_zoo.swapping import in_ours
from zport_zoo.torchfiles import FORMATS


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is that of the error, if there is one."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "build":
            data = build(options.architecture, options.seed, dict(options.option))
            data = FORMATS.get(options.out.suffix, bytes)(data)
        elif options.command == "seed":
            data = seed_weights(options.source, options.seed)
        elif options.command == "convert":
            data = converted(options.source, options.out.suffix)
        else:
            data = in_ours(options.source)
        write_bytes(options.out, data)
    except AgentError as error:
        print(f"zport_zoo: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{options.out}: {len(data)} bytes")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m zport_zoo", description="Makes a model file.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("build", help="an architecture with seeded weights")
    one.add_argument("architecture", metavar="NAME", help=", ".join(ARCHITECTURES))
    one.add_argument("--option", type=_option, action="append", default=[], metavar="KEY=NUMBER")
    two = commands.add_parser("seed", help="one of ONNX's light networks, its constants replaced")
    three = commands.add_parser("swap", help="a graph whose numbers are stored big-endian")
    for command in (two, three):
        command.add_argument("source", type=Path, metavar="IN", help="the ONNX file to change")
    for command in (one, two):
        command.add_argument("--seed", type=_seed, required=True, metavar="N", help="0 or more")
    four = commands.add_parser("convert", help="a file of TensorFlow's as another runtime reads it")
    four.add_argument("source", type=Path, metavar="IN", help="saved_model.pb, .pb, .h5, .keras")
    four.add_argument("out", type=_converted, metavar="OUT", help=" or ".join(ENDINGS))
    written = "the ONNX file to write"
    one.add_argument(
        "out", type=Path, metavar="OUT", help=f"{written}; PyTorch's with {' or '.join(FORMATS)}"
    )
    for command in (two, three):
        command.add_argument("out", type=Path, metavar="OUT", help=written)
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("expected a whole number, 0 or more")
    return int(text)


def _converted(text: str) -> Path:
    if Path(text).suffix not in ENDINGS:
        raise argparse.ArgumentTypeError(f"expected a name with {' or '.join(ENDINGS)}")
    return Path(text)


def _option(text: str) -> tuple[str, int]:
    key, _, number = text.partition("=")
    if not key or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"expected KEY=NUMBER, found {text!r}")
    return key, int(number)


if __name__ == "__main__":
    sys.exit(main())
