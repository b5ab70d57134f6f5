"""soxr on its target: a tone keeps its pitch and height, in every type of number."""

import unittest

import numpy as np
import soxr

SECOND = 8000
TONE = np.sin(2 * np.pi * 440 * np.arange(SECOND) / SECOND)


def expected(rate: int) -> np.ndarray:
    """The same tone, had it been recorded at that rate."""
    return np.sin(2 * np.pi * 440 * np.arange(rate) / rate)


class Resampling(unittest.TestCase):
    """A second of 440 Hz; the edges, where the filter rings, are left out."""

    def check(self, given: np.ndarray, rate: int, scale: float, tolerance: float) -> None:
        found = soxr.resample(given, SECOND, rate)
        assert found.dtype == given.dtype
        assert found.shape == (rate,)
        middle = slice(rate // 10, -rate // 10)
        error = np.abs(found[middle] / scale - expected(rate)[middle]).max()
        assert error < tolerance, (given.dtype, rate, error)

    def test_every_type(self) -> None:
        for rate in (16000, 11025, 4000):
            self.check(TONE.astype(np.float64), rate, 1, 1e-4)
            self.check(TONE.astype(np.float32), rate, 1, 1e-4)
            self.check((TONE * 2**30).astype(np.int32), rate, 2**30, 1e-4)
            self.check((TONE * 2**14).astype(np.int16), rate, 2**14, 1e-3)

    def test_the_other_byte_order_gives_no_noise(self) -> None:
        """An array in the other order is converted or refused, not misread."""
        other = TONE.astype(np.dtype(np.float32).newbyteorder())
        try:
            found = soxr.resample(other, SECOND, 16000)
        except (TypeError, ValueError):
            return
        assert np.abs(found[2000:-2000] - expected(16000)[2000:-2000]).max() < 1e-4

    def test_streaming(self) -> None:
        stream = soxr.ResampleStream(SECOND, 16000, 1, dtype="float32")
        parts = np.array_split(TONE.astype(np.float32), 7)
        got = [stream.resample_chunk(part, last=part is parts[-1]) for part in parts]
        whole = np.concatenate(got)
        assert whole.shape == (16000,)
        assert np.abs(whole[2000:-2000] - expected(16000)[2000:-2000]).max() < 1e-4


if __name__ == "__main__":
    unittest.main()
