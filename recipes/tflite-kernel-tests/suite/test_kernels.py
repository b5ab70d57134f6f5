"""Upstream's tests of the kernels: each of GoogleTest's cases is one of pytest's."""

from __future__ import annotations

import functools

import pytest
from programs import Result, cases, results
from tflite_kernel_tests import PROGRAMS

CASES = {name: cases(path) for name, path in PROGRAMS.items()}


@functools.cache
def run(name: str) -> dict[str, Result]:
    """The results of a program, which runs once."""
    return results(PROGRAMS[name], CASES[name])


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in CASES for case in CASES[name]])
def test_kernel(name: str, case: str) -> None:
    """The case passes."""
    result = run(name)[case]
    if result.outcome == "skipped":
        pytest.skip(" ".join(result.said.split()))
    assert result.outcome == "passed", result.said
