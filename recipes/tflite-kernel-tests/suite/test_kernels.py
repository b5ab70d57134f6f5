"""Upstream's tests of the kernels: each of GoogleTest's cases is one of pytest's."""

from __future__ import annotations

import functools
from fnmatch import fnmatchcase

import pytest
from programs import Result, cases, results
from tflite_kernel_tests import PROGRAMS

HEAVY = (
    "add_test: *MultiDimBroadcastSubshard*",
    "cpu_backend_gemm_test: CpuBackendGemmTest/*",
    "depthwise_conv_hybrid_test: *.AccuracyTest32",
    "internal_conv_per_channel_quantized_16x8_test: *",
    "internal_depthwiseconv_*: *.TestDepthwiseConv",
    "internal_depthwiseconv_*: *.FastKernelTest",
    "internal_logsoftmax_quantized_test: *.UniformLogSoftmaxUint8Tests",
    "internal_resize_bilinear_test: *HalfPixelCentersFloat_3x3to2x2",
    "internal_softmax_quantized_test: *.UniformSoftmaxTests",
)
"""Cases of random shapes and numbers that take 1 to 20 seconds each, and an emulated machine a
hundred times as long: left out on every machine."""


def is_heavy(name: str, case: str) -> bool:
    """Whether a program's case is left out."""
    return any(fnmatchcase(f"{name}: {case}", pattern) for pattern in HEAVY)


CASES = {
    name: [case for case in cases(path) if not is_heavy(name, case)]
    for name, path in PROGRAMS.items()
}


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
