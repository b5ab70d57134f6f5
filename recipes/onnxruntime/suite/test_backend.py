"""The onnx package's backend tests, all of them: what fails everywhere is listed, not left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

# The evaluator reads the operators that are known before the runtime can add its own to them: a
# runtime that shares the onnx library would otherwise keep the tests from being imported at all.
import onnx.reference  # noqa: F401 isort: skip
from backend_outputs import keep
from onnx.backend.test import BackendTest

# Only the runtime's own kernels are meant, on every machine.
os.environ.setdefault("ORT_ONNX_BACKEND_EXCLUDE_PROVIDERS", "DnnlExecutionProvider")

import onnxruntime.backend

FOLDERS: list[Path | None] = [None]


class Backend(BackendTest):
    """Upstream's runner for one device; it keeps the outputs before it judges them."""

    def _add_test(
        self,
        category: str,
        test_name: str,
        test_func: Callable[..., Any],
        report_item: list[Any],
        devices: Iterable[str] = ("CPU",),
        **kwargs: Any,
    ) -> None:
        del devices
        super()._add_test(category, test_name, test_func, report_item, ("CPU",), **kwargs)

    @classmethod
    def assert_similar_outputs(
        cls,
        ref_outputs: Sequence[Any],
        outputs: Sequence[Any],
        rtol: float,
        atol: float,
        model_dir: str | None = None,
    ) -> None:
        """Judge as upstream does. It calls itself for sequences: the outermost call has all."""
        folder, FOLDERS[0] = FOLDERS[0], None
        if folder and model_dir:
            keep(folder, Path(model_dir).name, outputs, ref_outputs)
        try:
            super().assert_similar_outputs(ref_outputs, outputs, rtol, atol, model_dir)
        finally:
            FOLDERS[0] = folder


@pytest.fixture(autouse=True)
def outputs(request: pytest.FixtureRequest) -> None:
    """The folder for outputs, if there is one."""
    FOLDERS[0] = request.config.getoption("--outputs")


globals().update(Backend(onnxruntime.backend, __name__).test_cases)
