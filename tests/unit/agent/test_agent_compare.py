"""Comparison: verdicts, errors, and the look of a byte swap."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zport_agent.arrays import read_npz, write_npz
from zport_agent.cli import main
from zport_agent.compare import Comparison, compare_arrays, compare_sets, stated_bounds
from zport_agent.tolerance import DEFAULTS, default_bounds

NAN, INF = float("nan"), float("inf")
BOUNDS = default_bounds()


def compare(reference: Any, candidate: Any, dtype: str = "<f4") -> Comparison:
    return compare_arrays("y", np.array(reference, dtype), np.array(candidate, dtype), BOUNDS)


@pytest.mark.parametrize(
    ("reference", "candidate", "verdict"),
    [
        ([1.0, 2.0], [1.0, 2.0], "pass"),
        ([100.0], [100.009], "pass"),
        ([100.0], [100.02], "differs"),
        ([0.0], [9e-6], "pass"),
        ([0.0], [2e-5], "differs"),
        ([NAN, INF, -INF], [NAN, INF, -INF], "pass"),
        ([NAN], [1.0], "differs"),
        ([1.0], [NAN], "differs"),
        ([INF], [-INF], "differs"),
        ([INF], [1.0], "differs"),
        ([], [], "pass"),
    ],
)
def test_verdict(reference: list[float], candidate: list[float], verdict: str) -> None:
    result = compare(reference, candidate)
    assert result.verdict == verdict
    assert bool(result.reasons) == (verdict == "differs")


def test_errors_are_measured_over_finite_elements() -> None:
    result = compare([1.0, 4.0, NAN, 0.0], [1.5, 5.0, 2.0, 3.0])
    assert (result.largest_absolute, result.largest_relative) == (3.0, 0.5)
    assert (result.not_finite, result.outside, result.elements) == (1, 4, 4)


def test_integers_and_booleans_are_exact() -> None:
    assert compare([10**6], [10**6 + 1], "<i4").verdict == "differs"
    assert compare([2**62], [2**62 + 1], "<i8").verdict == "differs"
    assert compare([2**62], [2**62], "<i8").verdict == "pass"
    assert compare([True], [False], "|b1").verdict == "differs"


def test_byte_order_is_not_a_difference() -> None:
    little, big = np.array([1, 2], "<f4"), np.array([1, 2], ">f4")
    assert compare_arrays("y", little, big, {}).verdict == "pass"


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "<i4"])
def test_a_byte_swap_is_recognized(dtype: str) -> None:
    values = np.array([1, 2, 3], dtype)
    result = compare_arrays("y", values, values.byteswap(), BOUNDS)
    assert result.verdict == "differs"
    assert result.hint and f"swapped {values.dtype.name}" in result.hint


@pytest.mark.filterwarnings("error")
def test_a_swap_full_of_signalling_nans_is_compared_in_silence() -> None:
    swapped = np.frombuffer(bytes.fromhex("0000a07f 0100807f"), "<f4")
    assert compare_arrays("y", swapped.byteswap(), swapped, BOUNDS).hint


def test_other_differences_are_not_called_a_swap() -> None:
    assert compare([1.0, 2.0], [1.0, 2.5]).hint is None
    assert compare([1], [2], "|u1").hint is None


def test_shape_and_dtype() -> None:
    values = np.zeros(4, "<f4")
    assert "shape" in compare_arrays("y", values, values.reshape(2, 2), BOUNDS).reasons[0]
    assert "dtype" in compare_arrays("y", values, values.astype("<f8"), BOUNDS).reasons[0]


def test_integers_may_have_a_bound_of_their_own() -> None:
    near, far = np.array([1, 2], "<u1"), np.array([2, 2], "<u1")
    assert compare_arrays("y", near, far, {"uint8": (1, 0)}).verdict == "pass"
    assert compare_arrays("y", near, far + np.uint8(1), {"uint8": (1, 0)}).outside == 1


def test_strings_are_exact() -> None:
    two = np.array(["cat", "dog"])
    assert compare_arrays("y", two, np.array(["cat", "dog"], "<U9"), BOUNDS).verdict == "pass"
    apart = compare_arrays("y", two, np.array(["cat", "dogs"]), BOUNDS)
    assert (apart.verdict, apart.outside, apart.dtype) == ("differs", 1, "str")
    assert apart.reasons == ["1 of 2 elements are not equal"]


def test_each_dtype_has_its_own_tolerance() -> None:
    assert compare([1.0], [1.005], "<f2").verdict == "pass"
    assert compare([1.0], [1.005], "<f4").verdict == "differs"
    assert compare([1.0], [1.00001], "<f8").verdict == "differs"
    assert all(bound.reason for bound in DEFAULTS.values())


def test_stated_bounds_are_float32s() -> None:
    bounds = stated_bounds(1e-6, None)
    assert bounds["float32"] == (1e-6, 1e-4)
    assert bounds["float16"] == DEFAULTS["float16"][:2]
    assert bounds["float64"] == (1e-6, 1e-4)
    assert bounds["int8"] == (0, 0)


def test_bfloat16_that_was_widened() -> None:
    values = np.array([1.0, -2.0, 3.5], "=f4")
    near = np.array([1.0078125, -2.0, 3.5], "=f4")
    result = compare_arrays("y", values, near, BOUNDS, dtype="bfloat16")
    assert (result.verdict, result.ulp) == ("pass", {"largest": 1, "median": 0.0})
    bits = (values.view(np.uint32) >> 16).astype(np.uint16).byteswap()
    swapped = (bits.astype(np.uint32) << 16).view(np.float32)
    result = compare_arrays("y", values, swapped, BOUNDS, dtype="bfloat16")
    assert result.hint and "swapped bfloat16" in result.hint


def test_lost_values_are_told() -> None:
    result = compare([1.0, 0.0, 2.0, 4.0], [0.0, 0.0, 0.0, 4.0])
    assert result.hint == "values got lost: all that differ (2) are 0 here"


def test_an_output_on_one_side_differs() -> None:
    one, two = {"a": np.zeros(1)}, {"a": np.zeros(1), "b": np.zeros(1)}
    for pair in ((one, two), (two, one)):
        assert compare_sets(*pair, {})["verdict"] == "differs"


def test_extremes_are_json() -> None:
    result = compare([5e-324, 1.7e308], [1e300, -1.7e308], "<f8")
    assert result.verdict == "differs"
    json.dumps([result.largest_absolute, result.largest_relative], allow_nan=False)


def test_npz_round_trip_from_either_order(tmp_path: Path) -> None:
    arrays = {"0/a": np.array([1.5, -2], ">f4"), "b": np.array(7, ">i2"), "c": np.zeros((0, 3))}
    write_npz(tmp_path / "a.npz", arrays)
    back = read_npz(tmp_path / "a.npz")
    assert {name: array.dtype.str for name, array in back.items()} == {
        "0/a": "<f4",
        "b": "<i2",
        "c": "<f8",
    }
    assert back["0/a"].tolist() == [1.5, -2] and back["b"] == 7 and back["b"].shape == ()
    assert back["c"].shape == (0, 3)


def cli(*arguments: object) -> int:
    return main(["compare", *map(str, arguments)])


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    write_npz(good, {"y": np.array([1.0, 2.0], "<f4")})
    write_npz(bad, {"y": np.array([1.0, 2.0], "<f4").byteswap()})
    assert cli("--reference", good, "--candidate", good) == 0
    capsys.readouterr()
    assert cli("--reference", good, "--candidate", bad, "--json") == 1
    assert "swapped float32" in json.loads(capsys.readouterr().out)["outputs"][0]["hint"]
    assert cli("--reference", good) == 2
    assert cli("--reference", good, "--candidate", tmp_path / "none.npz") == 2
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_broken_npz(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    write_npz(good, {"y": np.zeros(100, "<f4")})
    bad.write_bytes(content or good.read_bytes()[:-50])
    assert cli("--reference", good, "--candidate", bad) == 2
    assert "not a whole .npz" in capsys.readouterr().err


def test_batch(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"y": np.zeros(2, "<f4")})
    write_npz(tmp_path / "b.npz", {"y": np.ones(2, "<f4")})
    pairs = [
        {"id": "same", "reference": "a.npz", "candidate": "a.npz"},
        {"id": "gone", "reference": "a.npz", "candidate": "c.npz", "bounds": BOUNDS},
        {"id": "apart", "reference": "a.npz", "candidate": "b.npz", "bounds": BOUNDS},
        {"id": "near", "reference": "a.npz", "candidate": "b.npz", "bounds": {"float32": [1, 0]}},
    ]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    assert cli("--pairs", tmp_path / "pairs.json", "--out", tmp_path / "out.json") == 2
    results = json.loads((tmp_path / "out.json").read_text())
    assert [(r["id"], r["verdict"]) for r in results] == [
        ("same", "pass"),
        ("gone", "unreadable"),
        ("apart", "differs"),
        ("near", "pass"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "[1]",
        '[{"reference": "a"}]',
        '[{"reference": "a", "candidate": "b", "bounds": {"float32": [NaN, 0]}}]',
        '[{"reference": "a", "candidate": "b", "bounds": {"float32": [-1, 0]}}]',
        '[{"reference": "a", "candidate": "b", "bounds": {"float32": 1}}]',
        '[{"reference": "a", "candidate": "b", "bounds": []}]',
    ],
)
def test_a_broken_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "pairs.json").write_text(text)
    assert cli("--pairs", tmp_path / "pairs.json") == 2
    assert "expected a JSON list of {reference" in capsys.readouterr().err
