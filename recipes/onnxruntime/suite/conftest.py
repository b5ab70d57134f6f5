"""Options of the suite."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--outputs`` keeps what the runtime said in the backend tests, beside their outcome."""
    parser.addoption("--outputs", type=Path, help="folder for the outputs of each backend test")
