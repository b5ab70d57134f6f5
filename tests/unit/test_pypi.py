"""The package index: a PEP 503 one on loopback, found through pip's own configuration."""

import hashlib
import time

import pytest
from loopback import refuse

from zport.distribution import TRIXIE
from zport.errors import FetchError
from zport.sources.pypi import Index, IndexFile
from zport.targets import TARGETS

FILES = [
    "leaf-1.2.tar.gz",
    "leaf-1.3-cp313-cp313-manylinux_2_28_s390x.whl",
    "leaf-1.2-cp313-cp313-manylinux_2_17_s390x.manylinux2014_s390x.whl",
    "leaf-1.2-cp313-cp313-manylinux_2_28_s390x.whl",
    "leaf-1.2-cp313-cp313-manylinux_2_99_s390x.whl",
    "leaf-1.2-cp312-cp312-manylinux_2_34_s390x.whl",
    "leaf-1.2-cp313-cp313-musllinux_1_2_s390x.whl",
    "leaf-1.2-cp313-cp313-manylinux_2_28_x86_64.whl",
    "leaf-1.2-cp313-cp313-win_amd64.whl",
    "leaf-1.2-cp39-abi3-manylinux2014_aarch64.whl",
]
BEST = {
    "s390x": "leaf-1.2-cp313-cp313-manylinux_2_28_s390x.whl",
    "amd64": "leaf-1.2-cp313-cp313-manylinux_2_28_x86_64.whl",
    "arm64": "leaf-1.2-cp39-abi3-manylinux2014_aarch64.whl",
    "ppc64le": None,
    "riscv64": None,
}


def sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def page(names: list[str], *, hashes: bool = True) -> bytes:
    links = (
        f'<a href="/files/{name}{f"#sha256={sha256(name)}" if hashes else ""}">{name}</a><br>'
        for name in names
    )
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


@pytest.fixture
def index(configured):
    """An index of a few packages."""
    server = configured
    server.files["/simple/leaf/"] = page(FILES)
    server.files["/simple/pure-thing/"] = page(["pure_thing-3.0-py3-none-any.whl"])
    server.files["/simple/source-only/"] = page(["source_only-1.0.tar.gz"])
    server.files["/simple/no-hash/"] = page(["no_hash-1.0-py3-none-any.whl"], hashes=False)
    return Index()


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_the_newest_platform_that_runs_on_the_target_is_taken(index, target):
    found = index.wheel("leaf", "1.2", target, TRIXIE)
    name = BEST[target.name]
    assert found == (IndexFile("leaf", "1.2", name, sha256(name)) if name else None)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_pure_wheel_serves_every_target(index, target):
    found = index.wheel("Pure_Thing", "3.0", target, TRIXIE)
    assert found.name == "pure-thing"
    assert (found.is_wheel, found.is_pure) == (True, True)


def test_a_platform_wheel_is_not_pure(index):
    found = index.wheel("leaf", "1.2", TARGETS["s390x"], TRIXIE)
    assert (found.is_wheel, found.is_pure) == (True, False)


@pytest.mark.parametrize(("name", "version"), [("source-only", "1.0"), ("leaf", "9.9")])
def test_no_wheel_is_no_error(index, name, version):
    assert index.wheel(name, version, TARGETS["s390x"], TRIXIE) is None


def test_the_source_is_found_beside_wheels(index):
    found = index.sdist("leaf", "1.2", TRIXIE)
    assert found == IndexFile("leaf", "1.2", "leaf-1.2.tar.gz", sha256("leaf-1.2.tar.gz"))
    assert not found.is_wheel
    assert index.sdist("pure-thing", "3.0", TRIXIE) is None


def test_a_file_without_a_hash_is_refused(index):
    with pytest.raises(FetchError, match="no SHA-256 for no_hash") as caught:
        index.wheel("no-hash", "1.0", TARGETS["s390x"], TRIXIE)
    assert "no-hash==1.0" in str(caught.value)


@pytest.mark.parametrize("name", [BEST["s390x"], "leaf-1.2-cp313-cp313-win_amd64.whl", FILES[0]])
def test_a_file_of_any_platform_is_located_by_its_hash(index, server, name):
    file = IndexFile("leaf", "1.2", name, sha256(name))
    assert index.locate(file) == server.url(f"/files/{name}")


def test_a_file_that_the_index_does_not_list_is_told(index):
    with pytest.raises(FetchError, match=r"leaf-7\.whl") as caught:
        index.locate(IndexFile("leaf", "7", "leaf-7.whl", "0" * 64))
    assert "leaf==7" in str(caught.value)


@pytest.mark.parametrize("ask", ["wheel", "locate"])
def test_an_index_that_is_not_there_is_told_at_once(index, server, ask):
    server.server_close()
    started = time.monotonic()
    with pytest.raises(FetchError) as caught:
        if ask == "wheel":
            index.wheel("leaf", "1.2", TARGETS["s390x"], TRIXIE)
        else:
            index.locate(IndexFile("leaf", "1.2", FILES[0], sha256(FILES[0])))
    assert "leaf==1.2" in str(caught.value)
    assert caught.value.exit_code == 5
    assert time.monotonic() - started < 10


def test_the_environment_goes_before_pips_configuration_files(index, tmp_path, monkeypatch):
    path = tmp_path / "pip.conf"
    path.write_text("[global]\nindex-url = http://127.0.0.1:9/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    assert index.sdist("leaf", "1.2", TRIXIE)


def test_more_indexes_and_folders_are_read_from_pips_configuration(
    index, server, tmp_path, monkeypatch
):
    server.files["/more/other/"] = page(["other-1.0-py3-none-any.whl"])
    path = tmp_path / "pip.conf"
    path.write_text(
        "[global]\nextra-index-url =\n"
        f"    {server.url('/empty')}\n    {server.url('/more')}\n"
        "[list]\nindex-url = http://127.0.0.1:9/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    assert index.wheel("other", "1.0", TARGETS["s390x"], TRIXIE)
    assert index.wheel("leaf", "1.2", TARGETS["s390x"], TRIXIE)


def test_pip_without_an_index_asks_none(index, server, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert index.wheel("leaf", "1.2", TARGETS["s390x"], TRIXIE) is None
    assert server.asked == []


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_index_in_trouble_is_not_an_index_without_the_file(index, server, code):
    server.script.extend([refuse(code)] * 20)
    with pytest.raises(FetchError):
        index.wheel("leaf", "1.2", TARGETS["s390x"], TRIXIE)


def test_a_package_that_the_index_does_not_know_has_no_wheel(index):
    assert index.wheel("unknown", "1.0", TARGETS["s390x"], TRIXIE) is None
