"""matplotlib on its target: pixels whose colours are known, paths, triangles and text."""

import io
import unittest

import matplotlib as mpl

mpl.use("agg")
import numpy as np
from matplotlib import colors, image, path, transforms, tri
from matplotlib import pyplot as plt


def drawn(data: np.ndarray, **options: object) -> np.ndarray:
    """The picture that fills a figure of 40 by 40 pixels."""
    figure = plt.figure(figsize=(0.4, 0.4), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(data, aspect="auto", interpolation="nearest", **options)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba()).copy()
    plt.close(figure)
    return pixels


class Pictures(unittest.TestCase):
    """Red is red, not blue: the order of bytes in a pixel."""

    def test_pixels(self) -> None:
        quarters = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]], dtype="u1")
        pixels = drawn(quarters)
        assert pixels.shape == (40, 40, 4)
        assert pixels[10, 10].tolist() == [255, 0, 0, 255]
        assert pixels[10, 30].tolist() == [0, 255, 0, 255]
        assert pixels[30, 10].tolist() == [0, 0, 255, 255]
        assert pixels[30, 30].tolist() == [10, 20, 30, 255]

    def test_numbers_of_both_orders(self) -> None:
        for kind in ("<f4", ">f4", "<f8", ">f8", "<i2", ">i2"):
            pixels = drawn(np.array([[0, 300]], dtype=kind), cmap="gray", vmin=0, vmax=300)
            assert pixels[20, 10].tolist() == [0, 0, 0, 255], kind
            assert pixels[20, 30].tolist() == [255, 255, 255, 255], kind

    def test_png(self) -> None:
        pixels = np.arange(64, dtype="u1").reshape(4, 4, 4)
        file = io.BytesIO()
        image.imsave(file, pixels, format="png")
        file.seek(0)
        assert np.array_equal(np.round(image.imread(file) * 255), pixels)

    def test_lines_and_text(self) -> None:
        figure = plt.figure(figsize=(2, 2), dpi=100, facecolor="white")
        figure.add_axes((0, 0, 1, 1)).axhline(0.5, color="#ff8000", linewidth=10)
        figure.text(0.1, 0.8, "größer λ $x^2$", fontsize=14, color="black")
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())
        assert pixels[100, 120].tolist() == [255, 128, 0, 255]
        dark = (pixels[20:60, :, :3].max(axis=2) < 60).sum()
        assert 50 < dark < 2000, dark
        for kind, mark in (("svg", b"<svg"), ("pdf", b"%PDF"), ("ps", b"%!PS")):
            file = io.BytesIO()
            figure.savefig(file, format=kind)
            assert mark in file.getvalue(), kind
        plt.close(figure)


class Geometry(unittest.TestCase):
    """The compiled parts below the pictures."""

    def test_paths(self) -> None:
        square = path.Path([(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)])
        assert square.contains_points([(1, 1), (3, 1)]).tolist() == [True, False]
        turned = square.transformed(transforms.Affine2D().rotate_deg(90))
        assert np.allclose(turned.get_extents().extents, [-2, 0, 0, 2])

    def test_triangles(self) -> None:
        x, y = np.array([0.0, 1, 0, 1]), np.array([0.0, 0, 1, 1])
        mesh = tri.Triangulation(x, y)
        assert len(mesh.triangles) == 2
        assert np.isclose(tri.LinearTriInterpolator(mesh, x + 2 * y)(0.25, 0.5), 1.25)

    def test_colours(self) -> None:
        assert colors.to_hex((1, 0.5, 0)) == "#ff8000"
        assert mpl.colormaps["viridis"](0.0, bytes=True) == (68, 1, 84, 255)


if __name__ == "__main__":
    unittest.main()
