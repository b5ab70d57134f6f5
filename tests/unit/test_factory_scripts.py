"""The scripts that a wheel goes through: patched, compiled, finished, and checked where it runs."""

import contextlib
import difflib
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

from zport import bundled, wheel_check

DOCKERFILES = Path(__file__).resolve().parents[2] / "dockerfiles"
APPLY = DOCKERFILES / "toolchain/apply-patches"
MACHINE_CODE = b"\x7fELF and what follows"


@pytest.fixture
def load(monkeypatch):
    """A script as a module, without bytecode beside it."""

    def load_it(path: str) -> types.ModuleType:
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.setattr(sys, "path", [*sys.path])
        loader = importlib.machinery.SourceFileLoader("a_script", str(DOCKERFILES / path))
        module = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("a_script", loader)
        )
        loader.exec_module(module)
        return module

    return load_it


# apply-patches

LINES = [f"line {number}\n" for number in range(20)]
CHANGED = [*LINES[:9], "another line 9\n", *LINES[10:]]


def patch_of(before: list[str], after: list[str], name: str = "a.txt") -> str:
    return "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))


@pytest.fixture
def apply(tmp_path):
    """Apply patches, by their names, to a source of one file; returns status and what was said."""
    if not shutil.which("patch"):
        pytest.skip("no patch on this machine")
    source, patches = tmp_path / "source", tmp_path / "patches"
    source.mkdir()
    patches.mkdir()

    def apply_them(content: list[str], **given: str) -> tuple[int, str]:
        (source / "a.txt").write_text("".join(content))
        for name, text in given.items():
            (patches / f"{name}.patch").write_text(f"Description: {name}\n\n{text}")
        done = subprocess.run(
            [APPLY, patches, source], capture_output=True, text=True, check=False, timeout=30
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    return apply_them


def test_patches_are_applied_in_the_order_of_their_names(apply, tmp_path):
    twice = [*LINES[:9], "yet another line 9\n", *LINES[10:]]
    status, said = apply(LINES, n2=patch_of(CHANGED, twice), n1=patch_of(LINES, CHANGED))
    assert (status, said) == (0, "patching file a.txt\n" * 2)
    assert (tmp_path / "source/a.txt").read_text() == "".join(twice)


def test_lines_that_moved_are_patched_and_nothing_is_left_beside_them(apply, tmp_path):
    status, said = apply(["new\n", "new\n", *LINES], n1=patch_of(LINES, CHANGED))
    assert status == 0
    assert "offset 2 lines" in said
    assert (tmp_path / "source/a.txt").read_text() == "".join(["new\n", "new\n", *CHANGED])
    assert [path.name for path in (tmp_path / "source").iterdir()] == ["a.txt"]


def test_a_patch_that_the_source_has_already_is_told(apply, tmp_path):
    status, said = apply(CHANGED, n1=patch_of(LINES, CHANGED))
    assert status == 1
    assert said.splitlines()[-1].startswith("zport-error: patch n1.patch is in this source already")
    assert (tmp_path / "source/a.txt").read_text() == "".join(CHANGED)


@pytest.mark.parametrize("line", [6, 9], ids=["context", "the line itself"])
def test_a_hunk_that_does_not_fit_is_told_with_its_file(apply, line):
    other = [*LINES[:line], "something else\n", *LINES[line + 1 :]]
    status, said = apply(other, n1=patch_of(LINES, CHANGED))
    told = said.splitlines()[-1]
    assert status == 1
    assert re.match(r"zport-error: patch n1.patch does not apply: a.txt: Hunk #1 FAILED", told)


def test_a_patch_that_is_none_is_told(apply):
    status, said = apply(LINES, n1="")
    assert status == 1
    assert re.search(r"^zport-error: patch n1.patch does not apply: .*garbage", said, re.MULTILINE)


# install-requirements


def make_wheel(path: Path, **files: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_what_is_compiled_against_is_taken_from_the_targets_wheel(load, tmp_path):
    files = ["leaf/x.h", "leaf/libx.a", "leaf/x.pxd", "leaf/x.py", "leaf/x.so"]
    folder = tmp_path / "requirements"
    (folder / "leaf").mkdir(parents=True)
    for name in files:
        (folder / name).write_text("build machine")
    make_wheel(
        tmp_path / "links/leaf-1.0-py3-none-any.whl",
        **dict.fromkeys([*files, "leaf/new.h", "other/y.h"], "target"),
    )
    load("toolchain/install-requirements").take_over(tmp_path / "links", folder)
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.*")}
    assert found == {
        **dict.fromkeys(["leaf/x.h", "leaf/libx.a", "leaf/x.pxd", "leaf/new.h"], "target"),
        **dict.fromkeys(["leaf/x.py", "leaf/x.so"], "build machine"),
    }


# compile-wheel


@pytest.mark.parametrize(
    ("project", "backend"),
    [
        ('[build-system]\nbuild-backend = "mesonpy"', "mesonpy"),
        ('[build-system]\nbuild-backend = "scikit_build_core.build"', "scikit_build_core"),
        ('[build-system]\nbuild-backend = "setuptools.build_meta:__legacy__"', "setuptools"),
        ('[build-system]\nrequires = ["setuptools"]', "setuptools"),
        ('[project]\nname = "leaf"', "setuptools"),
        (None, "setuptools"),
    ],
)
def test_the_backend_is_the_sources(load, tmp_path, project, backend):
    if project is not None:
        (tmp_path / "pyproject.toml").write_text(project)
    assert load("toolchain/compile-wheel").backend_of(tmp_path) == backend


def test_a_broken_project_file_is_told(load, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[build-system\n")
    with pytest.raises(SystemExit, match=r"zport-error: pyproject.toml of the source is not valid"):
        load("toolchain/compile-wheel").backend_of(tmp_path)


@pytest.mark.parametrize(
    ("backend", "given", "settings"),
    [
        ("mesonpy", {}, {"build-dir": ["/build/work"], "setup-args": ["--cross-file=x"]}),
        (
            "mesonpy",
            {"setup-args": ["-Da=b"], "compile-args": ["-v"]},
            {
                "build-dir": ["/build/work"],
                "setup-args": ["--cross-file=x", "-Da=b"],
                "compile-args": ["-v"],
            },
        ),
        ("scikit_build_core", {"a": ["b"]}, {"build-dir": ["/build/work"], "a": ["b"]}),
        ("scikit_build_core", {"build-dir": ["own"]}, {"build-dir": ["own"]}),
        ("setuptools", {"a": ["b"]}, {"a": ["b"]}),
    ],
)
def test_a_backend_is_told_of_target_and_place(load, monkeypatch, backend, given, settings):
    monkeypatch.setenv("MESON_TARGET", "--cross-file=x")
    before = json.dumps(given)
    assert load("toolchain/compile-wheel").settings_for(backend, given) == settings
    assert json.dumps(given) == before


# finish-wheel


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


# check-install


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Lay out a distribution ``leaf`` of these files where Python finds it."""

    def install(**files: bytes | str) -> None:
        site = tmp_path / "site"
        files["leaf-1.0.dist-info/METADATA"] = "Metadata-Version: 2.1\nName: leaf\nVersion: 1.0\n"
        for name, content in files.items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        record = "".join(f"{name},,\n" for name in [*files, "../bin/leaf.py"])
        (site / "leaf-1.0.dist-info/RECORD").write_text(record)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        if name.partition(".")[0].startswith("leaf"):
            del sys.modules[name]


INSTALLED = {
    "leaf/__init__.py": "",
    "leaf/sub/__init__.py": "",
    "leaf/sub/_fast.cpython-313-none-linux-gnu.so": b"",
    "leaf/sub/_stable.abi3.so": b"",
    "leaf/_plain.so": b"\0PyInit__plain\0",
    "leaf/libdata.so": b"\0PyInit_other\0",
    "leaf/_test_helper.abi3.so": b"",
    "leaf/tests/_more.abi3.so": b"",
    "leaf_compiled/__init__.abi3.so": b"",
    "leaf_module.py": "",
    "leaf_fast.abi3.so": b"",
    "leaf-script.py": "",
    "libleaf.so": b"",
    "leaf.libs/libfoo-1a2b3c4d.so": b"\0PyInit_libfoo-1a2b3c4d\0",
    "leaf.libs/libbar.so": b"\0PyInit_libbar\0",
    "leaf-stubs/__init__.pyi": "",
    "leaf_typing/__init__.pyi": "",
}


def test_the_modules_at_the_top_are_found(load, installed):
    installed(**INSTALLED)
    found = load("wheel/check-install").top_level_modules("leaf")
    assert found == ["leaf", "leaf_compiled", "leaf_fast", "leaf_module"]


def test_extension_modules_are_found_and_no_other_libraries(load, installed):
    installed(**INSTALLED)
    found = load("wheel/check-install").extension_modules("leaf")
    assert found == ["leaf._plain", "leaf.sub._fast", "leaf.sub._stable", "leaf_compiled",
                     "leaf_fast"]  # fmt: skip


def run_check(load, monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["check-install", *arguments])
    load("wheel/check-install").main()


def test_a_wheel_without_modules_is_told(load, installed, monkeypatch):
    installed(**{"leaf-stubs/__init__.pyi": ""})
    with pytest.raises(SystemExit, match="zport-error: nothing to import"):
        run_check(load, monkeypatch, "leaf")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"leaf/__init__.py": "1 / 0"}, "cannot import leaf: ZeroDivisionError: division by zero"),
        (
            {"leaf/__init__.py": "", "leaf/_x.abi3.so": b"\x7fELF"},
            r"cannot import leaf\._x: ImportError: ",
        ),
        (
            {"leaf/__init__.py": "", "leaf/_x.cpython-313-none-linux-gnu.so": b""},
            r"cannot import leaf\._x: ModuleNotFoundError: ",
        ),
    ],
    ids=["an error", "broken", "of another machine"],
)
def test_what_cannot_be_imported_is_told(load, installed, monkeypatch, files, told):
    installed(**files)
    with pytest.raises(SystemExit, match=f"zport-error: {told}"):
        run_check(load, monkeypatch, "leaf")


def pip_that(monkeypatch, tmp_path, text: str) -> None:
    """Let a shell script stand in for the Python whose pip is asked."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))


def test_only_modules_that_were_named_are_imported(load, installed, monkeypatch, tmp_path, capsys):
    pip_that(monkeypatch, tmp_path, "echo all is well")
    installed(**{"leaf/__init__.py": "", "leaf/_x.abi3.so": b"\x7fELF"})
    run_check(load, monkeypatch, "leaf", "leaf")
    assert capsys.readouterr().out == "imported leaf\nall is well\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo leaf needs x; echo leaf needs y; echo WARNING >&2; exit 1", "leaf needs x"),
        ("echo Traceback >&2; echo No module named pip >&2; exit 1", "No module named pip"),
        ("exit 3", "status 3"),
    ],
)
def test_what_pip_says_is_told(load, installed, monkeypatch, tmp_path, capsys, text, told):
    pip_that(monkeypatch, tmp_path, text)
    installed(**{"leaf/__init__.py": ""})
    with pytest.raises(SystemExit, match=f"zport-error: pip check: {told}$"):
        run_check(load, monkeypatch, "leaf")
    assert ("WARNING" in text) == ("WARNING" in capsys.readouterr().out)
