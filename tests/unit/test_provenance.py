"""The provenance of a wheel: what it was built from, by name, origin and hash."""

import hashlib
import json
from dataclasses import replace

import pytest

from zport.debian.packages import DebianPackage
from zport.errors import BuildError
from zport.provenance import provenance_path, wheel_provenance, write_provenance
from zport.recipes import Recipe
from zport.sources.fetch import Member, UrlFile
from zport.sources.pypi import IndexFile
from zport.steps.step import ContextFile, Step
from zport.targets import TARGETS
from zport.wheels.index import ATTACHED

RECIPE = Recipe.model_validate({
    "name": "leaf", "version": "1.0", "summary": "A leaf",
    "source": {"kind": "pypi", "filename": "leaf-1.0.tar.gz", "sha256": "5" * 64},
})  # fmt: skip
TOOLS = Step(
    "toolchain-s390x", "", "toolchain", TARGETS["s390x"], "", "localhost/t", "s390x", 1, key="k1"
)
NUMPY = IndexFile("numpy", "2.0", "numpy-2.0-py3-none-any.whl", "d" * 64)


def step(tmp_path):
    patch = tmp_path / "0001-a.patch"
    patch.write_text("patch")
    context = (
        ContextFile("source/leaf-1.0.tar.gz", "5" * 64, object()),
        ContextFile("packages/gcc.deb", "a" * 64,
                    DebianPackage("gcc", "4:14", "amd64", "a" * 64, 1, "", "")),
        ContextFile("requirements/numpy.whl", "d" * 64, NUMPY),
        ContextFile("files/x", "e" * 64, UrlFile("https://example.org/x", "e" * 64)),
        ContextFile("files/y", "f" * 64, Member(NUMPY, "numpy/y.h", "f" * 64)),
        ContextFile.local("patches/0001-a.patch", patch),
        ContextFile.text("settings.json", "{}"),
    )  # fmt: skip
    return replace(
        TOOLS, name="wheel-leaf-s390x", role="wheel", repository="localhost/wheel-leaf",
        tag="1.0-s390x", dockerfile="FROM x\n", context=context, key="k2", epoch=1_700_000_000,
    )  # fmt: skip


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "leaf-1.0-cp313-cp313-linux_s390x.whl"
    path.write_bytes(b"wheel")
    return path


@pytest.fixture
def statement(tmp_path, wheel):
    return wheel_provenance(step(tmp_path), RECIPE, wheel, "cross", [TOOLS])


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_subject_is_the_wheel(statement, wheel):
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": wheel.name, "digest": {"sha256": sha256("wheel")}}]


def test_the_build_is_told_by_what_was_asked_and_what_it_stands_on(statement):
    build = statement["predicate"]["buildDefinition"]
    assert build["externalParameters"] == {
        "package": "leaf", "version": "1.0", "target": "linux/s390x", "mode": "cross",
    }  # fmt: skip
    assert build["internalParameters"] == {
        "key": "k2",
        "image": "localhost/wheel-leaf:1.0-s390x-k2",
        "epoch": 1_700_000_000,
        "images": {"toolchain-s390x": "localhost/t:s390x-k1"},
    }


def test_every_input_has_its_hash_and_where_it_is_from_its_uri(statement):
    inputs = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [(i["name"], i["digest"]["sha256"], i.get("uri")) for i in inputs] == [
        ("Dockerfile", sha256("FROM x\n"), None),
        ("files/x", "e" * 64, "https://example.org/x"),
        ("files/y", "f" * 64, "pkg:pypi/numpy@2.0?file_name=numpy-2.0-py3-none-any.whl#numpy/y.h"),
        ("packages/gcc.deb", "a" * 64, "pkg:deb/debian/gcc@4:14?arch=amd64"),
        ("patches/0001-a.patch", sha256("patch"), None),
        ("requirements/numpy.whl", "d" * 64,
         "pkg:pypi/numpy@2.0?file_name=numpy-2.0-py3-none-any.whl"),
        ("settings.json", sha256("{}"), None),
        ("source/leaf-1.0.tar.gz", "5" * 64, "pkg:pypi/leaf@1.0?file_name=leaf-1.0.tar.gz"),
    ]  # fmt: skip


def test_the_source_is_named_by_the_recipe_whatever_its_kind(tmp_path, wheel):
    place = {"kind": "git", "url": "https://example.org/leaf.git", "commit": "c" * 40}
    source = {**place, "filename": "leaf.tar", "sha256": "5" * 64}
    from_git = Recipe.model_validate({**RECIPE.model_dump(), "source": source})
    told = wheel_provenance(step(tmp_path), from_git, wheel, "native", [])
    inputs = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert inputs[-1]["uri"] == f"git+https://example.org/leaf.git@{'c' * 40}"


def test_a_vendored_source_is_named_by_its_own_coordinates(tmp_path, wheel):
    source = {
        "kind": "url",
        "url": "https://example.org/t",
        "filename": "t.zip",
        "sha256": "e" * 64,
    }
    twig = {"name": "twig", "version": "1", "folder": "twig", "source": source}
    with_twig = Recipe.model_validate({**RECIPE.model_dump(), "vendored": [twig]})
    told = wheel_provenance(step(tmp_path), with_twig, wheel, "native", [])
    inputs = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    uris = {one["name"]: one.get("uri") for one in inputs}
    assert uris["files/x"] == "https://example.org/t"
    assert uris["source/leaf-1.0.tar.gz"] == "pkg:pypi/leaf@1.0?file_name=leaf-1.0.tar.gz"


def test_it_lies_beside_the_wheel_where_the_index_finds_it(tmp_path, wheel, statement):
    written = write_provenance(step(tmp_path), RECIPE, wheel, "cross", [TOOLS])
    assert written == provenance_path(wheel)
    assert written.name == wheel.name + ATTACHED["_zport-provenance"]
    assert json.loads(written.read_text()) == statement


def test_the_same_build_gives_the_same_bytes(tmp_path, wheel):
    made = step(tmp_path)
    backwards = replace(made, context=made.context[::-1])
    one, two = (
        write_provenance(build, RECIPE, wheel, "cross", [TOOLS]).read_bytes()
        for build in (made, backwards)
    )
    assert one == two


def test_a_wheel_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BuildError, match="no such wheel"):
        write_provenance(step(tmp_path), RECIPE, tmp_path / "leaf.whl", "cross", [])
    assert not (tmp_path / "leaf.whl.provenance.json").exists()
