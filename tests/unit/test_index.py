"""The package index of built wheels: what pip and uv do with it, and what it refuses."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from zport.distribution import TRIXIE
from zport.errors import BuildError, UsageError
from zport.targets import REFERENCE, TARGETS
from zport.wheels.index import lacking, read_wheel, write_index

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


def make_wheel(folder, name="leaf", version="1.0", header="", tag="py3-none-any", inner=None):
    """A wheel that pip installs; ``inner`` is the name and version that its METADATA tells."""
    folder.mkdir(exist_ok=True)
    told, number = inner or (name, version)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name.lower()}/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {told}\nVersion: {number}\n{header}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(map(record, *zip(*files.items(), strict=True)))
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, content in files.items():
            archive.writestr(zipfile.ZipInfo(inside), content)
    return path


def record(name, content):
    sha256 = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"{name},sha256={sha256.rstrip('=')},{len(content)}\n"


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def made(tmp_path):
    """Wheels to list; one has a local version, a requirement and the files that go with it."""
    folder = tmp_path / "made"
    header = "Requires-Python: >=3.8\nRequires-Dist: twig\n"
    leaf = make_wheel(folder, "Leaf_Thing", "1.0+zport.1", header)
    Path(f"{leaf}.provenance.json").write_text('{"p": 1}')
    Path(f"{leaf}.cdx.json").write_text('{"s": 1}')
    new = make_wheel(folder, "twig", "10.0", "Requires-Python: >=99\n")
    return [leaf, new, make_wheel(folder, "twig", "9.0")]


@pytest.fixture
def index(tmp_path, made):
    write_index(made, tmp_path / "index")
    return tmp_path / "index"


class Negotiating(SimpleHTTPRequestHandler):
    """Plain files, and JSON for a client that asks for it where ``as_json`` is set."""

    as_json = False
    asked: list[str]

    def do_GET(self):
        if self.as_json and self.path.endswith("/") and JSON_TYPE in self.headers["Accept"]:
            self.path += "index.json"
        self.asked.append(self.path)
        super().do_GET()

    def guess_type(self, path):
        return JSON_TYPE if str(path).endswith("index.json") else super().guess_type(path)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture(params=["file", "html", "json"])
def served(request, index):
    """The index's URL, and what its server was asked for."""
    if request.param == "file":
        yield (index / "simple").as_uri(), None
        return
    asked = []
    kind = type("Kind", (Negotiating,), {"as_json": request.param == "json", "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(index)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield f"http://127.0.0.1:{server.server_port}/simple", asked
    server.shutdown()
    server.server_close()
    assert any(path.endswith("index.json") for path in asked) is kind.as_json


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(["pip", "install", "--no-cache-dir"], id="pip"),
        pytest.param(["uv", "--no-config", "--no-cache", "pip", "install"], id="uv"),
    ],
)
def test_pip_and_uv_install_from_it_and_resolve_by_its_metadata(client, served, tmp_path):
    url, asked = served
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP", "UV"))}
    where = ["--python", sys.executable] if client[0] == "uv" else []
    command = [*client, *where, "--only-binary", ":all:", "--index-url", url]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--target", tmp_path / "root", "leaf.thing"],
        env={**own, "PIP_CONFIG_FILE": os.devnull}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    installed = {path.name for path in (tmp_path / "root").glob("*.dist-info")}
    assert installed == {"Leaf_Thing-1.0+zport.1.dist-info", "twig-9.0.dist-info"}
    if asked is not None:
        metadata = [path.endswith(".whl.metadata") for path in asked]
        assert metadata.index(True) < [path.endswith(".whl") for path in asked].index(True)
        assert sum(metadata) == 2


def test_the_page_of_a_project_says_what_the_standards_ask(index, made):
    page = json.loads((index / "simple/leaf-thing/index.json").read_text())
    content = made[0].read_bytes()
    metadata = (index / f"files/{made[0].name}.metadata").read_bytes()
    assert b"Requires-Dist: twig" in metadata
    base = "../../files/Leaf_Thing-1.0%2Bzport.1-py3-none-any.whl"
    assert page == {
        "meta": {"api-version": "1.1"},
        "name": "leaf-thing",
        "versions": ["1.0+zport.1"],
        "files": [
            {
                "filename": made[0].name,
                "url": base,
                "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
                "size": len(content),
                "requires-python": ">=3.8",
                "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
                "_zport-provenance": f"{base}.provenance.json",
                "_zport-sbom": f"{base}.cdx.json",
            }
        ],
    }
    html = (index / "simple/leaf-thing/index.html").read_text()
    assert f'href="{base}#sha256={hashlib.sha256(content).hexdigest()}"' in html
    assert html.count(f'metadata="sha256={hashlib.sha256(metadata).hexdigest()}"') == 2
    assert 'data-requires-python="&gt;=3.8"' in html
    assert "provenance=" not in html.replace("data-zport-provenance=", "")


def test_versions_and_projects_are_in_order(index):
    page = json.loads((index / "simple/twig/index.json").read_text())
    assert page["versions"] == ["9.0", "10.0"]
    assert [file["filename"].split("-")[1] for file in page["files"]] == page["versions"]
    assert not any(key.startswith("_") for file in page["files"] for key in file)
    top = json.loads((index / "simple/index.json").read_text())
    assert top["projects"] == [{"name": "leaf-thing"}, {"name": "twig"}]
    assert 'href="leaf-thing/"' in (index / "simple/index.html").read_text()


def test_files_are_those_of_the_wheels(index, made):
    for path in made:
        assert (index / "files" / path.name).samefile(path)
    assert (index / f"files/{made[0].name}.provenance.json").read_text() == '{"p": 1}'
    assert (index / f"files/{made[0].name}.cdx.json").read_text() == '{"s": 1}'


def test_a_link_to_a_wheel_is_the_wheel(tmp_path, made):
    link = tmp_path / made[2].name
    link.symlink_to(made[2])
    write_index([link], tmp_path / "index")
    placed = tmp_path / "index/files" / link.name
    assert placed.samefile(made[2])
    assert not placed.is_symlink()


def test_where_no_link_can_be_made_files_are_copied(tmp_path, made, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    write_index(made, tmp_path / "index")
    copied = tmp_path / "index/files" / made[0].name
    assert copied.read_bytes() == made[0].read_bytes()
    assert not copied.samefile(made[0])


def test_the_same_wheels_give_the_same_bytes_in_any_order(tmp_path, made):
    twin = tmp_path / "twin" / made[0].name
    twin.parent.mkdir()
    twin.write_bytes(made[0].read_bytes())
    write_index([*made, twin], tmp_path / "one")
    write_index([twin, *reversed(made)], tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_new_index_takes_the_place_of_the_old_one(index, made):
    write_index(made[1:], index)
    assert "leaf" not in " ".join(tree(index))
    assert write_index([], index) == []
    assert set(tree(index)) == {"README.txt", "simple/index.html", "simple/index.json"}


def test_a_wheel_that_is_bad_leaves_the_old_index(index, made, tmp_path):
    before = tree(index)
    (tmp_path / "bad-1.0-py3-none-any.whl").write_bytes(b"PK")
    with pytest.raises(BuildError, match="broken"):
        write_index([*made, tmp_path / "bad-1.0-py3-none-any.whl"], index)
    assert tree(index) == before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_index_is_never_replaced(tmp_path, made, kind):
    place = tmp_path / "home"
    if kind == "file":
        place.write_text("mine")
    else:
        make_wheel(place)
    with pytest.raises(UsageError, match="something else") as caught:
        write_index(made, place)
    assert str(place) in str(caught.value)
    assert place.exists()


@pytest.mark.parametrize("readme", [None, "My own notes\n"])
def test_a_folder_that_only_looks_like_an_index_is_never_replaced(tmp_path, made, readme):
    place = tmp_path / "home"
    (place / "files").mkdir(parents=True)
    (place / "files" / "thesis.txt").write_text("mine")
    if readme:
        (place / "README.txt").write_text(readme)
    with pytest.raises(UsageError, match="something else"):
        write_index(made, place)
    assert (place / "files" / "thesis.txt").read_text() == "mine"


def test_two_wheels_of_one_name_and_other_content_are_both_named(tmp_path):
    one = make_wheel(tmp_path / "one")
    two = make_wheel(tmp_path / "two", header="Summary: other\n")
    with pytest.raises(BuildError, match="other content") as caught:
        write_index([one, two], tmp_path / "index")
    assert str(one) in str(caught.value)
    assert str(two) in str(caught.value)
    assert not (tmp_path / "index").exists()


def test_two_provenances_of_one_wheel_are_told(tmp_path):
    wheels = [make_wheel(tmp_path / name) for name in ("one", "two")]
    for number, wheel in enumerate(wheels):
        Path(f"{wheel}.provenance.json").write_text(str(number))
    with pytest.raises(BuildError, match=r"provenance\.json: another file of that name"):
        write_index(wheels, tmp_path / "index")


@pytest.mark.parametrize("name", ["leaf.whl", "leaf-1.0.tar.gz", "leaf-x-py3-none-any.whl", "leaf"])
def test_a_name_that_is_no_wheels_is_told(tmp_path, name):
    path = make_wheel(tmp_path).rename(tmp_path / name)
    with pytest.raises(BuildError, match="not a wheel") as caught:
        read_wheel(path)
    assert str(path) in str(caught.value)


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Root-Is", b"Toor-Is"))


def pack_badly(path):
    info = "leaf-1.0.dist-info/METADATA"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(info, "Name: leaf\n" * 99)
    content = bytearray(path.read_bytes())
    content[30 + len(info)] ^= 0xFF
    path.write_bytes(content)


def empty(path):
    zipfile.ZipFile(path, "w").close()


def double(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("twig-1.0.dist-info/METADATA", "")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut, "broken wheel: File is not a zip"),
        (flip, "broken wheel: bad check sum of leaf-1.0.dist-info/WHEEL"),
        (pack_badly, "broken wheel: "),
        (empty, "broken wheel: 0 METADATA"),
        (double, "broken wheel: 2 METADATA"),
        (Path.unlink, "cannot be read: No such file"),
    ],
)
def test_a_broken_wheel_is_told(tmp_path, spoil, told):
    path = make_wheel(tmp_path)
    spoil(path)
    with pytest.raises(BuildError, match=told) as caught:
        read_wheel(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("inner", "header", "told"),
    [
        (("twig", "1.0"), "", "that of twig 1.0"),
        (("leaf", "1.1"), "", "that of leaf 1.1"),
        (("leaf", "one"), "", "METADATA is not valid"),
        (("le af", "1.0"), "", "METADATA is not valid"),
        (("leaf", "1.0"), "Requires-Python: three\n", "METADATA is not valid"),
    ],
)
def test_metadata_that_does_not_fit_is_told(tmp_path, inner, header, told):
    with pytest.raises(BuildError, match=told):
        read_wheel(make_wheel(tmp_path, inner=inner, header=header))


def test_a_project_may_be_written_in_any_form(tmp_path):
    wheel = read_wheel(make_wheel(tmp_path, "Leaf_Thing", inner=("leaf.THING", "1.0.0")))
    assert (wheel.name, wheel.requires_python) == ("leaf-thing", None)


def test_what_no_wheel_of_the_index_gives_is_told(tmp_path):
    made = tmp_path / "made"
    asks = "Requires-Dist: twig>=2\nRequires-Dist: Bark_X\nRequires-Dist: stone; extra == 'all'\n"
    asks += "Requires-Dist: sand; platform_machine != 's390x'\n"
    wheels = [make_wheel(made, "leaf", "1.0", asks), make_wheel(made, "twig", "1.9")]
    wheels.append(make_wheel(made, "bough", "1.0", "Requires-Dist: twig>=2\n"))
    listed = write_index(wheels, tmp_path / "index")
    s390x = lacking(listed, TARGETS["s390x"], TRIXIE)
    assert s390x == {"Bark_X": ["leaf"], "twig>=2": ["bough", "leaf"]}
    assert [*lacking(listed, REFERENCE, TRIXIE)] == ["Bark_X", "sand", "twig>=2"]
    wheels += [make_wheel(made, "twig", "2.1"), make_wheel(made, "bark.x", "1")]
    assert lacking(write_index(wheels, tmp_path / "index"), TARGETS["s390x"], TRIXIE) == {}
