"""The scripts that compile a wheel: patches, requirements, the build backend."""

import difflib
import json
import re
import shutil
import subprocess

import pytest
from scripts import DOCKERFILES, make_wheel

APPLY = DOCKERFILES / "toolchain/apply-patches"

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


def test_what_the_requirements_bring_goes_first(load, monkeypatch, tmp_path):
    monkeypatch.setenv("TARGET_MACHINE", "s390x")
    monkeypatch.setenv("TARGET_TRIPLET", "s390x-linux-gnu")
    monkeypatch.setenv("PATH", "/usr/bin")
    for folder in ("numpy/_core/lib/pkgconfig", "bin", "another/pkgconfig"):
        (tmp_path / folder).mkdir(parents=True)
    told = load("toolchain/compile-wheel").variables(tmp_path)
    assert told["PATH"] == f"{tmp_path}/bin:/usr/bin"
    assert told["PKG_CONFIG_PATH"].split(":") == [
        f"{tmp_path}/another/pkgconfig", f"{tmp_path}/numpy/_core/lib/pkgconfig",
    ]  # fmt: skip
    assert told["_PYTHON_SYSCONFIGDATA_NAME"] == "_sysconfigdata__s390x-linux-gnu"
