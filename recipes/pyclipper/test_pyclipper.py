"""pyclipper on its target: areas of polygons that are known, with coordinates beyond 32 bits."""

import unittest

import pyclipper

SQUARE = ((0, 0), (10, 0), (10, 10), (0, 10))


def moved(path: tuple[tuple[int, int], ...], by: int, scale: int = 1) -> list[tuple[int, int]]:
    """The path, enlarged and shifted along both axes."""
    return [(x * scale + by, y * scale + by) for x, y in path]


class Clipping(unittest.TestCase):
    """Two squares that overlap by a quarter, small ones and huge ones."""

    def test_areas(self) -> None:
        kinds = {
            pyclipper.CT_INTERSECTION: 25,
            pyclipper.CT_UNION: 175,
            pyclipper.CT_DIFFERENCE: 75,
            pyclipper.CT_XOR: 150,
        }
        for scale in (1, 1 << 40):
            for kind, area in kinds.items():
                clipper = pyclipper.Pyclipper()
                clipper.AddPath(moved(SQUARE, 0, scale), pyclipper.PT_SUBJECT, True)
                clipper.AddPath(moved(SQUARE, 5 * scale, scale), pyclipper.PT_CLIP, True)
                found = sum(pyclipper.Area(path) for path in clipper.Execute(kind))
                assert found == area * scale * scale, (scale, kind, found)

    def test_offset(self) -> None:
        offset = pyclipper.PyclipperOffset()
        offset.AddPath(SQUARE, pyclipper.JT_MITER, pyclipper.ET_CLOSEDPOLYGON)
        (grown,) = offset.Execute(2)
        assert sorted(map(tuple, grown)) == [(-2, -2), (-2, 12), (12, -2), (12, 12)]

    def test_round_corners(self) -> None:
        offset = pyclipper.PyclipperOffset()
        offset.AddPath(moved(SQUARE, 0, 1000), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
        (grown,) = offset.Execute(1000.0)
        known = 10000**2 + 4 * 10000 * 1000 + 3.14159265 * 1000**2
        assert abs(pyclipper.Area(grown) - known) < known / 10000

    def test_points(self) -> None:
        assert pyclipper.PointInPolygon((5, 5), SQUARE) == 1
        assert pyclipper.PointInPolygon((11, 5), SQUARE) == 0
        assert pyclipper.PointInPolygon((10, 5), SQUARE) == -1


if __name__ == "__main__":
    unittest.main()
