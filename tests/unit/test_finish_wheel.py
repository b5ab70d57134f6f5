"""What makes a built wheel one that can be given away."""

import contextlib
import os
import struct
import sys
import types
import zipfile
from pathlib import Path

import pytest
from scripts import make_wheel

from zport.wheels import bundled, wheel_check

MACHINE_CODE = b"\x7fELF and what follows"


@contextlib.contextmanager
def in_wheel(wheel, out):
    """What auditwheel's context does: unpack, and pack what is there at the end."""
    root = out.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(root)
    yield types.SimpleNamespace(path=root)
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    make_wheel(out, **{name: path.read_bytes() for name, path in files.items()})


@pytest.fixture
def finish(load, monkeypatch, tmp_path):
    """finish-wheel, whose target's libraries are in ``lib``; auditwheel is not the real one."""
    monkeypatch.setenv("TARGET_TRIPLET", "none-linux-gnu")
    tools = types.ModuleType("auditwheel.wheeltools")
    tools.InWheelCtx = in_wheel
    modules = {"auditwheel": types.ModuleType("auditwheel"), "auditwheel.wheeltools": tools,
               "bundled": bundled, "wheel_check": wheel_check}  # fmt: skip
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    script = load("toolchain/finish-wheel")
    (tmp_path / "lib/deeper").mkdir(parents=True)
    monkeypatch.setattr(script, "FOLDERS", (str(tmp_path / "none"), str(tmp_path / "lib")))
    return script


def test_a_build_gives_one_wheel(finish, tmp_path):
    with pytest.raises(SystemExit, match="zport-error: the build gave 0 wheels, expected one"):
        finish.only_wheel(tmp_path)
    wheel = make_wheel(tmp_path / "a.whl")
    assert finish.only_wheel(tmp_path) == wheel
    make_wheel(tmp_path / "b.whl")
    with pytest.raises(SystemExit, match="gave 2 wheels"):
        finish.only_wheel(tmp_path)


def test_a_wheel_without_machine_code_is_refused(finish, tmp_path):
    sbom, out = tmp_path / "sbom.json", tmp_path / "out/leaf.whl"
    sbom.write_text("{}")
    files = {"leaf/__init__.py": "", "leaf-1.0.dist-info/METADATA": ""}
    with pytest.raises(SystemExit, match="zport-error: the wheel holds no machine code: its ext"):
        finish.strip_and_describe(make_wheel(tmp_path / "in/leaf.whl", **files), sbom, out)


def test_machine_code_is_stripped_and_the_wheel_described(finish, monkeypatch, tmp_path):
    tool = tmp_path / "bin/none-linux-gnu-strip"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho stripped >"$2"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    sbom, out = tmp_path / "sbom.json", tmp_path / "out/leaf.whl"
    sbom.write_text("{}")
    files = {"leaf/x.so": MACHINE_CODE, "leaf/y.py": "", "leaf-1.0.dist-info/METADATA": ""}
    finish.strip_and_describe(make_wheel(tmp_path / "in/leaf.whl", **files), sbom, out)
    with zipfile.ZipFile(out) as archive:
        assert archive.read("leaf/x.so") == b"stripped\n"
        assert archive.read("leaf/y.py") == b""
        assert archive.read("leaf-1.0.dist-info/sboms/zport.cdx.json") == b"{}"


@pytest.mark.parametrize(
    ("inside", "original"),
    [
        ("libfoo-1a2b3c4d.so.1", "lib/libfoo.so.1.2.5"),
        ("libfoo-20230101-1a2b3c4d.so", "lib/libfoo-20230101.so"),
        ("libdeep-1a2b3c4d.so.3", "lib/deeper/libdeep.so.3"),
    ],
)
def test_a_bundled_library_is_found_in_the_image(finish, tmp_path, inside, original):
    for name in ("libfoo.so.1.2.5", "libfoo-20230101.so", "deeper/libdeep.so.3"):
        (tmp_path / "lib" / name).write_bytes(b"")
    (tmp_path / "lib/libfoo.so.1").symlink_to("libfoo.so.1.2.5")
    assert finish.original_of(Path("leaf.libs", inside)) == (tmp_path / original).resolve()


def test_a_bundled_library_that_is_nowhere_is_told(finish):
    with pytest.raises(SystemExit, match=r"zport-error: the bundled libx-1a2b3c4d.so is in none"):
        finish.original_of(Path("leaf.libs/libx-1a2b3c4d.so"))


def shared_library(soname: bytes | None) -> bytes:
    """A big-endian shared library of nothing but this SONAME."""
    strings = b"\0" + (soname or b"") + b"\0"
    start = 64 + 2 * 56
    entries = [(14, 1)] if soname else []
    place = start + 16 * (len(entries) + 3)
    table = [(5, place), (10, len(strings)), *entries, (0, 0)]
    dynamic = b"".join(struct.pack(">QQ", *one) for one in table)
    end = place + len(strings)
    header = struct.pack(">HHIQQQIHHHHHH", 3, 22, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack(">IIQQQQQQ", 1, 5, 0, 0, 0, end, end, 8)
    size = len(dynamic)
    points = struct.pack(">IIQQQQQQ", 2, 6, start, start, start, size, size, 8)
    return b"\x7fELF\2\2\1" + bytes(9) + header + load + points + dynamic + strings


@pytest.mark.parametrize(
    ("soname", "name"), [(b"libfoo.so.1", "libfoo.so.1"), (None, "libfoo.so.1.2.5")]
)
def test_a_bundled_library_has_the_name_that_others_link_it_by(finish, tmp_path, soname, name):
    library = tmp_path / "libfoo.so.1.2.5"
    library.write_bytes(shared_library(soname))
    assert finish.soname_of(library) == name


@pytest.fixture
def dpkg(monkeypatch, tmp_path):
    """Debian's tools that know one file, by its name without /usr."""
    tools = {
        "dpkg": '[ "$2" = /lib/x/libfoo.so.1 ] && echo "libfoo1:none: $2"',
        "dpkg-query": 'printf "%s\\t1.2-3\\tnone" "${3%:none}"',
    }
    for name, text in tools.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.mark.parametrize("path", ["/usr/lib/x/libfoo.so.1", "/lib/x/libfoo.so.1"])
def test_a_library_is_of_a_package_by_either_of_its_names(finish, dpkg, path):
    assert finish.package_of(Path(path)) == ("libfoo1", "1.2-3", "none")


def test_a_library_of_no_package_is_told(finish, dpkg):
    with pytest.raises(
        SystemExit, match=r"zport-error: no Debian package has /usr/lib/x/libbar.so"
    ):
        finish.package_of(Path("/usr/lib/x/libbar.so"))
