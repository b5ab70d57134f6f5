"""Shapely on its target: measures that are known, and geometry as bytes in both orders."""

import struct
import unittest

import numpy as np
import shapely
from shapely import LineString, Point, Polygon, STRtree

SQUARE = Polygon([(0, 0), (10, 0), (10, 10), (0, 10)])
OTHER = Polygon([(5, 5), (15, 5), (15, 15), (5, 15)])


class Geometry(unittest.TestCase):
    """Two squares that overlap by a quarter."""

    def test_measures(self) -> None:
        assert SQUARE.area == 100
        assert SQUARE.length == 40
        assert SQUARE.intersection(OTHER).area == 25
        assert SQUARE.union(OTHER).area == 175
        assert LineString([(0, 0), (3, 4)]).length == 5
        assert Point(0, 0).distance(Point(3, 4)) == 5
        assert abs(Point(0, 0).buffer(1, quad_segs=256).area - np.pi) < 1e-4

    def test_arrays(self) -> None:
        points = shapely.points(np.arange(20.0), np.full(20, 5.0))
        assert shapely.contains(SQUARE, points).sum() == 9
        assert shapely.get_coordinates(points)[7].tolist() == [7, 5]

    def test_tree(self) -> None:
        boxes = [shapely.box(i, 0, i + 0.5, 1) for i in range(1000)]
        assert sorted(STRtree(boxes).query(shapely.box(10.2, 0, 12.1, 1))) == [10, 11, 12]

    def test_known_bytes(self) -> None:
        point = Point(1.5, -2.25)
        little = b"\x01" + struct.pack("<Idd", 1, 1.5, -2.25)
        big = b"\x00" + struct.pack(">Idd", 1, 1.5, -2.25)
        assert shapely.to_wkb(point, byte_order=1) == little
        assert shapely.to_wkb(point, byte_order=0) == big
        assert shapely.from_wkb(little) == shapely.from_wkb(big) == point

    def test_coordinates_in_both_orders(self) -> None:
        for order in ("<", ">"):
            pairs = np.array([[1.5, 2.5], [3.5, 4.5]], dtype=f"{order}f8")
            assert shapely.linestrings(pairs).wkt == "LINESTRING (1.5 2.5, 3.5 4.5)"


if __name__ == "__main__":
    unittest.main()
