"""NumPy on its target: numbers that are known, and bytes in both orders."""

import io
import unittest
import zlib

import numpy as np

TYPES = ("i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16")


class Bytes(unittest.TestCase):
    """What lies in memory and in files, whatever the machine's own order."""

    def test_known_bytes(self) -> None:
        assert np.array([1.0], dtype="<f4").tobytes().hex() == "0000803f"
        assert np.array([1.0], dtype=">f4").tobytes().hex() == "3f800000"
        assert np.array([258], dtype="<i8").tobytes().hex() == "0201000000000000"
        assert np.frombuffer(bytes.fromhex("c000000000000000"), dtype=">f8")[0] == -2.0

    def test_arithmetic_in_both_orders(self) -> None:
        for kind in TYPES:
            little, big = (np.arange(1, 40).astype(f"{order}{kind}") for order in "<>")
            assert little.byteswap().tobytes() == big.tobytes(), kind
            assert (little == big).all(), kind
            assert (little + big == 2 * little).all(), kind
            assert np.sort(big[::-1]).tolist() == little.tolist(), kind
            assert little.sum() == big.sum() == 780, kind

    def test_files(self) -> None:
        head = b"\x93NUMPY\x01\x00\x76\x00{'descr': '%s', 'fortran_order': False, 'shape': (2,), }"
        for order in (b"<", b">"):
            start = head % (order + b"f8")
            array = np.array([1.5, -2.0], dtype=order.decode() + "f8")
            file = start.ljust(127) + b"\n" + array.tobytes()
            assert np.load(io.BytesIO(file)).tolist() == [1.5, -2.0]
            written = io.BytesIO()
            np.save(written, array)
            assert written.getvalue() == file

    def test_views(self) -> None:
        record = np.zeros(2, dtype=[("a", "<u2"), ("b", ">u4"), ("c", "<f8")])
        record["a"], record["b"], record["c"] = 1, 2, 0.5
        assert record[0].tobytes().hex() == "0100" + "00000002" + "000000000000e03f"
        assert np.array([1], dtype=">u4").view("u1").tolist() == [0, 0, 0, 1]

    def test_strings(self) -> None:
        for order, codec in (("<", "utf-32-le"), (">", "utf-32-be")):
            assert np.array(["λ🜁"], dtype=f"{order}U2").tobytes() == "λ🜁".encode(codec)


class Numbers(unittest.TestCase):
    """Results that can be worked out without a computer, or that arithmetic must give."""

    def test_products(self) -> None:
        for kind in ("f4", "f8", "c8", "c16"):
            whole = np.arange(64 * 64).reshape(64, 64) % 7
            square = whole.astype(kind)
            assert (square @ square == whole @ whole).all(), kind
            assert np.dot(square[0], square[1]) == sum(whole[0] * whole[1]), kind

    def test_linear_algebra(self) -> None:
        matrix = np.array([[2.0, 1.0], [1.0, 3.0]])
        assert np.allclose(np.linalg.solve(matrix, [3, 5]), [0.8, 1.4])
        assert np.isclose(np.linalg.det(matrix), 5)
        assert np.allclose(np.linalg.eigvalsh(matrix), [2.5 - 5**0.5 / 2, 2.5 + 5**0.5 / 2])
        hilbert = 1 / (np.arange(6)[:, None] + np.arange(6) + 1)
        left, values, right = np.linalg.svd(hilbert)
        assert np.allclose(left * values @ right, hilbert)
        assert np.isclose(values[0], 1.6188998589, rtol=1e-9)

    def test_fourier(self) -> None:
        wave = np.cos(2 * np.pi * 5 * np.arange(64) / 64)
        for kind in ("<f8", ">f8", "<f4", ">f4"):
            spectrum = np.abs(np.fft.rfft(wave.astype(kind)))
            assert np.allclose(spectrum[5], 32, rtol=1e-5), kind
            assert np.allclose(np.delete(spectrum, 5), 0, atol=1e-4), kind

    def test_functions(self) -> None:
        values = np.linspace(0.1, 3, 1000)
        for kind, tolerance in (("f4", 1e-5), ("f8", 1e-14), ("g", 1e-14)):
            x = values.astype(kind)
            assert np.allclose(np.exp(np.log(x)), x, rtol=tolerance), kind
            assert np.allclose(np.sin(x) ** 2 + np.cos(x) ** 2, 1, rtol=tolerance), kind
            assert np.allclose(np.sqrt(x) ** 2, x, rtol=tolerance), kind

    def test_long_double(self) -> None:
        """It is 113 bits on some machines, 64 on others: arithmetic must agree with finfo."""
        one, tiny = np.longdouble(1), np.finfo(np.longdouble).eps
        assert one + tiny > one
        assert one + tiny / 2 == one

    def test_half(self) -> None:
        every = np.arange(65536, dtype=np.uint16).view(np.float16)
        kept = every[np.isfinite(every)]
        assert (kept.astype(np.float32).astype(np.float16).view("u2") == kept.view("u2")).all()

    def test_random(self) -> None:
        """The same seed gives the same numbers on every machine."""
        generator = np.random.Generator(np.random.PCG64(42))
        first = generator.integers(0, 1 << 32, 1000, dtype=np.uint32).astype("<u4")
        assert zlib.crc32(first.tobytes()) == 0xE577BC31
        assert np.random.RandomState(42).randint(0, 100, 5).tolist() == [51, 92, 14, 71, 60]
        assert np.random.default_rng(42).random() == 0.7739560485559633

    def test_with_openblas(self) -> None:
        built = np.show_config(mode="dicts")
        assert built["Build Dependencies"]["blas"]["name"].startswith(
            ("openblas", "scipy-openblas")
        )


if __name__ == "__main__":
    unittest.main()
