"""What a publication says of an image, and what is not believed."""

import hashlib
import json
import subprocess
from dataclasses import replace

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from zport.agents import Agent
from zport.debian.packages import DebianPackage
from zport.errors import BuildError, RegistryError, UsageError
from zport.plan.planner import AgentPlan
from zport.provenance import IMAGE_BUILD_TYPE, image_provenance
from zport.publish import run
from zport.publish.run import Publication, clean_revision, publish, require_free
from zport.publish.sbom import image_sbom, installed_packages
from zport.sources.pypi import IndexFile
from zport.steps.step import ContextFile, Step
from zport.targets import TARGETS

Z = TARGETS["s390x"]
DIGEST = f"sha256:{'a' * 64}"
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: s390x
Source: glibc
Version: 2.41-12

Package: libpython3.13
Status: install ok installed
Source: python3.13 (3.13.5-2)
Version: 3.13.5-2+b1
Architecture: s390x
Description: a text
 Version: 9 is no field

Package: gone
Status: deinstall ok config-files
Version: 1
Architecture: all
"""


def step_with(*context: ContextFile) -> Step:
    return Step("agent-leaf-s390x", "", "agent", Z, "", "localhost/zport/leaf", "s390x",
                1_700_000_000, ("base-s390x",), "FROM x\n", context, "b" * 16)  # fmt: skip


PLAN = AgentPlan(
    Agent(name="leaf", framework="leaf", summary="A leaf", requirements=("leaf",)), Z, (),
    step_with(
        ContextFile("agent/a.py", "1" * 64, "a"),
        ContextFile("wheels/numpy.whl", "d" * 64,
                    IndexFile("numpy", "2.0", "numpy-2.0-py3-none-any.whl", "d" * 64)),
        ContextFile("packages/libc6.deb", "c" * 64,
                    DebianPackage("libc6", "2.41-12", "s390x", "c" * 64, 1, "", "")),
    ),
)  # fmt: skip


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "twig-1.0-py3-none-any.whl"
    path.write_bytes(b"wheel")
    own = {"bom-ref": "pkg:pypi/twig@1.0", "type": "library", "name": "twig", "version": "1.0",
           "properties": [{"name": "zport:patch:0001-a.patch:file", "value": "a.c"}]}  # fmt: skip
    inside = {"bom-ref": "bundled:twig.libs/a.so", "type": "library", "name": "a.so"}
    bill = {"metadata": {"component": own}, "components": [inside]}
    path.with_name(f"{path.name}.cdx.json").write_text(json.dumps(bill))
    return path


def bill_of(*wheels):
    return image_sbom(PLAN, "1.0", DIGEST, STATUS, step_with(), wheels)


def test_dpkg_status_is_read():
    found = installed_packages(STATUS)
    assert [(p.name, p.version, p.source) for p in found] == [
        ("libc6", "2.41-12", "glibc"),
        ("libpython3.13", "3.13.5-2+b1", "python3.13@3.13.5-2"),
    ]
    assert found[0].purl == "pkg:deb/debian/libc6@2.41-12?arch=s390x&upstream=glibc"


def test_the_bill_of_an_image_names_it_and_all_in_it(wheel):
    bill = json.loads(bill_of(wheel))
    image = bill["metadata"]["component"]
    assert image["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert image["purl"].startswith("pkg:oci/leaf@sha256:")
    parts = {part["name"]: part for part in bill["components"]}
    assert set(parts) == {"libc6", "libpython3.13", "numpy", "twig", "zport-agent"}
    assert parts["libc6"]["hashes"][0]["content"] == "c" * 64
    assert "hashes" not in parts["libpython3.13"]
    assert parts["twig"]["hashes"][0]["content"] == hashlib.sha256(b"wheel").hexdigest()
    assert parts["twig"]["properties"][0]["value"] == "a.c"
    assert parts["twig"]["components"][0]["name"] == "a.so"


def test_the_bill_is_valid_and_always_the_same(wheel):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill_of(wheel)) is None
    assert bill_of(wheel) == bill_of(wheel)


def test_a_wheel_without_a_bill_is_told(tmp_path):
    bare = tmp_path / "bare-1.0-py3-none-any.whl"
    bare.write_bytes(b"")
    with pytest.raises(BuildError, match="no bill of materials"):
        bill_of(bare)


def test_the_provenance_of_an_image_has_its_digest_and_inputs():
    base = replace(step_with(), name="base-s390x", key="e" * 16)
    said = image_provenance(PLAN.step, "leaf", DIGEST, [base], "f" * 40)
    assert said["subject"] == [{"name": "leaf", "digest": {"sha256": "a" * 64}}]
    build = said["predicate"]["buildDefinition"]
    assert build["buildType"] == IMAGE_BUILD_TYPE
    assert build["externalParameters"] == {"agent": "leaf", "target": "linux/s390x"}
    assert build["internalParameters"]["key"] == "b" * 16
    names = {one["name"]: one["digest"] for one in build["resolvedDependencies"]}
    assert names["zport"] == {"gitCommit": "f" * 40}
    assert {"Dockerfile", "agent/a.py", "wheels/numpy.whl", "packages/libc6.deb"} < names.keys()


class Tags:
    """A repository with tags."""

    def __init__(self, **tags):
        self.known = tags

    def resolve(self, tag):
        return self.known.get(tag)

    def at(self, tag):
        return f"r.example/leaf:{tag}"


def test_a_fixed_tag_is_refused_only_for_other_content():
    require_free(Tags(), "leaf-1.0-20261123", DIGEST)
    require_free(Tags(**{"leaf-1.0-20261123": DIGEST}), "leaf-1.0-20261123", DIGEST)
    with pytest.raises(RegistryError, match="never moves") as caught:
        require_free(Tags(**{"leaf-1.0-20261123": "sha256:0"}), "leaf-1.0-20261123", DIGEST)
    assert "--stamp, for example 20261123.2" in str(caught.value)


def test_a_place_of_another_form_is_refused_before_anything_is_done():
    with pytest.raises(RegistryError, match="not of the form"):
        publish(None, Publication("https://r.example/team"))


@pytest.mark.parametrize("stamp", ["a b", "a/b", "a:b", "", "x" * 65, "é"])
def test_a_stamp_has_to_fit_a_tag(stamp):
    with pytest.raises(UsageError, match="not a part of a tag"):
        publish(None, Publication("r.example/team", stamp))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PROJECT", tmp_path)
    for command in (["init", "-q"], ["config", "user.email", "a@b"], ["config", "user.name", "a"],
                    ["commit", "-q", "--allow-empty", "-m", "first"]):  # fmt: skip
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_a_release_names_its_commit(tree):
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tree, text=True)
    assert clean_revision() == head.strip()


def test_a_release_of_changes_is_refused(tree):
    for number in range(5):
        (tree / f"new{number}").write_text("")
    with pytest.raises(UsageError, match="the tree has changes: new0, new1, new2 and 2 more"):
        clean_revision()


def test_a_tree_that_git_cannot_judge_is_not_clean(tree):
    (tree / ".git" / "index").write_text("no index")
    with pytest.raises(UsageError, match=r"a broken one: .*index"):
        clean_revision()


def test_without_git_there_is_no_release(tree, monkeypatch):
    monkeypatch.setenv("PATH", str(tree))
    with pytest.raises(UsageError, match="git is not installed"):
        clean_revision()


def test_a_release_from_no_checkout_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PROJECT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match="not a git checkout"):
        clean_revision()
