"""Measures: ULP distances, cosine, top-1 and top-5, and the ways to misplace bytes."""

import numpy as np
import pytest
from zport_agent.metrics import (
    SWAPS,
    bfloat16_bits,
    cosine,
    misplaced,
    swap_phrase,
    top_agreement,
    ulp_distances,
    ulp_summary,
)

FLOATS = ("=f2", "=f4", "=f8")


@pytest.mark.parametrize("dtype", FLOATS)
def test_neighbours_are_one_step_apart(dtype: str) -> None:
    smallest = np.finfo(dtype).smallest_subnormal
    values = np.array([1, -1, smallest, -smallest, 0, np.finfo(dtype).max], dtype)
    with np.errstate(over="ignore"):
        above = np.nextafter(values, np.array(np.inf, dtype))
    assert ulp_distances(values, above).tolist() == [1] * 6
    assert ulp_distances(above, values).tolist() == [1] * 6


@pytest.mark.parametrize("dtype", FLOATS)
def test_both_zeros_are_one_number(dtype: str) -> None:
    zeros, smallest = np.array([0.0, -0.0], dtype), np.finfo(dtype).smallest_subnormal
    assert ulp_distances(zeros, zeros[::-1]).tolist() == [0, 0]
    around = np.array([smallest, -smallest], dtype)
    assert ulp_distances(around, around[::-1]).tolist() == [2, 2]
    assert ulp_distances(zeros, around).tolist() == [1, 1]


def test_the_longest_way_does_not_overflow() -> None:
    ends = np.array([np.finfo("f8").max, -np.finfo("f8").max])
    assert ulp_distances(ends, ends[::-1]).tolist() == [2 * 0x7FEFFFFFFFFFFFFF] * 2


def test_bfloat16_is_its_bits() -> None:
    bits = np.array([0x3F80, 0x0000, 0x0001, 0xFF7F], np.uint16)
    other = np.array([0x3F81, 0x8000, 0x8001, 0x7F7F], np.uint16)
    assert ulp_distances(bits, other).tolist() == [1, 0, 2, 2 * 0x7F7F]
    assert bfloat16_bits(np.array([1.0, -2.0], "<f4")).tolist() == [0x3F80, 0xC000]


def test_summary_leaves_out_what_is_not_finite() -> None:
    r = np.array([1, np.nan, np.inf, 2, 4], "=f4")
    c = np.array([np.nextafter(np.float32(1), np.float32(2)), 1, 1, 2, 4], "=f4")
    finite = np.isfinite(r) & np.isfinite(c)
    assert ulp_summary(r, c, finite) == {"largest": 1, "median": 0.0}
    assert ulp_summary(r, c, np.zeros(5, bool)) is None
    assert ulp_summary(r[:0], c[:0], finite[:0]) is None


def test_complex_numbers_are_measured_by_their_parts() -> None:
    r = np.array([[1 + 2j], [3 + 4j]], "=c8")
    c = r.copy()
    c.imag[0] = np.nextafter(np.float32(2), np.float32(3))
    assert ulp_summary(r, c, np.ones(r.shape, bool)) == {"largest": 1, "median": 0.0}


def test_cosine() -> None:
    assert cosine(np.array([1.0, 0]), np.array([2.0, 0])) == 1
    assert cosine(np.array([1.0, 0]), np.array([0, 3.0])) == 0
    assert cosine(np.array([1e308, 1e308]), np.array([-1e308, -1e308])) == pytest.approx(-1)
    assert cosine(np.array([1e-300]), np.array([1e-300])) == 1
    assert cosine(np.zeros(2), np.ones(2)) is None
    assert cosine(np.zeros(0), np.zeros(0)) is None


def test_top() -> None:
    r = np.array([[1, 2], [3, 1]], "=f4")
    assert top_agreement(r, r[:, ::-1]) == {"rows": 2, "top1": 0, "top5": None}
    scores = np.arange(8, dtype="=f4")[np.newaxis]
    other = np.array([[9, 9, 9, 9, 0, 0, 0, 7]], "=f4")
    assert top_agreement(scores, other) == {"rows": 1, "top1": 0, "top5": 1}
    other[:, 4:6] = 9
    assert top_agreement(scores, other) == {"rows": 1, "top1": 0, "top5": 0}


def test_equal_scores_count_as_either() -> None:
    r, c = np.array([[1, 5, 2]], "=f4"), np.array([[5, 5, 2]], "=f4")
    assert top_agreement(r, c) == {"rows": 1, "top1": 1, "top5": None}


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros((1, 1), "=f4"),
        np.zeros((0, 4), "=f4"),
        np.zeros((1, 2, 2), "=f4"),
        np.zeros((1, 4), "=i4"),
        np.zeros(4, "=f4"),
        np.array(1, "=f4"),
    ],
)
def test_what_is_no_score_vector(scores: np.ndarray) -> None:
    assert top_agreement(scores, scores) is None


@pytest.mark.parametrize(("group", "unit"), SWAPS)
def test_misplacing_twice_is_nothing(group: int, unit: int) -> None:
    values = np.arange(32, dtype="=f4").reshape(4, 8)
    once = misplaced(values, group, unit)
    assert once is not None and once.shape == values.shape
    assert once.tobytes() != values.tobytes()
    assert misplaced(once, group, unit).tobytes() == values.tobytes()


def test_misplacing_is_what_it_says() -> None:
    bits = np.array([0x01020304, 0x05060708], "=u4")
    hexes = {swap: [f"{one:08x}" for one in misplaced(bits, *swap)] for swap in SWAPS[:6]}
    assert hexes[4, 1] == ["04030201", "08070605"]
    assert hexes[4, 2] == ["03040102", "07080506"]
    assert hexes[2, 1] == ["02010403", "06050807"]
    assert misplaced(bits[:1], 8, 4) is None
    assert misplaced(np.array(["a"]), 4, 1) is None
    assert [f"{one:08x}" for one in misplaced(bits, 8, 4)] == ["05060708", "01020304"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("float32", 4, 4, 1), "swapped float32"),
        (("int64", 8, 8, 4), "32-bit parts in reverse order"),
        (("float16", 2, 4, 2), "each 2 neighbours changed places"),
        (("float32", 4, 8, 1), "swapped as numbers of 64 bits"),
        (("float32", 4, 2, 1), "swapped as numbers of 16 bits"),
    ],
)
def test_phrases(arguments: tuple[str, int, int, int], words: str) -> None:
    assert words in swap_phrase(*arguments)
