"""ml_dtypes on its target: known bits of its number types, and arithmetic with all of them."""

import unittest

import ml_dtypes
import numpy as np
from ml_dtypes import bfloat16, float8_e4m3fn, float8_e5m2, int4

FLOATS = tuple(
    np.dtype(getattr(ml_dtypes, name))
    for name in dir(ml_dtypes)
    if name.startswith(("bf", "float"))
)


class Types(unittest.TestCase):
    """A type of one byte has no order; bfloat16 has the machine's."""

    def test_known_bits(self) -> None:
        for value, bits in ((1.0, 0x3F80), (-2.0, 0xC000), (3.140625, 0x4049)):
            assert np.array([value], dtype=bfloat16).view(np.uint16)[0] == bits
        assert np.array([1.0, 448.0], dtype=float8_e4m3fn).view("u1").tolist() == [0x38, 0x7E]
        assert np.array([1.0, -0.5], dtype=float8_e5m2).view("u1").tolist() == [0x3C, 0xB8]

    def test_bfloat16_is_the_upper_half_of_a_float(self) -> None:
        every = np.arange(65536, dtype=np.uint16)
        wide = (every.astype(np.uint32) << 16).view(np.float32)
        narrow = every.view(bfloat16)
        known = np.isfinite(wide)
        assert (narrow.astype(np.float32)[known] == wide[known]).all()
        assert (wide.astype(bfloat16).view(np.uint16)[known] == every[known]).all()

    def test_rounding_to_even(self) -> None:
        given = np.array([1 + 1 / 256, 1 + 3 / 256, 1 + 1 / 200], dtype=np.float32)
        assert given.astype(bfloat16).astype(float).tolist() == [1, 1 + 4 / 256, 1 + 2 / 256]

    def test_arithmetic_of_every_float(self) -> None:
        for kind in FLOATS:
            if kind == np.dtype(getattr(ml_dtypes, "float8_e8m0fnu", np.float64)):
                continue  # powers of two alone
            one, two = np.array([1], kind), np.array([2], kind)
            assert float((one + one)[0]) == 2, kind
            assert float((two * one)[0]) == 2, kind
            assert one < two, kind

    def test_small_integers(self) -> None:
        numbers = np.array([-8, -1, 0, 7], dtype=int4)
        assert numbers.astype(np.int32).tolist() == [-8, -1, 0, 7]
        assert (numbers + numbers)[2] == 0

    def test_from_arrays_in_either_order(self) -> None:
        for order in "<>":
            given = np.array([0.5, -1.5, 96], dtype=f"{order}f4")
            assert given.astype(bfloat16).astype(float).tolist() == [0.5, -1.5, 96]
            assert given.astype(float8_e4m3fn).astype(float).tolist() == [0.5, -1.5, 96]

    def test_sums(self) -> None:
        ones = np.ones(64, dtype=bfloat16)
        assert float(ones.sum()) == 64
        assert float(np.dot(ones, ones)) == 64
        assert float(ml_dtypes.finfo(bfloat16).max) == 2.0**127 * (2 - 2**-7)


if __name__ == "__main__":
    unittest.main()
