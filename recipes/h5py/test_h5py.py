"""h5py on its target: numbers of both orders in a file, down to the bytes on the disk."""

import os
import tempfile
import unittest

import h5py
import numpy as np

NUMBERS = (1.5, -2.25, 1e300, 0.1, 3.0)


class Files(unittest.TestCase):
    """A file is the same on every machine, whatever order its numbers have."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "numbers.h5")  # noqa: PTH118

    def test_the_library_is_the_one_that_it_was_built_for(self) -> None:
        """The recipe names the library's version by hand."""
        assert h5py.h5.get_libversion() == h5py.version.hdf5_built_version_tuple

    def test_bytes_on_the_disk(self) -> None:
        for order in "<>":
            array = np.array(NUMBERS, dtype=f"{order}f8")
            with h5py.File(self.path, "w") as file:
                data = file.create_dataset("x", data=array, dtype=array.dtype)
                assert data.dtype == array.dtype
                file.flush()
                offset = data.id.get_offset()
            with open(self.path, "rb") as raw:  # noqa: PTH123
                assert raw.read(8) == b"\x89HDF\r\n\x1a\n"
                raw.seek(offset)
                assert raw.read(array.nbytes) == array.tobytes(), order
            with h5py.File(self.path) as file:
                assert file["x"][:].tolist() == list(NUMBERS), order
                assert file["x"][:].dtype.newbyteorder("=") == np.float64

    def test_every_type(self) -> None:
        kinds = ("i1", "i2", "u2", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16")
        with h5py.File(self.path, "w") as file:
            for kind in kinds:
                for order in "<>":
                    array = np.arange(-3, 9).astype(f"{order}{kind}")
                    file[f"{order}{kind}"] = array
                    assert (file[f"{order}{kind}"][:] == array).all(), (order, kind)
                    file[f"{order}{kind}"].attrs["first"] = array[1]
                    assert file[f"{order}{kind}"].attrs["first"] == array[1]

    def test_conversion_by_the_library(self) -> None:
        with h5py.File(self.path, "w") as file:
            file["x"] = np.array([1, 2, 300], dtype=">i4")
            assert file["x"].astype("<f8")[:].tolist() == [1.0, 2.0, 300.0]
            target = np.zeros(3, dtype="<i8")
            file["x"].read_direct(target)
            assert target.tolist() == [1, 2, 300]

    def test_records_and_text(self) -> None:
        kind = np.dtype([("a", "<i2"), ("b", ">f8")])
        with h5py.File(self.path, "w") as file:
            file["r"] = np.array([(1, 2.5), (-3, 4.5)], dtype=kind)
            file["t"] = ["größer", "λ"]
            assert file["r"].dtype == kind
            assert file["r"]["b"].tolist() == [2.5, 4.5]
            assert file["t"].asstr()[:].tolist() == ["größer", "λ"]

    def test_bitfields(self) -> None:
        """The library has no conversion of its own between them and integers."""
        for width in (1, 2, 4, 8):
            numbers = [0, 1, 0x81, (1 << (8 * width)) - 2]
            for order, of_numpy in (("LE", "<"), ("BE", ">")):
                kind = h5py.Datatype(getattr(h5py.h5t, f"STD_B{8 * width}{order}"))
                for given in "<>":
                    with h5py.File(self.path, "w") as file:
                        data = file.create_dataset("x", (4,), kind)
                        data[:] = np.array(numbers, dtype=f"{given}u{width}")
                        assert data[:].tolist() == numbers, (width, order, given)
                        assert data.astype(f"{given}u{width}")[:].tolist() == numbers
                        file.flush()
                        offset = data.id.get_offset()
                    with open(self.path, "rb") as raw:  # noqa: PTH123
                        raw.seek(offset)
                        stored = np.array(numbers, dtype=f"{of_numpy}u{width}").tobytes()
                        assert raw.read(4 * width) == stored, (width, order, given)

    def test_booleans_in_bitfields(self) -> None:
        for order in ("LE", "BE"):
            kind = h5py.Datatype(getattr(h5py.h5t, f"STD_B8{order}"))
            with h5py.File(self.path, "w") as file:
                data = file.create_dataset("x", (3,), kind)
                data[:] = np.array([True, False, True])
                assert data[:].tolist() == [1, 0, 1], order
                assert data.astype(bool)[:].tolist() == [True, False, True], order

    def test_filters(self) -> None:
        array = np.arange(20000, dtype="<i4").reshape(200, 100)
        with h5py.File(self.path, "w") as file:
            options = {"chunks": (50, 50), "compression": "gzip", "shuffle": True}
            file.create_dataset("x", data=array, fletcher32=True, **options)
            assert (file["x"][10:60:3, 5:9] == array[10:60:3, 5:9]).all()
            assert file["x"].id.get_storage_size() < array.nbytes / 4


if __name__ == "__main__":
    unittest.main()
