"""What a scan knows: the index's pages on disk, Debian's names and versions, the defects."""

import json
import re

import pytest
from loopback import send

from zport.debian.packages import upstream_version
from zport.defects import DEFECTS, Defect, defects_of, load_defects
from zport.distribution import TRIXIE
from zport.errors import DefinitionError, FetchError
from zport.recipes import recipe_names
from zport.scan import listing
from zport.scan.debian import STANZA, debian_names
from zport.scan.listing import KeptIndex
from zport.sources.pypi import Index
from zport.targets import TARGETS

S390X = TARGETS["s390x"]
FILES = (
    "leaf-1.0-cp313-cp313-manylinux2014_s390x.whl",
    "leaf-1.0-cp313-cp313-manylinux_2_28_s390x.whl",
    "leaf-1.0-cp313-cp313-win_amd64.whl",
    "leaf-1.0.0.tar.gz",
    "leaf-1.0.post1-py3-none-any.whl",
    "leaf-2.0+cpu-py3-none-any.whl",
    "leaf-0.9.exe",
    "leaf-odd.tar.gz",
)


def sha(name):
    return f"{FILES.index(name):064x}"


@pytest.fixture
def leaves(configured):
    """An index with one package."""
    server = configured
    links = "".join(f'<a href="/f/{name}#sha256={sha(name)}">{name}</a>' for name in FILES)
    server.files["/simple/leaf/"] = f"<html><body>{links}</body></html>".encode()
    return server


def as_pep_691(server, **headers):
    """Let the server answer with the Simple API's JSON."""
    files = [{"filename": n, "url": f"/f/{n}", "hashes": {"sha256": sha(n)}} for n in FILES]
    content = json.dumps({"files": files}).encode()

    def answer(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Type", listing.JSON_TYPE)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    server.script.append(answer)


@pytest.mark.parametrize("kind", ["html", "json"])
@pytest.mark.parametrize("version", ["1.0", "1", "1.0.post1", "2.0", "3.0"])
def test_a_kept_page_gives_the_answers_of_the_index(leaves, tmp_path, version, kind):
    plain = Index()
    wheel, sdist = (plain.wheel("leaf", version, S390X, TRIXIE),
                    plain.sdist("leaf", version, TRIXIE))  # fmt: skip
    if kind == "json":
        as_pep_691(leaves)
    for _ in range(2):  # from the network, then from the disk
        kept = KeptIndex(tmp_path)
        assert kept.wheel("leaf", version, S390X, TRIXIE) == wheel
        assert kept.sdist("leaf", version, TRIXIE) == sdist


def test_a_page_is_asked_for_once_while_it_is_fresh(leaves, tmp_path, monkeypatch):
    for _ in range(3):
        KeptIndex(tmp_path).wheel("leaf", "1.0", S390X, TRIXIE)
    assert len(leaves.asked) == 1
    KeptIndex(tmp_path, refresh=True).wheel("leaf", "1.0", S390X, TRIXIE)
    assert len(leaves.asked) == 2
    monkeypatch.setattr(listing, "FRESH", -1.0)
    KeptIndex(tmp_path).wheel("leaf", "1.0", S390X, TRIXIE)
    assert len(leaves.asked) == 3


def test_a_page_that_has_not_changed_is_not_sent_again(leaves, tmp_path, monkeypatch):
    as_pep_691(leaves, ETag='"one"')
    first = KeptIndex(tmp_path).wheel("leaf", "1.0", S390X, TRIXIE)
    monkeypatch.setattr(listing, "FRESH", -1.0)
    said = []

    def unchanged(handler, _):
        said.append(handler.headers["If-None-Match"])
        send(handler, 304, b"", 0)

    leaves.script.append(unchanged)
    assert KeptIndex(tmp_path).wheel("leaf", "1.0", S390X, TRIXIE) == first
    assert said == ['"one"']


def test_no_file_is_fetched(leaves, tmp_path):
    index = KeptIndex(tmp_path)
    assert len(index.files("leaf", "1.0")) == 4
    index.wheel("leaf", "1.0", S390X, TRIXIE)
    assert all(path == "/simple/leaf/" for path, _ in leaves.asked)


def test_a_package_that_is_not_there_is_remembered_too(leaves, tmp_path):
    for _ in range(2):
        assert KeptIndex(tmp_path).files("gone", "1.0") == []
    assert len(leaves.asked) == 1


def test_a_broken_page_on_the_disk_is_asked_for_again(leaves, tmp_path):
    KeptIndex(tmp_path).files("leaf", "1.0")
    for path in tmp_path.glob("*.page"):
        path.write_bytes(b"\xff{")
    assert len(KeptIndex(tmp_path).files("leaf", "1.0")) == 4


def test_a_page_that_another_scan_writes_is_not_read_at_the_places_of_the_first(leaves, tmp_path):
    first = KeptIndex(tmp_path)
    before = first.wheel("leaf", "1.0", S390X, TRIXIE)
    later = KeptIndex(tmp_path).files("leaf", "1.0.post1")
    leaves.files["/simple/leaf/"] = leaves.files["/simple/leaf/"].replace(
        b"<body>", f'<body><a href="/f/leaf-0.1.tar.gz#sha256={"f" * 64}">x</a>'.encode()
    )
    KeptIndex(tmp_path, refresh=True).files("leaf", "1.0")
    assert first.files("leaf", "1.0.post1") == later
    assert first.wheel("leaf", "1.0", S390X, TRIXIE) == before


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "{}", '{"asked": 1}', ""])
def test_a_page_that_was_never_one_is_asked_for_again(leaves, tmp_path, text):
    KeptIndex(tmp_path).files("leaf", "1.0")
    for path in tmp_path.glob("*.page"):
        path.write_text(text)
    assert len(KeptIndex(tmp_path).files("leaf", "1.0")) == 4


def test_an_index_in_trouble_is_told(leaves, tmp_path):
    leaves.server_close()
    with pytest.raises(FetchError):
        KeptIndex(tmp_path).files("leaf", "1.0")


@pytest.mark.parametrize(
    ("version", "upstream"),
    [("1:1.21.0+dfsg-1+b2", "1.21.0"), ("2.6.0+dfsg-7", "2.6.0"), ("3.1", "3.1"),
     ("0.9~rc1-2", "0.9")],
)  # fmt: skip
def test_upstreams_part_of_a_debian_version(version, upstream):
    assert upstream_version(version) == upstream


def test_debians_names_are_of_modules():
    assert debian_names("pillow")[0] == "python3-pil"
    assert "python3-dateutil" in debian_names("python-dateutil")
    # python3-arrow is another project.
    assert debian_names("pyarrow") == ["python3-pyarrow"]


def test_each_stanza_gives_its_own_version():
    shown = "Package: a\nSource: x\nVersion: 1\n\nPackage: b\nVersion: 2-1\n"
    assert STANZA.findall(shown) == [("a", "1"), ("b", "2-1")]


def test_the_known_defects_fit_their_schema():
    known = load_defects()
    assert len(known) >= 10
    assert all(one.package in recipe_names() for one in known if one.mended_by_recipe)


@pytest.mark.parametrize(
    ("name", "version", "kinds"),
    [
        ("h5py", "3.0.0", ["numbers"]),
        ("h5py", "3.16.0", []),
        ("protobuf", "6.33.0", ["crash"]),
        ("protobuf", "6.31.1", []),
        ("sentencepiece", "0.1.99", ["build"]),
        ("numpy", "odd", []),
    ],
)
def test_versions_have_their_defects(name, version, kinds):
    assert [one.kind for one in defects_of(name, version, S390X)] == kinds
    assert defects_of(name, version, TARGETS["amd64"]) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"package": "Pillow_X"}, "package"),
        ({"versions": "about 3"}, "versions"),
        ({"kind": "bad"}, "kind"),
        ({"upstream": ["h5py#1"]}, "upstream"),
        ({"fix": ""}, "fix"),
        ({"fixed": "x"}, "fixed"),
    ],
)
def test_a_defect_that_does_not_fit_is_told_with_its_field(tmp_path, changed, field):
    good = {"package": "p", "versions": "<2", "kind": "numbers", "wrong": "w", "fix": "f",
            "evidence": "e"}  # fmt: skip
    Defect.model_validate(good)
    path = tmp_path / "defects.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in {**good, **changed}.items()]
    path.write_text("[[defect]]\n" + "\n".join(lines))
    with pytest.raises(DefinitionError) as caught:
        load_defects(path)
    assert re.search(rf"\b{field}\b", str(caught.value))
    assert DEFECTS.exists()
