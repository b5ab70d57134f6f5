"""Sources of every kind, build backends of several: cross-built in a changed checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.integration.conftest import IBM_Z, ROOT
from tests.unit.repositories import commit, repository
from zport.sources.git import GitArchive, pack
from zport.workspace import Workspace, sha256_file

FIXTURES = ROOT / "tests" / "fixtures" / "factory"
SUBSTITUTES = ("cmake-leaf", "meson-leaf", "markupsafe")


def zport(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of a checkout, with the tests' own environment, which has uv."""
    return subprocess.run(
        [ROOT / ".venv-test" / "bin" / "python", "-P", "-m", "zport", *arguments],
        cwd=checkout, capture_output=True, text=True, timeout=1200, check=False,
        env={**os.environ, "PYTHONPATH": str(checkout)},
    )  # fmt: skip


@pytest.fixture
def factory(checkout: Path, tmp_path: Path) -> Path:
    """A checkout with recipes for an archive at a URL, a git repository, a Debian source."""
    archive, vendored = tmp_path / "cmake-leaf-1.0.tar.gz", tmp_path / "leaf-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(FIXTURES / "cmake-leaf", "cmake-leaf-1.0")
    with tarfile.open(vendored, "w:gz") as tar:
        tar.add(FIXTURES / "leaf.c", "leaf-1.0/leaf.c")
    sources = [*(FIXTURES / "meson-leaf").iterdir(), FIXTURES / "leaf.c"]
    files = {path.name: path.read_bytes() for path in sources}
    upstream = repository(tmp_path / "meson-leaf.git", files)
    head = commit(upstream, {"README": b"of the tests\n"})
    packed = tmp_path / "meson-leaf-1.0.tar"
    unpinned = GitArchive(upstream.as_uri(), head, False, packed.name, "0" * 64)
    pack(Workspace(tmp_path / "other"), unpinned, packed)
    pins = {
        "cmake-leaf": {
            "@URL@": archive.as_uri(), "@SHA256@": sha256_file(archive),
            "@VENDORED@": vendored.as_uri(), "@VENDORED-SHA256@": sha256_file(vendored),
        },
        "meson-leaf": {
            "@URL@": upstream.as_uri(), "@COMMIT@": head, "@SHA256@": sha256_file(packed),
        },
        "markupsafe": {},
    }  # fmt: skip
    shutil.rmtree(checkout / "recipes" / "markupsafe")
    for name, values in pins.items():
        folder = shutil.copytree(FIXTURES / "recipes" / name, checkout / "recipes" / name)
        text = (folder / "recipe.toml").read_text()
        for mark, value in values.items():
            text = text.replace(mark, value)
        (folder / "recipe.toml").write_text(text)
    return checkout


def test_sources_of_every_kind_become_tested_wheels(factory: Path) -> None:
    """Plain CMake with an overlay, Meson and setuptools; locks are written by the command."""
    locked = zport(factory, "lock", *SUBSTITUTES)
    assert locked.returncode == 0, locked.stderr
    built = zport(factory, "wheel", *SUBSTITUTES, "--engine", "buildah")
    assert built.returncode == 0, built.stdout + built.stderr
    wheels = {path.name.split("-")[0] for path in (factory / "build" / "wheels").glob("*/*.whl")}
    assert {"cmake_leaf", "meson_leaf", "markupsafe"} <= wheels
    for path in (factory / "build" / "wheels").glob("*/*_leaf-*.whl"):
        assert path.name.endswith(f"_{IBM_Z.machine}.whl")
