"""pandas on its target: tables with known answers, read from files of both byte orders."""

import io
import struct
import unittest

import numpy as np
import pandas as pd

TABLE = pd.DataFrame(
    {"kind": ["a", "b", "a", "b", "a"], "x": [1.0, 2.0, 3.0, np.nan, 5.0], "n": [1, 2, 3, 4, 5]}
)


class Tables(unittest.TestCase):
    """Sums, groups, joins and windows."""

    def test_groups(self) -> None:
        found = TABLE.groupby("kind").agg({"x": "mean", "n": "sum"})
        assert found["x"].tolist() == [3.0, 2.0]
        assert found["n"].tolist() == [9, 6]
        assert TABLE["x"].rolling(2).sum().tolist()[1:3] == [3.0, 5.0]
        assert TABLE["x"].describe()["50%"] == 2.5

    def test_join_and_sort(self) -> None:
        names = pd.DataFrame({"kind": ["b", "a"], "name": ["second", "first"]})
        joined = TABLE.merge(names, on="kind").sort_values("n", ascending=False)
        assert joined["name"].tolist() == ["first", "second", "first", "second", "first"]

    def test_text(self) -> None:
        text = "t,x\n2026-01-31 12:00,1.25\n2026-02-01 13:30,-1e-300\n"
        table = pd.read_csv(io.StringIO(text), parse_dates=["t"])
        assert table["x"].tolist() == [1.25, -1e-300]
        assert (table["t"][1] - table["t"][0]).total_seconds() == 91800.0
        again = pd.read_csv(io.StringIO(table.to_csv(index=False)), parse_dates=["t"])
        pd.testing.assert_frame_equal(table, again)

    def test_dates(self) -> None:
        days = pd.date_range("2024-02-27", periods=4, freq="D")
        assert [day.day for day in days] == [27, 28, 29, 1]
        assert days[0].tz_localize("UTC").timestamp() == 1708992000.0

    def test_hashes(self) -> None:
        """The same rows have the same hash on every machine."""
        found = pd.util.hash_pandas_object(pd.Series([1, 2, 258], dtype="int64"), index=False)
        assert found.tolist() == [6238072747940578789, 15839785061582574730, 12074502487325287434]

    def test_missing_numbers(self) -> None:
        numbers = pd.array([1, None, 3], dtype="Int64")
        assert (numbers + 1).sum() == 6
        assert pd.isna(numbers[1])


class Files(unittest.TestCase):
    """Formats that state the order of their numbers."""

    def test_stata_of_both_orders(self) -> None:
        for order in ("<", ">"):
            file = io.BytesIO()
            TABLE[["x", "n"]].to_stata(file, write_index=False, byteorder=order, version=118)
            content = file.getvalue()
            assert struct.pack(f"{order}d", 5.0) in content, order
            found = pd.read_stata(io.BytesIO(content))
            assert found["x"].tolist()[:3] == [1.0, 2.0, 3.0], order
            assert found["n"].tolist() == [1, 2, 3, 4, 5], order

    def test_pickle(self) -> None:
        file = io.BytesIO()
        TABLE.to_pickle(file)
        pd.testing.assert_frame_equal(pd.read_pickle(io.BytesIO(file.getvalue())), TABLE)  # noqa: S301

    def test_arrays_of_the_other_order(self) -> None:
        """They are kept, as NumPy keeps them; selecting and converting must not misread them."""
        for order in "<>":
            series = pd.Series(np.array([1.5, 2.5, -1.0], dtype=f"{order}f8"))
            assert series.tolist() == [1.5, 2.5, -1.0]
            assert series.astype("float64").sum() == 3.0
            assert series[series > 0].tolist() == [1.5, 2.5]


if __name__ == "__main__":
    unittest.main()
