"""Upstream's tests of TensorFlow Lite's kernels, as programs."""

from pathlib import Path

__version__ = "2.14.1"

PROGRAMS = {path.name: path for path in sorted(Path(__file__).parent.glob("*_test"))}
"""Each program by its name."""
