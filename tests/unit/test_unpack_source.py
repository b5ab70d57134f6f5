"""The unpacker of the toolchain: whole or not at all, nothing outside, one line on failure."""

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import subprocess
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "dockerfiles/toolchain/unpack-source"
TIME = 1_700_000_000


@pytest.fixture
def script(monkeypatch):
    """The script as a module, without bytecode beside it."""
    module = types.ModuleType("unpack_source")
    monkeypatch.setitem(sys.modules, "unpack_source", module)
    before = os.umask(0o022)
    exec(compile(SCRIPT.read_text(), SCRIPT, "exec"), module.__dict__)
    yield module
    os.umask(before)


@pytest.fixture
def run(script, tmp_path, capsys):
    """Unpack to ``out``; returns status and what was said."""

    def run_it(archive: Path) -> tuple[int, str]:
        status = script.main([str(archive), str(tmp_path / "into/out")])
        said = capsys.readouterr()
        assert said.err == ""
        return status, said.out

    (tmp_path / "into").mkdir()
    return run_it


@pytest.fixture
def refused(run, tmp_path):
    """Unpacking fails in one line and leaves nothing, in the folder or around it."""

    def refuse(archive: Path) -> str:
        (tmp_path / "outside").mkdir()
        before = sorted(tmp_path.rglob("*"))
        status, said = run(archive)
        assert status == 1
        assert said.startswith(f"zport-error: unpack {archive.name}: ")
        assert said.count("\n") == 1
        assert said.isascii()
        assert sorted(tmp_path.rglob("*")) == before
        return said

    return refuse


def entry(name: str, content: bytes = b"", mode: int = 0o644, **fields: object):
    info = tarfile.TarInfo(name)
    info.mode, info.size, info.mtime = mode, len(content), TIME
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def link(name: str, target: str):
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str):
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def folder(name: str):
    return entry(name, type=tarfile.DIRTYPE, mode=0o755)


def tar_bytes(*entries, layout=tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(*members: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name, (2024, 1, 2, 3, 4, 6))
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


GOOD = (
    folder("leaf-1.0"),
    entry("leaf-1.0/setup.py", b"print()\n"),
    entry("leaf-1.0/tools/run", b"#!/bin/sh\n", mode=0o775),
    link("leaf-1.0/tools/again", "../setup.py"),
    hard_link("leaf-1.0/same.py", "leaf-1.0/setup.py"),
)
PACKED = {
    "leaf.tar": lambda data: data,
    "leaf.tar.gz": gzip.compress,
    "leaf.tgz": gzip.compress,
    "leaf.tar.bz2": bz2.compress,
    "leaf.tar.xz": lzma.compress,
}


def written(tmp_path: Path, data: bytes, name: str = "leaf.tar") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_is_unpacked_without_its_top_folder(run, tmp_path, name, layout):
    archive = written(tmp_path, PACKED[name](tar_bytes(*GOOD, layout=layout)), name)
    assert run(archive) == (0, "")
    out = tmp_path / "into/out"
    assert (out / "setup.py").read_bytes() == b"print()\n"
    assert (out / "tools/again").readlink() == Path("../setup.py")
    assert (out / "tools/again").resolve() == (out / "setup.py").resolve()
    assert (out / "same.py").read_bytes() == b"print()\n"
    assert stat.S_IMODE((out / "tools/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((out / "setup.py").stat().st_mode) == 0o644
    assert (out / "setup.py").stat().st_mtime == TIME
    assert list((tmp_path / "into").iterdir()) == [out]


def test_a_zip_is_unpacked_as_a_tar_is(run, tmp_path):
    data = zip_bytes(
        ("leaf-1.0/", b"", 0o40755),
        ("leaf-1.0/setup.py", b"print()\n", 0o100644),
        ("leaf-1.0/tools/run", b"#!/bin/sh\n", 0o100755),
        ("leaf-1.0/tools/again", b"../setup.py", stat.S_IFLNK | 0o777),
        ("leaf-1.0/from-dos", b"x", 0),
    )
    assert run(written(tmp_path, data, "leaf.zip")) == (0, "")
    out = tmp_path / "into/out"
    assert (out / "tools/again").readlink() == Path("../setup.py")
    assert stat.S_IMODE((out / "tools/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((out / "from-dos").stat().st_mode) == 0o644
    assert (out / "setup.py").stat().st_mtime == 1704164646


def test_files_at_the_top_stay_where_they_are(run, tmp_path):
    data = tar_bytes(entry("./README"), entry("src/a.c"), link("b", "src/a.c"))
    assert run(written(tmp_path, data)) == (0, "")
    assert sorted(p.name for p in (tmp_path / "into/out").iterdir()) == ["README", "b", "src"]


def test_a_single_file_at_the_top_is_not_taken_for_a_folder(run, tmp_path):
    assert run(written(tmp_path, tar_bytes(entry("only", b"x")))) == (0, "")
    assert (tmp_path / "into/out/only").read_bytes() == b"x"


def test_a_later_file_takes_the_place_of_an_earlier_one(run, tmp_path):
    data = tar_bytes(entry("a/x", b"1"), hard_link("a/y", "a/x"), link("a/z", "x"),
                     entry("a/x", b"2"), entry("a/z", b"3"))  # fmt: skip
    assert run(written(tmp_path, data)) == (0, "")
    found = {p.name: p.read_bytes() for p in (tmp_path / "into/out").iterdir()}
    assert found == {"x": b"2", "y": b"1", "z": b"3"}
    assert not (tmp_path / "into/out/z").is_symlink()


def test_rights_that_are_more_than_a_source_needs_are_dropped(run, tmp_path):
    data = tar_bytes(entry("a/suid", mode=0o6777), entry("a/open", mode=0o1666))
    assert run(written(tmp_path, data)) == (0, "")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "into/out").iterdir()}
    assert modes == {"suid": 0o755, "open": 0o644}


def test_an_empty_folder_is_filled_and_a_full_one_is_not_touched(run, tmp_path):
    archive = written(tmp_path, tar_bytes(*GOOD))
    out = tmp_path / "into/out"
    out.mkdir()
    assert run(archive)[0] == 0
    (out / "setup.py").write_text("mine")
    status, said = run(archive)
    assert (status, said) == (1, f"zport-error: unpack leaf.tar: {out} is there already\n")
    assert (out / "setup.py").read_text() == "mine"


def test_names_that_are_not_utf8_are_kept(run, tmp_path):
    data = tar_bytes(entry("a/\udcff", b"x"), layout=tarfile.GNU_FORMAT)
    assert run(written(tmp_path, data)) == (0, "")
    assert [os.fsencode(p.name) for p in (tmp_path / "into/out").iterdir()] == [b"\xff"]


def test_a_sparse_file_is_written_in_full(run, tmp_path):
    source = tmp_path / "a"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    subprocess.run(["tar", "-S", "-cf", tmp_path / "leaf.tar", "a"], cwd=tmp_path, check=True)
    assert run(tmp_path / "leaf.tar") == (0, "")
    found = (tmp_path / "into/out/sparse").read_bytes()
    assert found == b"\0" * (1 << 20) + b"end"


BAD_TARS = {
    "absolute": ([entry("/etc/x", b"x")], "absolute path"),
    "dotdot": ([entry("a/../../outside/x", b"x")], "leaves the folder"),
    "dotdot inside": ([entry("a/../b", b"x")], "leaves the folder"),
    "link out": ([link("a/l", "../../outside")], "leaves the folder|outside the destination"),
    "link out once the top is left out": (
        [entry("a/x"), link("a/l", "../b")], "leaves the folder"),
    "link to an absolute path": ([link("a/l", "/etc/passwd")], "absolute path|leaves the folder"),
    "empty link": ([link("a/l", "")], "leaves the folder"),
    "links that leave together": (
        [entry("a/d/e/x"), link("a/d/e/up", "../.."), link("a/t", "d/e/up/../x")],
        "leaves the folder"),
    "links in a circle": ([entry("a/x"), link("a/l", "m"), link("a/m", "l")], "circle"),
    "hard link out": ([hard_link("a/l", "../outside/x")], "leaves the folder|outside"),
    "hard link to an absolute path": ([hard_link("a/l", "/etc/passwd")], "absolute path"),
    "hard link to nothing": ([entry("a/x"), hard_link("a/l", "a/none")], "no file of the archive"),
    "hard link to a link": ([link("a/x", "y"), hard_link("a/l", "a/x")], "to a link"),
    "write through a link": ([link("a/l", "."), entry("a/l/x", b"x")], "under a link"),
    "folder in a link's place": ([link("a/l", "b"), folder("a/l")], "link and a folder"),
    "link in a folder's place": ([entry("a/l/x"), link("a/l", "b")], "directory|permitted"),
    "file in a folder's place": ([entry("a/l/x"), entry("a/l")], "directory|permitted"),
    "folder in a file's place": ([entry("a/l"), entry("a/l/x")], "exists|directory"),
    "character device": ([entry("a/d", type=tarfile.CHRTYPE)], "special file|device"),
    "block device": ([entry("a/d", type=tarfile.BLKTYPE)], "special file|device"),
    "pipe": ([entry("a/d", type=tarfile.FIFOTYPE)], "special file|device"),
    "no name": ([entry(".", b"x")], "without a name"),
    "nothing": ([], "nothing is in it"),
    "too deep": ([entry("a/" * 2000 + "x")], "no path for a source"),
    "lines in the name": ([entry("/a\nzport-error: patch b\x1b[2J\u2028\udcff")], "absolute path"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TARS)
@pytest.mark.parametrize("filtered", [True, False], ids=["", "python-3.11.2"])
def test_a_bad_tar_is_refused(refused, tmp_path, case, filtered, monkeypatch):
    entries, reason = BAD_TARS[case]
    if not filtered:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    good = [entry("a/before", b"x")] if entries else []
    archive = written(tmp_path, tar_bytes(*good, *entries, layout=tarfile.GNU_FORMAT))
    assert re.search(reason, refused(archive))


BAD_ZIPS = {
    "absolute": ("/etc/x", b"x", 0o100644, "absolute path"),
    "dotdot": ("a/../../outside/x", b"x", 0o100644, "leaves the folder"),
    "link out": ("a/l", b"../../outside", stat.S_IFLNK | 0o777, "leaves the folder"),
    "link to an absolute path": ("a/l", b"/etc", stat.S_IFLNK | 0o777, "leaves the folder"),
    "link to a long path": ("a/l", b"x" * 9000, stat.S_IFLNK | 0o777, "name too long"),
    "device": ("a/d", b"", stat.S_IFCHR | 0o644, "special file"),
    "pipe": ("a/d", b"", stat.S_IFIFO | 0o644, "special file"),
}


@pytest.mark.parametrize("case", BAD_ZIPS)
def test_a_bad_zip_is_refused(refused, tmp_path, case):
    *member, reason = BAD_ZIPS[case]
    data = zip_bytes(("a/before", b"x", 0o100644), tuple(member))
    assert reason in refused(written(tmp_path, data, "leaf.zip")).replace("File name", "name")


def test_a_zip_that_writes_through_a_link_is_refused(refused, tmp_path):
    data = zip_bytes(("a/l", b"../x", stat.S_IFLNK | 0o777), ("a/l/x", b"x", 0o100644))
    assert "under a link" in refused(written(tmp_path, data, "leaf.zip"))


def test_a_zip_whose_content_is_damaged_is_refused(refused, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/x", b"content")
    data = buffer.getvalue().replace(b"content", b"changed")
    assert "CRC" in refused(written(tmp_path, data, "leaf.zip"))


BODY = tar_bytes(entry("a/x", os.urandom(50_000)), entry("a/y", os.urandom(50_000)))


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.999])
def test_a_cut_tar_is_refused(refused, tmp_path, name, part):
    body = BODY[: 2 * (512 + 50_176)] if name == "leaf.tar" else BODY
    data = PACKED[name](body)
    refused(written(tmp_path, data[: int(len(data) * part)], name))


def test_a_tar_that_is_cut_between_two_files_is_refused(refused, tmp_path):
    assert "not a whole archive" in refused(written(tmp_path, BODY[: 512 + 50_176]))


def test_a_gzip_without_its_checksum_is_refused(refused, tmp_path):
    refused(written(tmp_path, gzip.compress(BODY)[:-4], "leaf.tar.gz"))


def test_a_damaged_header_is_not_taken_for_the_end(refused, tmp_path):
    data = bytearray(BODY)
    data[512 + 50_176] ^= 1
    assert "not a whole archive" in refused(written(tmp_path, bytes(data)))


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_cut_zip_is_refused(refused, tmp_path, part):
    data = zip_bytes(("a/x", os.urandom(1000), 0o100644))
    refused(written(tmp_path, data[: int(len(data) * part)], "leaf.zip"))


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"#!/bin/sh\n" * 200, b"\x1f\x8b", b"PK\x03\x04", b"BZh9", b"\xfd7zXZ\0",
     gzip.compress(b"no tar", mtime=0)],
)  # fmt: skip
def test_what_is_no_archive_is_refused(refused, tmp_path, data):
    refused(written(tmp_path, data))


def test_an_archive_that_is_not_there_is_told(refused, tmp_path):
    assert "No such file" in refused(tmp_path / "gone.tar")


ZEROS = b"\0" * 3_000_000


COMPRESSED = [name for name in [*PACKED, "leaf.zip"] if name != "leaf.tar"]


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("leaf.tar", "TOTAL"),
        *((name, limit) for name in COMPRESSED for limit in ("TOTAL", "SMALL")),
    ],
)
def test_a_bomb_is_refused(refused, script, tmp_path, monkeypatch, name, limit):
    monkeypatch.setattr(script, limit, 1_000_000)
    if name == "leaf.zip":
        data = zip_bytes(("a/x", ZEROS, 0o100644))
    else:
        data = PACKED[name](tar_bytes(entry("a/x", ZEROS)))
    assert "more than 1000000 bytes" in refused(written(tmp_path, data, name))


def test_a_sparse_bomb_is_refused(refused, script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "SMALL", 1_000_000)
    source = tmp_path / "a"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        file.truncate(100 << 20)
    subprocess.run(["tar", "-S", "-cf", tmp_path / "leaf.tar", "a"], cwd=tmp_path, check=True)
    assert "bytes come out" in refused(tmp_path / "leaf.tar")


def test_a_header_that_claims_gigabytes_is_refused(refused, script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "SMALL", 1_000_000)
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 6 << 30
    data = gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + ZEROS)
    assert "bytes come out" in refused(written(tmp_path, data, "leaf.tar.gz"))


def test_too_many_files_are_refused(refused, script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "MEMBERS", 5)
    data = tar_bytes(*(entry(f"a/{i}") for i in range(6)))
    assert "more than 5 files" in refused(written(tmp_path, data))


def test_a_full_disk_is_told_as_one(refused, script, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(script.Tree, "file", full)
    assert "No space left on device" in refused(written(tmp_path, tar_bytes(*GOOD)))


def test_it_runs_alone(tmp_path):
    archive = written(tmp_path, tar_bytes(*GOOD))
    out = tmp_path / "new/out"
    done = subprocess.run([SCRIPT, archive, out], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (out / "setup.py").exists()
    again = subprocess.run([SCRIPT, archive, out], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert again.stdout.startswith("zport-error: unpack leaf.tar: ")
    wrong = subprocess.run([SCRIPT, archive], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout[:12]) == (2, "zport-error:")
