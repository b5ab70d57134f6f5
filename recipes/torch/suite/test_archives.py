"""Archives from machines of either byte order hold the same numbers on this one."""

from __future__ import annotations

import io
import pickle
import sys
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import torch
from make_archives import EXPORTED, write
from samples import classic, content, name_of, ordinary, tensors, views
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.jit.mobile import _load_for_lite_interpreter
from torch.package import PackageImporter
from torch.serialization import MAP_SHARED, set_default_mmap_options

ARCHIVES = Path(__file__).with_name("archives")
ORDERS = sorted(path.name for path in ARCHIVES.iterdir())
LITTLE = ARCHIVES / "little"
pytestmark = [
    pytest.mark.filterwarnings("ignore:ComplexHalf"),
    pytest.mark.filterwarnings("ignore:TypedStorage"),
]


@pytest.fixture(params=ORDERS)
def archives(request: pytest.FixtureRequest) -> Path:
    """The archives of the machines of one byte order."""
    return ARCHIVES / str(request.param)


def assert_same(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """The same names, in order, and the same tensors to the bit."""
    assert list(found) == list(wanted)
    wrong = [name for name in wanted if content(found[name]) != content(wanted[name])]
    assert not wrong


def assert_held(output: Iterable[torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """What a holder gives is what it should hold, and its input plus one."""
    *found, one = output
    assert one.tolist() == [1.0, 1.0]
    assert_same(dict(zip(wanted, found, strict=True)), wanted)


def little_endian(tensor: torch.Tensor) -> bytes:
    """The tensor's numbers as a little-endian machine has them in memory."""
    width = tensor.element_size() // (2 if tensor.is_complex() else 1)
    native = bytes(tensor.view(torch.uint8).tolist())
    if sys.byteorder == "little":
        return native
    return b"".join(native[i : i + width][::-1] for i in range(0, len(native), width))


def without_record(archive: Path) -> io.BytesIO:
    """The archive as older versions wrote it, without a record of its byte order."""
    copy = io.BytesIO()
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            if not name.endswith("/byteorder"):
                target.writestr(name, source.read(name))
    copy.seek(0)
    return copy


@pytest.mark.parametrize("mapped", [False, True])
def test_zip_format(archives: Path, mapped: bool) -> None:
    """What torch.save writes."""
    assert_same(torch.load(archives / "zip.pt", weights_only=True, mmap=mapped), tensors())


def test_legacy_format(archives: Path) -> None:
    """What torch.save wrote before 1.6."""
    assert_same(torch.load(archives / "legacy.pt", weights_only=True), classic())


def written_before(tensor: torch.Tensor) -> io.BytesIO:
    """The legacy format as an unmended big-endian machine wrote it: each element as one number."""
    written = io.BytesIO()
    torch.save(tensor, written, _use_new_zipfile_serialization=False)
    stream = io.BytesIO(written.getvalue())
    head = [pickle.load(stream) for _ in range(3)]  # noqa: S301 - written a line before
    head[2].pop("complex_by_parts", None)
    head[2]["little_endian"] = False
    stored, half = little_endian(tensor), tensor.element_size() // 2
    parts = [stored[i : i + half] for i in range(0, len(stored), half)]
    rest = stream.read()
    assert rest.count(stored) == 1
    parts[::2], parts[1::2] = parts[1::2], parts[::2]
    before = b"".join(pickle.dumps(part, 2) for part in head)
    return io.BytesIO(before + rest.replace(stored, b"".join(parts)))


def test_legacy_format_of_an_unmended_machine() -> None:
    """The parts of its complex64 are put back; it wrote no complex128."""
    many = torch.arange(1, 9).to(torch.complex64) * (1 + 2j)
    assert content(torch.load(written_before(many), weights_only=True)) == content(many)
    with pytest.raises(RuntimeError, match="numbers are lost"):
        torch.load(written_before(many.to(torch.complex128)), weights_only=True)


@pytest.mark.parametrize("file", ["script.pt", "constants.pt"])
def test_script(archives: Path, file: str) -> None:
    """TorchScript, with the tensors as attributes or as constants of the code."""
    assert_held(torch.jit.load(archives / file)(torch.zeros(2)), tensors())


@pytest.mark.parametrize("file", ["mobile.ptl", "mobile.ff"])
def test_mobile_module(archives: Path, file: str) -> None:
    """Bytecode, in a zip archive or in FlatBuffers."""
    module = _load_for_lite_interpreter(str(archives / file))
    assert_held(module(torch.zeros(2)), tensors())


def test_package(archives: Path) -> None:
    """Pickled tensors, and a module that shares its storages with the package."""
    package = PackageImporter(str(archives / "package.pt"))
    assert_same(package.load_pickle("samples", "classic.pkl"), classic())
    assert_held(package.load_pickle("samples", "script.pkl")(torch.zeros(2)), views())


def test_exported_program(archives: Path) -> None:
    """What torch.export writes."""
    program = torch.export.load(archives / "export.pt2")
    wanted = {name_of(dtype): ordinary(dtype) for dtype in EXPORTED}
    assert_held(program.module()(torch.zeros(2)), wanted)


def test_archives_without_record_are_little_endian() -> None:
    """As nearly all of the old ones are."""
    with warnings.catch_warnings():
        # torch.load says so where it matters.
        warnings.simplefilter("ignore")
        assert_same(torch.load(without_record(LITTLE / "zip.pt"), weights_only=True), tensors())
    module = torch.jit.load(without_record(LITTLE / "script.pt"))
    assert_held(module(torch.zeros(2)), tensors())


def test_no_other_order_is_known() -> None:
    """It is an error, not a guess."""
    archive = io.BytesIO((LITTLE / "script.pt").read_bytes().replace(b"little", b"middle"))
    with pytest.raises(RuntimeError, match="middle"):
        torch.jit.load(archive)


def test_what_is_written_here_is_read_here(tmp_path: Path) -> None:
    """Every format there and back."""
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in LITTLE.iterdir()}
    assert_same(torch.load(tmp_path / "legacy.pt", weights_only=True), classic())
    for file in ("script.pt", "constants.pt"):
        assert_held(torch.jit.load(tmp_path / file)(torch.zeros(2)), tensors())
    for file in ("mobile.ptl", "mobile.ff"):
        # Its tensors may lie in memory of the module's.
        module = _load_for_lite_interpreter(str(tmp_path / file))
        assert_held(module(torch.zeros(2)), tensors())


@pytest.mark.parametrize("file", ["legacy.pt", "mobile.ff"])
def test_formats_of_one_order(tmp_path: Path, file: str) -> None:
    """These two are little-endian on every machine: the same bytes for each tensor."""
    write(tmp_path)
    written, known = (tmp_path / file).read_bytes(), (LITTLE / file).read_bytes()
    for name in ("complex128", "complex64", "float64", "int16"):
        stored = little_endian(tensors()[name])
        assert stored in known
        assert stored in written, name


def test_fake_tensors_have_nothing_to_swap(tmp_path: Path) -> None:
    """It ended in a segmentation fault."""
    torch.save(torch.ones(4), tmp_path / "ones.pt")
    archive = (tmp_path / "ones.pt").read_bytes()
    other = {"little": b"big", "big": b"little"}[sys.byteorder]
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            target.writestr(name, other if name.endswith("/byteorder") else source.read(name))
    copy.seek(0)
    with FakeTensorMode():
        assert torch.load(copy, weights_only=True).shape == (4,)


def test_a_mapped_file_stays_as_it_is(archives: Path, tmp_path: Path) -> None:
    """Numbers are converted in a copy."""
    file = tmp_path / "zip.pt"
    file.write_bytes((archives / "zip.pt").read_bytes())
    with set_default_mmap_options(MAP_SHARED):
        assert_same(torch.load(file, weights_only=True, mmap=True), tensors())
    assert file.read_bytes() == (archives / "zip.pt").read_bytes()


def test_many_numbers_in_the_legacy_format(tmp_path: Path) -> None:
    """More than the buffer of its conversion holds."""
    many = torch.arange(20_000).to(torch.complex64) * (1 + 2j)
    torch.save(many, tmp_path / "many.pt", _use_new_zipfile_serialization=False)
    assert little_endian(many) in (tmp_path / "many.pt").read_bytes()
    assert content(torch.load(tmp_path / "many.pt", weights_only=True)) == content(many)
