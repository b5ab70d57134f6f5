"""What an installed wheel has to pass on its target."""

import sys

import pytest


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
