"""First recipes: drafted from source distributions that an index on loopback serves."""

import hashlib
import io
import os
import tarfile
import tomllib
import zipfile

import pytest

from zport import recipes, scaffold
from zport.definitions import load_definition
from zport.errors import BlockedError, DefinitionError, FetchError, UsageError
from zport.recipes import Recipe, load_recipe
from zport.scaffold import draft_recipe, new_recipe, read_sdist, recipe_text
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index, IndexFile

INFO = "Metadata-Version: 2.2\nName: {name}\nVersion: {version}\nSummary: A leaf\n"
PYPROJECT = (
    '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n'
)
FILES = {
    "PKG-INFO": INFO.format(name="leaf", version="1.2"),
    "pyproject.toml": PYPROJECT,
    "src/leaf.c": "",
}
EVERYTHING = {
    **FILES,
    "pyproject.toml": "[build-system]\nrequires = ['meson-python>=0.16', 'Cython>=3', 'numpy>=2.0',"
    " 'ninja', 'cmake>=3.18', 'swig', 'tomli; python_version < \"3.11\"']\n"
    "build-backend = 'mesonpy'\n",
    "leaf/a.pyx": "",
    "leaf/b.cpp": "",
    "leaf/c.f90": "",
    "leaf/tests/test_leaf.py": "",
    "leaf/sub/tests/test_sub.py": "",
    "tests/data.txt": "",
    "meson.build": "dependency('openblas')",
}


def tar(files: dict[str, str], top: str = "leaf-1.2/", mode: str = "w:gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def zipped(files: dict[str, str], top: str = "leaf-1.2/") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.mkdir(top)
        for name, text in files.items():
            archive.writestr(top + name, text)
    return content.getvalue()


def wheel(name: str, version: str) -> bytes:
    """A wheel with nothing in it but its metadata."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = INFO.format(name=name, version=version)
        archive.writestr(f"{name}-{version}.dist-info/METADATA", info)
    return content.getvalue()


@pytest.fixture
def serve(server, monkeypatch, tmp_path):
    """Serves files as one package's; pip and uv are configured for this index alone."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_DEFAULT_INDEX", server.url("/simple"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))

    def put(package: str, files: dict[str, bytes], requires: str = "") -> None:
        links = []
        for name, content in files.items():
            server.files[f"/files/{name}"] = content
            sha256 = hashlib.sha256(content).hexdigest()
            python = f' data-requires-python="{requires}"' if requires else ""
            if content and name.endswith(".whl"):
                python += ' data-core-metadata="true"'
                server.files[f"/files/{name}.metadata"] = INFO.format(
                    name=package, version=name.split("-")[1]
                ).encode()
            links.append(f'<a href="/files/{name}#sha256={sha256}"{python}>{name}</a>')
        page = server.files.get(f"/simple/{package}/", b"<!DOCTYPE html>") + "".join(links).encode()
        server.files[f"/simple/{package}/"] = page

    return put


@pytest.fixture
def tools(serve):
    for name, version in [("setuptools", "80.0"), ("wheel", "0.45")]:
        serve(name, {f"{name}-{version}-py3-none-any.whl": wheel(name, version)})


@pytest.fixture
def fetcher(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "RECIPES", tmp_path / "recipes")
    return Fetcher(workspace, Index())


@pytest.fixture
def locked(monkeypatch):
    """The recipes that were to be locked; nothing is resolved."""
    names: list[str] = []
    monkeypatch.setattr(
        scaffold, "write_recipe_locks", lambda recipe, folder: names.append(recipe.name)
    )
    return names


def file(name: str = "leaf-1.2.tar.gz") -> IndexFile:
    return IndexFile("leaf", "1.2", name, "0" * 64)


def draft(tmp_path, files, known=(), content=None, name="leaf-1.2.tar.gz"):
    path = tmp_path / "archive"
    path.write_bytes(tar(files) if content is None else content)
    return draft_recipe(read_sdist(path, file(name)), known)


def left(tmp_path) -> list[str]:
    folder = tmp_path / "recipes"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("tools")
def test_the_newest_source_becomes_a_recipe_with_its_locks(serve, fetcher, tmp_path):
    source = tar(FILES)
    serve("leaf", {"leaf-1.1.tar.gz": b"old", "leaf-1.2.tar.gz": source})
    new_recipe("Leaf", fetcher)
    recipe = load_recipe("leaf")
    assert (recipe.version, recipe.summary) == ("1.2", "A leaf")
    assert recipe.source.sha256 == hashlib.sha256(source).hexdigest()
    assert recipe.not_run
    assert {pin.text for pin in recipe.build_requirements} == {"setuptools==80.0", "wheel==0.45"}
    assert recipe.test_requirements == []
    assert left(tmp_path) == [
        "leaf/build-requirements.lock",
        "leaf/recipe.toml",
        "leaf/test-requirements.lock",
    ]


def test_what_cannot_be_locked_leaves_nothing(serve, fetcher, tmp_path):
    serve("leaf", {"leaf-1.2.tar.gz": tar(FILES)})
    with pytest.raises(DefinitionError, match="setuptools"):
        new_recipe("leaf", fetcher)
    assert left(tmp_path) == []
    assert list((tmp_path / "recipes").iterdir()) == []


@pytest.mark.usefixtures("locked")
def test_a_recipe_that_is_there_is_kept(serve, fetcher, tmp_path):
    serve("leaf", {"leaf-1.2.tar.gz": tar(FILES)})
    new_recipe("leaf", fetcher)
    path = tmp_path / "recipes/leaf/recipe.toml"
    path.write_text("mine")
    with pytest.raises(UsageError, match="has a recipe already") as caught:
        new_recipe("leaf", fetcher)
    assert "--force" in caught.value.next_step
    assert path.read_text() == "mine"


@pytest.mark.usefixtures("tools")
def test_force_takes_another_version_and_keeps_the_other_files(serve, fetcher, tmp_path):
    later = {**FILES, "PKG-INFO": INFO.format(name="leaf", version="1.3")}
    serve("leaf", {"leaf-1.2.tar.gz": tar(FILES), "leaf-1.3.tar.gz": tar(later, "leaf-1.3/")})
    new_recipe("leaf==1.2", fetcher)
    (tmp_path / "recipes/leaf/test_leaf.py").write_text("mine")
    assert load_recipe("leaf").version == "1.2"
    new_recipe("leaf", fetcher, force=True)
    assert load_recipe("leaf").version == "1.3"
    assert (tmp_path / "recipes/leaf/test_leaf.py").read_text() == "mine"


@pytest.mark.parametrize("error", [DefinitionError("no"), KeyboardInterrupt()])
def test_force_that_fails_puts_the_old_recipe_back(serve, fetcher, tmp_path, monkeypatch, error):
    serve("leaf", {"leaf-1.2.tar.gz": tar(FILES)})
    folder = tmp_path / "recipes/leaf"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text("old")

    def fail(_recipe, part):
        assert (part / "recipe.toml").read_text() != "old"
        raise error

    monkeypatch.setattr(scaffold, "write_recipe_locks", fail)
    with pytest.raises(type(error)):
        new_recipe("leaf", fetcher, force=True)
    assert left(tmp_path) == ["leaf/recipe.toml"]
    assert (folder / "recipe.toml").read_text() == "old"


def test_a_version_for_another_python_or_a_pre_release_is_not_the_newest(serve, fetcher, locked):
    serve("leaf", {"leaf-1.2.tar.gz": tar(FILES)}, requires="&gt;=3.12")
    serve("leaf", {"leaf-1.3rc1.tar.gz": b""})
    serve("leaf", {"leaf-2.0.tar.gz": b""}, requires="&gt;=3.99")
    assert new_recipe("leaf", fetcher).recipe.version == "1.2"
    assert locked == ["leaf"]


@pytest.mark.usefixtures("locked")
def test_the_version_is_written_as_locks_write_it(serve, fetcher):
    serve("leaf", {"leaf-1.2.tar.gz": tar(FILES)})
    assert new_recipe("leaf==1.2.0", fetcher).recipe.version == "1.2"


def test_a_pure_package_needs_no_recipe(serve, fetcher, tmp_path):
    pure = {"leaf-1.2-py3-none-any.whl": wheel("leaf", "1.2")}
    serve("leaf", {"leaf-1.2.tar.gz": tar(FILES), **pure})
    with pytest.raises(UsageError, match="its wheel serves every target") as caught:
        new_recipe("leaf", fetcher)
    assert "no recipe is needed" in caught.value.next_step
    assert left(tmp_path) == []


def test_a_package_without_a_source_is_blocked(serve, fetcher, tmp_path):
    serve("leaf", {"leaf-1.2-cp313-cp313-win_amd64.whl": b""})
    for request in ("leaf", "leaf==1.2"):
        with pytest.raises(BlockedError, match="no source distribution"):
            new_recipe(request, fetcher)
    assert left(tmp_path) == []


@pytest.mark.usefixtures("serve")
def test_a_package_that_the_index_does_not_know_is_told(fetcher):
    with pytest.raises(UsageError, match="has no package 'leaf'"):
        new_recipe("leaf", fetcher)


@pytest.mark.parametrize(
    "request_", ["", "leaf>=1", "leaf==", "leaf==1.*", "leaf[x]", "../leaf", "le af", "leaf==1 ; x"]
)
def test_what_is_no_package_is_told(request_, fetcher):
    with pytest.raises(UsageError, match="not a package"):
        new_recipe(request_, fetcher)


def test_an_index_that_does_not_answer_is_told(serve, server, fetcher):
    serve("leaf", {"leaf-1.2.tar.gz": tar(FILES)})
    server.server_close()
    with pytest.raises(FetchError):
        new_recipe("leaf", fetcher)


# What is read of a source.


def test_everything_that_shows_is_in_the_recipe(tmp_path):
    found = draft(tmp_path, EVERYTHING, known=["numpy", "cython"])
    build = found.recipe.build
    assert build.requires == ("meson-python>=0.16", "Cython>=3", "numpy>=2.0")
    assert build.links == ("numpy",)
    assert build.packages == ("swig",)
    assert found.backend == "meson-python"
    assert found.languages == ["C", "C++", "Cython", "Fortran"]
    assert found.tests == "leaf/tests"
    assert any("meson.build" in look for look in found.looks)


@pytest.mark.parametrize("known", [(), ("numpy",)], ids=["nothing linked", "linked"])
def test_the_text_is_the_draft(tmp_path, known):
    found = draft(tmp_path, EVERYTHING, known)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_text(found))
    assert load_definition(path, Recipe) == found.recipe
    assert found.recipe.build.links == known
    assert max(map(len, recipe_text(found).splitlines())) <= 100


@pytest.mark.parametrize("summary", ['a "b" \\ c', "tab\there", "ünï \U0001f600", "del \x7f end"])
def test_any_summary_is_valid_toml(tmp_path, summary):
    info = FILES["PKG-INFO"].replace("A leaf", summary)
    text = recipe_text(draft(tmp_path, {**FILES, "PKG-INFO": info}))
    assert tomllib.loads(text)["summary"] == " ".join(summary.split())


def test_without_a_pyproject_the_backend_is_setuptools(tmp_path):
    files = {name: text for name, text in FILES.items() if name != "pyproject.toml"}
    found = draft(tmp_path, {**files, "setup.py": "setup(setup_requires=['cffi'])"})
    assert found.recipe.build.requires == ("setuptools", "wheel")
    assert any("setup_requires" in look for look in found.looks)


@pytest.mark.parametrize("text", ["[project]\nname = 'leaf'", "[build-system]\nrequires = []"])
def test_without_a_backend_it_is_setuptools(tmp_path, text):
    assert draft(tmp_path, {**FILES, "pyproject.toml": text}).backend == "setuptools"


@pytest.mark.parametrize(
    ("module", "title"),
    [
        ("setuptools.build_meta:__legacy__", "setuptools"),
        ("scikit_build_core.build", "scikit-build-core"),
        ("hatchling.build", "hatchling"),
        ("flit_core.buildapi", "flit-core"),
        ("poetry.core.masonry.api", "poetry-core"),
        ("pdm.backend", "pdm-backend"),
        ("maturin", "maturin"),
    ],
)
def test_a_backend_is_known_by_its_module(tmp_path, module, title):
    text = f'[build-system]\nrequires = []\nbuild-backend = "{module}"\n'
    assert draft(tmp_path, {**FILES, "pyproject.toml": text}).backend == title


def test_an_unknown_backend_is_something_to_look_at(tmp_path):
    text = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    found = draft(tmp_path, {**FILES, "pyproject.toml": text})
    assert "own" in found.looks[0]
    assert any("backend of its own" in look for look in found.looks)
    assert "backend own" in recipe_text(found)


def test_rust_says_where_its_crates_must_come_from(tmp_path):
    text = '[build-system]\nrequires = ["maturin>=1"]\nbuild-backend = "maturin"\n'
    found = draft(tmp_path, {**FILES, "pyproject.toml": text, "Cargo.toml": ""})
    assert "Rust" in found.languages
    assert found.recipe.build.packages == ("cargo",)
    assert "librust-*-dev" in recipe_text(found)


def test_sources_of_tests_and_examples_are_of_no_language(tmp_path):
    files = {name: text for name, text in FILES.items() if not name.endswith(".c")}
    found = draft(
        tmp_path,
        {**files, "tests/ext.c": "", "examples/a.pyx": "", "meson/test cases/Cargo.toml": ""},
    )
    assert found.languages == []
    assert "none that is compiled" in recipe_text(found)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz", "w"])
def test_every_kind_of_tar_is_read(tmp_path, mode):
    found = draft(tmp_path, {}, content=tar(FILES, mode=mode), name="leaf-1.2.tar")
    assert found.languages == ["C"]


def test_a_zip_is_read(tmp_path):
    found = draft(tmp_path, {}, content=zipped(FILES), name="leaf-1.2.zip")
    assert (found.recipe.source.filename, found.languages) == ("leaf-1.2.zip", ["C"])


def info(**fields: str) -> dict[str, str]:
    text = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())
    return {**FILES, "PKG-INFO": text}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**FILES, "pyproject.toml": "[build-system\n"}, "not valid TOML"),
        ({**FILES, "pyproject.toml": "[build-system]\n"}, "PEP 518"),
        ({**FILES, "pyproject.toml": "build-system = 3\n"}, "PEP 518"),
        ({**FILES, "pyproject.toml": "[build-system]\nrequires = [3]\n"}, "PEP 518"),
        ({**FILES, "pyproject.toml": "[build-system]\nrequires = ['a b']\n"}, "PEP 518"),
        ({"pyproject.toml": PYPROJECT}, "PKG-INFO is missing"),
        (info(Name="tree", Version="1.2"), "PKG-INFO is of tree 1.2"),
        (info(Name="leaf", Version="1.3"), "PKG-INFO is of leaf 1.3"),
        (info(Name="leaf", Version="new"), "Invalid version"),
        (info(Name="leaf", Version="1.2", Requires_Python="soon"), "Invalid specifier"),
        (info(Name="leaf", Version="1.2", Requires_Python="<3"), "needs Python <3"),
    ],
)
def test_a_source_that_does_not_say_what_it_should_is_blocked(tmp_path, files, message):
    with pytest.raises(BlockedError, match=message) as caught:
        draft(tmp_path, files)
    assert caught.value.where == "leaf-1.2.tar.gz"
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (tar(FILES, top=""), "leaf-1.2.tar.gz", "no top folder"),
        (tar({"a/x": "", "b/x": ""}, top=""), "leaf-1.2.tar.gz", "no top folder"),
        (tar({}), "leaf-1.2.tar.gz", "no top folder"),
        (zipped(FILES, top="leaf-1.2/")[:-30], "leaf-1.2.zip", "not a zip file"),
        (b"", "leaf-1.2.tar.gz", "no recipe can be drafted"),
        (b"nothing", "leaf-1.2.tar.gz", "no recipe can be drafted"),
        (tar(FILES)[:-40], "leaf-1.2.tar.gz", "no recipe can be drafted"),
        (tar(FILES), "leaf-1.2.tar.zst", "no kind of archive"),
    ],
    # Archives hold the time, and names made of it would differ between pytest's processes.
    ids=["flat", "two tops", "empty", "cut zip", "no bytes", "text", "cut tar", "unknown kind"],
)
def test_a_broken_archive_is_blocked(tmp_path, content, name, message):
    with pytest.raises(BlockedError, match=message) as caught:
        draft(tmp_path, {}, content=content, name=name)
    assert caught.value.where == name
