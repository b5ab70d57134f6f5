"""Flags that several verbs share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zport_agent.pipeline import Job


def add_model_flags(parser: argparse.ArgumentParser, written: str) -> None:
    """Which model, where its files are, and where the results go; ``written`` names those."""
    parser.add_argument(
        "--model", type=Path, required=True, metavar="DIR", help="holds manifest.yml and the inputs"
    )
    parser.add_argument(
        "--files", type=Path, required=True, metavar="DIR", help="holds the fetched model files"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help=f"gets {written}; made if absent"
    )
    parser.add_argument(
        "--threads", type=count, default=1, metavar="N", help="threads of one operator (default 1)"
    )


def job_of(options: argparse.Namespace) -> "Job":
    """The job that the shared flags make."""
    from zport_agent.pipeline import Job

    return Job(options.model, options.files, options.out, options.threads)


def count(text: str, least: int = 1) -> int:
    """A whole number from ``least``, as argparse's type."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number from {least}, found '{text}'")
    return int(text)


def whole(text: str) -> int:
    """A whole number from 0, as argparse's type."""
    return count(text, 0)
