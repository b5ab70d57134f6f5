"""Operators and fusions get the right numbers from a file, whatever they are saved as between."""

from __future__ import annotations

from pathlib import Path

import more_cases  # noqa: F401 - it registers its cases
import pytest
from consumer_cases import MAKERS
from sessions import FORMATS, LEVELS, check, options, run, save_external, write_model


@pytest.mark.parametrize("way", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", MAKERS)
def test_used_numbers(name: str, level: str, way: str, tmp_path: Path) -> None:
    """The model of a user of numbers answers as it has to."""
    case = MAKERS[name]()
    check(case, FORMATS[way](write_model(case, tmp_path), level, case))


@pytest.mark.parametrize("name", MAKERS)
def test_packed_numbers_in_a_file(name: str, tmp_path: Path) -> None:
    """What a kernel has packed is saved with the model, and used again."""
    case = MAKERS[name]()
    saved = save_external(
        write_model(case, tmp_path), "disabled", tmp_path / "packed.onnx", case.smallest,
        save_external_prepacked_constant_initializers="1",
    )  # fmt: skip
    check(case, run(saved, options("disabled"), case))
