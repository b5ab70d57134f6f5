"""What unit and integration tests share."""

from pathlib import Path

import pytest

from zport.workspace import Workspace

FIXTURES = Path(__file__).resolve().parent / "fixtures"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A build folder of its own."""
    return Workspace(tmp_path / "build")


@pytest.fixture
def fixtures() -> Path:
    """Files that tests read, and never write."""
    return FIXTURES
