"""SciPy on its target: values that mathematics gives, from every compiled part, and files."""

import io
import struct
import unittest

import numpy as np
from scipy import (
    cluster,
    fft,
    integrate,
    interpolate,
    linalg,
    ndimage,
    optimize,
    signal,
    sparse,
    spatial,
    special,
    stats,
)
from scipy import (
    io as files,
)
from scipy.sparse import linalg as sparse_linalg


class Numbers(unittest.TestCase):
    """One known result or more of every part."""

    def test_linear_algebra(self) -> None:
        matrix = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]])
        lower = linalg.cholesky(matrix, lower=True)
        assert np.allclose(lower @ lower.T, matrix)
        assert np.isclose(linalg.det(matrix), 18)
        assert np.allclose(linalg.expm(np.zeros((3, 3))), np.eye(3))
        assert np.allclose(linalg.inv(matrix) @ matrix, np.eye(3))
        assert np.isclose(linalg.blas.ddot([1.0, 2.0], [3.0, 4.0]), 11)

    def test_sparse(self) -> None:
        size = 200
        bands = [np.full(size - 1, -1.0), np.full(size, 2.0), np.full(size - 1, -1.0)]
        matrix = sparse.diags_array(bands, offsets=[-1, 0, 1], format="csc")
        found = sparse_linalg.spsolve(matrix, np.ones(size))
        assert np.allclose(matrix @ found, 1)
        known = 2 - 2 * np.cos(np.pi * size / (size + 1))
        (largest,) = sparse_linalg.eigsh(matrix, k=1, which="LA", return_eigenvectors=False)
        assert np.isclose(largest, known)

    def test_special_functions(self) -> None:
        assert np.isclose(special.gamma(0.5), np.pi**0.5, rtol=1e-14)
        assert np.isclose(special.jv(0, 2.404825557695773), 0, atol=1e-15)
        assert np.isclose(special.erf(1), 0.8427007929497149, rtol=1e-14)
        assert np.isclose(special.zeta(2), np.pi**2 / 6, rtol=1e-14)
        assert np.isclose(special.ellipk(0), np.pi / 2, rtol=1e-14)

    def test_fourier(self) -> None:
        for kind in ("<f4", ">f4", "<f8", ">f8"):
            wave = np.cos(2 * np.pi * 3 * np.arange(48) / 48).astype(kind)
            assert np.isclose(abs(fft.rfft(wave)[3]), 24, rtol=1e-6), kind
            assert np.allclose(fft.idct(fft.dct(wave)), wave, atol=1e-6), kind

    def test_calculus(self) -> None:
        assert np.isclose(integrate.quad(lambda x: np.exp(-x * x), -np.inf, np.inf)[0], np.pi**0.5)
        path = integrate.solve_ivp(lambda _, y: -y, (0, 1), [1.0], method="LSODA", rtol=1e-8)
        assert np.isclose(path.y[0, -1], np.exp(-1), rtol=1e-6)
        line = interpolate.CubicSpline([0, 1, 2, 3], [0, 1, 8, 27])
        assert np.isclose(line(1.5), 3.375)

    def test_optimisation(self) -> None:
        assert np.isclose(optimize.brentq(lambda x: x * x - 2, 0, 2), 2**0.5)
        for method in ("BFGS", "L-BFGS-B", "SLSQP", "COBYLA"):
            found = optimize.minimize(
                lambda x: (x[0] - 1) ** 2 + (x[1] + 2) ** 2, [0, 0], method=method
            )
            assert np.allclose(found.x, [1, -2], atol=1e-3), method
        plan = optimize.linprog([-1, -2], A_ub=[[1, 1], [1, 3]], b_ub=[4, 6], method="highs")
        assert np.isclose(plan.fun, -5)

    def test_signals_and_images(self) -> None:
        numerator, denominator = signal.butter(2, 0.5)
        assert np.allclose(numerator, [0.29289322, 0.58578644, 0.29289322])
        step = signal.lfilter(numerator, denominator, np.ones(100))
        assert np.isclose(step[-1], 1)
        for order in "<>":
            image = np.zeros((5, 5), dtype=f"{order}f4")
            image[2, 2] = 9
            assert np.allclose(ndimage.uniform_filter(image, 3)[1:4, 1:4], 1)
            assert ndimage.label(image.astype("f4"))[1] == 1

    def test_space(self) -> None:
        points = np.array([[0, 0], [2, 0], [2, 2], [0, 2], [1, 1]], dtype=float)
        assert spatial.ConvexHull(points).volume == 4
        assert spatial.cKDTree(points).query([1.1, 1])[1] == 4
        assert np.isclose(spatial.distance.pdist(points[:3]).max(), 8**0.5)
        groups = cluster.hierarchy.fcluster(
            cluster.hierarchy.linkage([[0], [1], [9]]), 2, "maxclust"
        )
        assert groups[0] == groups[1] != groups[2]

    def test_statistics(self) -> None:
        assert np.isclose(stats.norm.cdf(1.96), 0.9750021048517795)
        assert np.isclose(stats.linregress([0, 1, 2], [1, 3, 5]).slope, 2)
        assert np.isclose(stats.t.ppf(0.975, 10), 2.2281388519649385)


class Files(unittest.TestCase):
    """Files whose numbers have an order."""

    def test_sound(self) -> None:
        """RIFF is little-endian, RIFX big-endian."""
        for mark, order in ((b"RIFF", "<"), (b"RIFX", ">")):
            samples = np.array([0, 1, 258, -2], dtype=f"{order}i2").tobytes()
            form = struct.pack(f"{order}IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
            chunks = b"WAVEfmt " + form + b"data" + struct.pack(f"{order}I", 8) + samples
            content = mark + struct.pack(f"{order}I", len(chunks)) + chunks
            rate, found = files.wavfile.read(io.BytesIO(content))
            assert (rate, found.tolist()) == (8000, [0, 1, 258, -2]), mark

    def test_matlab(self) -> None:
        file = io.BytesIO()
        files.savemat(file, {"a": np.array([[1.5, 2.5]]), "b": "text"})
        found = files.loadmat(io.BytesIO(file.getvalue()))
        assert found["a"].tolist() == [[1.5, 2.5]]
        assert found["b"].tolist() == ["text"]

    def test_netcdf(self) -> None:
        """Its numbers are big-endian."""
        file = io.BytesIO()
        with files.netcdf_file(file, "w") as made:
            made.createDimension("n", 3)
            made.createVariable("x", "f8", ("n",))[:] = [1.5, 2.5, -3.0]
            made.flush()
            assert struct.pack(">3d", 1.5, 2.5, -3.0) in file.getvalue()


if __name__ == "__main__":
    unittest.main()
