"""Loose requirements are resolved by uv, from the index that pip is configured for."""

import io
import os
import zipfile

import pytest

from zport.distribution import TRIXIE
from zport.errors import DefinitionError, FetchError, HostError
from zport.scan import resolve as stage
from zport.scan.listing import KeptIndex
from zport.scan.model import Loose
from zport.scan.resolve import resolve
from zport.targets import TARGETS

S390X = TARGETS["s390x"]


def wheel_of(name, *needs):
    """The bytes of a wheel that holds nothing but what it needs."""
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    info = f"{name}-1.0.dist-info"
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return whole.getvalue()


@pytest.fixture
def index(monkeypatch, tmp_path):
    """pip configured for a folder of wheels alone."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    for name, needs in {
        "tree": ("branch>=1", "winter; sys_platform == 'win32'"),
        "branch": ("leaf",),
        "leaf": (),
        "winter": (),
    }.items():
        (folder / f"{name}-1.0-py3-none-any.whl").write_bytes(wheel_of(name, *needs))
    return KeptIndex(tmp_path / "pages")


def test_the_closure_is_that_of_the_target_with_who_needs_whom(index):
    lock = resolve(Loose("x", ("tree>=1",)), index, TRIXIE)
    closure = lock.closure(S390X, TRIXIE)
    assert [entry.key for entry in closure.entries] == ["branch==1.0", "leaf==1.0", "tree==1.0"]
    assert closure.chain("leaf==1.0") == ("branch", "tree")
    assert [entry.asked for entry in closure.entries] == [None, None, ">=1"]


def test_what_comes_from_no_index_is_kept_and_noted(index):
    loose = Loose("x", ("leaf",), outside=("odd @ https://git.example/odd.zip",))
    lock = resolve(loose, index, TRIXIE)
    assert [entry.source for entry in lock.entries] == [None, "https://git.example/odd.zip"]
    assert "not resolved further" in lock.notes[0]
    assert resolve(Loose("x", (), outside=("./here",)), index, TRIXIE).entries[0].source == "./here"


@pytest.mark.parametrize(
    "loose", [Loose("list.txt", ("tree>=2",)), Loose("list.txt", ("tree",), ("leaf>1",))]
)
def test_what_nothing_satisfies_is_told_in_uvs_words(index, loose):
    with pytest.raises(DefinitionError, match="requirements are unsatisfiable") as caught:
        resolve(loose, index, TRIXIE)
    assert caught.value.where == "list.txt"
    assert "--no-deps" in caught.value.next_step


def test_an_index_that_does_not_answer_is_told(index, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(FetchError):
        resolve(Loose("x", ("gone",)), KeptIndex(tmp_path / "other"), TRIXIE)


def test_without_uv_the_way_out_is_said(index, monkeypatch):
    monkeypatch.setattr(stage.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(HostError, match="not installed") as caught:
        resolve(Loose("x", ("leaf",)), index, TRIXIE)
    assert "scan a lock" in caught.value.next_step
