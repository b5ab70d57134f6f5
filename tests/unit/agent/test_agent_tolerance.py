"""Tolerances and labels in a manifest: what they mean, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zport_agent.errors import ManifestError
from zport_agent.manifest import Zport, load_manifest
from zport_agent.tolerance import DEFAULTS

Write = Callable[[Any], Path]


def extension(write: Write, document: dict[str, Any], **more: Any) -> Zport:
    document["zport"] |= more
    return load_manifest(write(document)).extension()


def test_without_any_the_table_holds(write: Write, document: dict[str, Any]) -> None:
    bounds = extension(write, document).tolerance.bounds()
    assert bounds == {name: bound[:2] for name, bound in DEFAULTS.items()}
    assert bounds["int64"] == bounds["bool"] == bounds["str"] == (0, 0)


def test_what_is_stated_is_float32s(write: Write, document: dict[str, Any]) -> None:
    stated = {"absolute": 2e-5, "relative": 1e-4, "reason": "a long sum"}
    bounds = extension(write, document, tolerance=stated).tolerance.bounds()
    assert bounds["float32"] == (2e-5, 1e-4)
    assert bounds["float64"] == (2e-5, 1e-4)
    assert bounds["float16"] == DEFAULTS["float16"][:2]
    assert bounds["uint8"] == (0, 0)


def test_one_dtype_may_have_its_own(write: Write, document: dict[str, Any]) -> None:
    own = {"dtypes": {"int8": [1, 0]}, "reason": "ties are rounded to even on one machine only"}
    bounds = extension(write, document, tolerance=own).tolerance.bounds()
    assert bounds["int8"] == (1, 0)
    assert bounds["float32"] == DEFAULTS["float32"][:2]


@pytest.mark.parametrize(
    ("tolerance", "words"),
    [
        ({"dtypes": {"int8": [1, 0]}}, "a 'reason', because for int8"),
        ({"dtypes": {"float23": [1, 0]}, "reason": "x"}, "dtypes of float32"),
        ({"dtypes": {"int8": [1]}, "reason": "x"}, "zport.tolerance.dtypes.int8"),
        ({"dtypes": {"int8": [-1, 0]}, "reason": "x"}, "zport.tolerance.dtypes.int8"),
        ({"dtypes": [1], "reason": "x"}, "zport.tolerance.dtypes"),
    ],
)
def test_bad_tolerances(
    write: Write, document: dict[str, Any], tolerance: dict[str, Any], words: str
) -> None:
    with pytest.raises(ManifestError, match=words.replace(".", r"\.")):
        extension(write, document, tolerance=tolerance)


def test_labels(write: Write, document: dict[str, Any]) -> None:
    assert extension(write, document).labels is None
    labels = ["cat", {"label": "dog", "confident": True}]
    assert extension(write, document, labels=labels).labels == labels


@pytest.mark.parametrize("labels", [["cat"], [1, 2, 3], "cat", [None, None]])
def test_bad_labels(write: Write, document: dict[str, Any], labels: Any) -> None:
    with pytest.raises(ManifestError, match="labels"):
        extension(write, document, labels=labels)
