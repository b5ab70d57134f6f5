"""Stored numbers mean the same on every machine: type x place and form x level x format."""

from __future__ import annotations

from pathlib import Path

import pytest
from byte_order_cases import byte_order_case, byte_order_cases, is_unreadable
from sessions import FORMATS, LEVELS, check, write_model

CASES = byte_order_cases()


@pytest.mark.parametrize("way", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", CASES)
def test_stored_numbers(name: str, level: str, way: str, tmp_path: Path) -> None:
    """The model says what its numbers are; what no machine can read is refused by all."""
    kind, place, form = CASES[name]
    case = byte_order_case(kind, place, form)
    model = write_model(case, tmp_path)
    if way == "external" and is_unreadable(kind, place):
        with pytest.raises(Exception, match=r"name is not unique|Unsupported type: 8"):
            FORMATS[way](model, level, case)
    else:
        check(case, FORMATS[way](model, level, case))
