"""The bill of materials of a wheel: it fits the standard, says everything, and is reproducible."""

import base64
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from zport.debian.packages import DebianPackage
from zport.errors import PatchError
from zport.purl import source_uri
from zport.recipes import Recipe
from zport.sources.patches import read_patch
from zport.sources.pypi import IndexFile
from zport.targets import TARGETS
from zport.wheels.bundled import add_bundled, bundled_component
from zport.wheels.sbom import changed_files, recipe_digest, sbom_file, wheel_sbom

S390X, AMD64 = TARGETS["s390x"], TARGETS["amd64"]
EPOCH = 1_700_000_000
HUNK = "@@ -1 +1 @@\n-int x = 1;\n+int x = 2;\n"
BODY = f"--- a/src/leaf.c\n+++ b/src/leaf.c\n{HUNK}"
PROJECT = Path(__file__).resolve().parents[2]

SOURCES = {
    "pypi": {"filename": "leaf-1.0.tar.gz"},
    "url": {"filename": "leaf.zip", "url": "https://example.org/leaf.zip?c=1&d=2"},
    "debian": {
        "filename": "leaf_1.0.orig.tar.xz", "suite": "trixie", "package": "leaf++",
        "version": "1:1.0~rc1-2+b1",
    },
    "git": {"filename": "leaf.tar", "url": "https://example.org/leaf.git", "commit": "c" * 40},
}  # fmt: skip


def recipe(kind="pypi", **fields):
    source = {"kind": kind, "sha256": "5" * 64, **SOURCES[kind]}
    told = {"name": "leaf", "version": "1.0", "summary": "A leaf", "source": source}
    return Recipe.model_validate(told | fields)


PACKAGES = [
    DebianPackage("gcc-14", "4:14.2.0-19+x", "amd64", "a" * 64, 9, "", ""),
    DebianPackage("libc6", "2.41-12", "s390x", "b" * 64, 9, "", ""),
]
REQUIREMENTS = [
    IndexFile("setuptools", "80.9.0", "setuptools-80.9.0-py3-none-any.whl", "c" * 64),
    IndexFile("numpy", "2.0", "", ""),
]


@pytest.fixture
def patch(tmp_path):
    def write(name="0001-swap.patch", header="Forwarded: no\n", body=BODY):
        path = tmp_path / name
        text = f"Description: swap bytes\n on big-endian machines\n{header}{body}"
        path.write_text(text, encoding="latin-1")
        return read_patch(path)

    return write


def write(patches=(), chosen=None, packages=PACKAGES, requirements=REQUIREMENTS, target=S390X):
    """The bill as text, and checked against the standard's own schema."""
    text = wheel_sbom(chosen or recipe(), patches, target, AMD64, packages, requirements, EPOCH)
    assert fault(text) is None
    return text


def fault(text):
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def facts(component):
    found = {}
    for fact in component["properties"]:
        found.setdefault(fact["name"], []).append(fact["value"])
    return found


@pytest.mark.parametrize(
    ("kind", "purl", "uri"),
    [
        ("pypi", "pkg:pypi/leaf@1.0?file_name=leaf-1.0.tar.gz", None),
        ("url", "pkg:generic/leaf@1.0?checksum=sha256:", "https://example.org/"),
        ("debian", "pkg:deb/debian/leaf%2B%2B@1:1.0~rc1-2%2Bb1?arch=source&distro=trixie", None),
        ("git", "pkg:generic/leaf@1.0?vcs_url=git%2Bhttps://", "git+https://example.org/leaf.git@"),
    ],
)
def test_the_wheel_comes_from_its_source(kind, purl, uri):
    component = json.loads(write(chosen=recipe(kind)))["metadata"]["component"]
    assert component["purl"] == "pkg:pypi/leaf@1.0"
    (source,) = component["pedigree"]["ancestors"]
    (reference,) = component["externalReferences"]
    assert source["purl"].startswith(purl)
    assert reference["url"].startswith(uri or purl)
    assert reference["url"] == source_uri(recipe(kind))
    assert source["hashes"] == reference["hashes"] == [{"alg": "SHA-256", "content": "5" * 64}]
    assert PackageURL.from_string(source["purl"]).to_string() == source["purl"]


def test_vendored_sources_are_parts_of_the_wheel():
    source = {"kind": "debian", "sha256": "6" * 64, **SOURCES["debian"]}
    twig = {"name": "twig", "version": "2", "folder": "third_party/twig", "source": source}
    chosen = recipe(vendored=[twig])
    bill = json.loads(write(chosen=chosen))
    (part,) = bill["components"]
    assert part["purl"] == source_uri(chosen.vendored[0])
    assert part["hashes"] == [{"alg": "SHA-256", "content": "6" * 64}]
    wheel = bill["metadata"]["component"]["bom-ref"]
    needed = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    assert needed == {wheel: [part["bom-ref"]], part["bom-ref"]: []}
    assert recipe_digest(chosen) != recipe_digest(recipe())
    both = add_bundled(
        bill, [bundled_component("a.so", "1", "a", "s390x", "x.libs/a.so", "7" * 64)]
    )
    assert [one["name"] for one in both["components"]] == ["a.so", part["name"]]


def test_a_patch_is_told_with_reason_state_and_files(patch):
    body = f"{BODY}--- a/old.h\t2020-01-01\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
    patches = [patch("0002-swap.patch", body=body), patch(header="Forwarded: https://e.org/1\n")]
    component = json.loads(write(patches))["metadata"]["component"]
    told = {entry["resolves"][0]["id"]: entry for entry in component["pedigree"]["patches"]}
    second = told["0002-swap.patch"]
    assert second["type"] == "unofficial"
    assert second["resolves"][0]["name"] == "swap bytes"
    assert "on big-endian machines" in second["resolves"][0]["description"]
    assert "references" not in second["resolves"][0]
    assert second["diff"]["text"]["content"] == patches[0].path.read_text()
    assert told["0001-swap.patch"]["resolves"][0]["references"] == ["https://e.org/1"]
    known = facts(component)
    assert known["zport:patch:0002-swap.patch:forwarded"] == ["no"]
    assert known["zport:patch:0002-swap.patch:file"] == ["old.h", "src/leaf.c"]
    assert known["zport:patch:0001-swap.patch:forwarded"] == ["https://e.org/1"]


@pytest.mark.parametrize(
    ("origin", "kind"),
    [
        ("upstream, https://e.org/1", "cherry-pick"),
        ("backport", "backport"),
        ("vendor", "unofficial"),
        (" ", "unofficial"),
    ],
)
def test_the_origin_of_a_patch_tells_its_kind(patch, origin, kind):
    bill = json.loads(write([patch(header=f"Forwarded: no\nOrigin: {origin}\n")]))
    assert bill["metadata"]["component"]["pedigree"]["patches"][0]["type"] == kind


def test_a_patch_that_is_no_utf8_is_kept_byte_for_byte(patch):
    latin = patch(body=BODY.replace("int", "\xfcnt"))
    (entry,) = json.loads(write([latin]))["metadata"]["component"]["pedigree"]["patches"]
    assert entry["diff"]["text"]["encoding"] == "base64"
    assert base64.b64decode(entry["diff"]["text"]["content"]) == latin.path.read_bytes()


@pytest.mark.parametrize(
    ("body", "files"),
    [
        (BODY, ["src/leaf.c"]),
        (f"--- leaf-1.0/x y.c\n+++ leaf-1.0.new/x y.c\n{HUNK}", ["x y.c"]),
        ("--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+x\n", ["new.c"]),
        ("--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@\n--- a/no.c\n-x\n+++ b/no.c\n+y\n", ["q.sql"]),
        ("diff --git a/b/o b/b/n\nsimilarity index 100%\nrename from b/o\nrename to b/n\n",
         ["b/n", "b/o"]),
    ],
    ids=["plain", "own prefix", "new", "lines like a header", "renamed"],
)  # fmt: skip
def test_the_changed_files_are_found(patch, body, files):
    assert changed_files(patch(body=body)) == files


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "changes no file"),
        ("--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n-x\n+y\n", "not a unified diff: .*shorter"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n+z\n+++ b/y\n", "not a unified diff"),
        ("*** a/x\n--- b/x\n*** 1 ****\n! x\n--- 1 ----\n! y\n", "it changes no file"),
    ],
    ids=["nothing", "cut", "stray", "context diff"],
)
def test_what_is_no_unified_diff_is_told(patch, body, told):
    broken = patch(body=body)
    with pytest.raises(PatchError, match=told) as caught:
        write([broken])
    assert str(broken.path) in str(caught.value)


def test_what_builds_is_among_the_tools():
    tools = json.loads(write())["metadata"]["tools"]["components"]
    hashes = {tool["purl"]: tool.get("hashes", [{}])[0].get("content") for tool in tools}
    version = next(tool["version"] for tool in tools if tool["name"] == "zport")
    assert hashes == {
        f"pkg:generic/zport@{version}": None,
        "pkg:deb/debian/gcc-14@4:14.2.0-19%2Bx?arch=amd64": "a" * 64,
        "pkg:deb/debian/libc6@2.41-12?arch=s390x": "b" * 64,
        "pkg:pypi/setuptools@80.9.0?file_name=setuptools-80.9.0-py3-none-any.whl": "c" * 64,
        "pkg:pypi/numpy@2.0": None,
    }


def test_target_and_recipe_are_told():
    known = facts(json.loads(write())["metadata"]["component"])
    assert known["zport:target"] == ["linux/s390x"]
    assert known["zport:compiled-on"] == ["linux/amd64"]
    assert known["zport:cpu-baseline"] == ["z196"]
    assert known["zport:recipe:sha256"] == [recipe_digest(recipe())]


def test_only_what_changes_the_wheel_changes_the_digest():
    said = recipe_digest(recipe())
    assert recipe_digest(recipe(not_run="no machine", summary="x", test={"imports": ["x"]})) == said
    assert recipe_digest(recipe(build={"environment": {"A": "1"}})) != said
    assert recipe_digest(recipe("git")) != said


def test_the_same_inputs_give_the_same_bytes_in_any_order(patch):
    patches = [patch("0001-a.patch"), patch("0002-b.patch")]
    one = write(patches)
    assert write(patches[::-1], packages=PACKAGES[::-1], requirements=REQUIREMENTS[::-1]) == one
    assert json.loads(one)["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_other_inputs_give_another_serial_number():
    serials = {
        json.loads(text)["serialNumber"]
        for text in (
            write(),
            write(target=AMD64),
            write(packages=[replace(PACKAGES[0], sha256="d" * 64), PACKAGES[1]]),
        )
    }
    assert len(serials) == 3


def test_the_order_of_hashes_in_a_process_does_not_count():
    code = "import test_sbom; print(test_sbom.write(), end='')"
    paths = os.pathsep.join([str(PROJECT), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "1"},
    )  # fmt: skip
    assert done.stdout == write()


def bundled(name="libfoo.so.1", version="2:1.2+dfsg~rc1-3"):
    path = f"leaf.libs/{name}"
    return bundled_component(name, version, "libfoo++1", "s390x", path, "e" * 64)


def test_a_bundled_library_is_a_component_that_the_wheel_depends_on():
    bill = json.loads(write())
    before = json.dumps(bill)
    whole = add_bundled(bill, [bundled("libz.so.1"), bundled()])
    assert fault(json.dumps(whole)) is None
    assert json.dumps(bill) == before
    assert [part["name"] for part in whole["components"]] == ["libfoo.so.1", "libz.so.1"]
    needed = {entry["ref"]: entry.get("dependsOn") for entry in whole["dependencies"]}
    refs = ["bundled:leaf.libs/libfoo.so.1", "bundled:leaf.libs/libz.so.1"]
    assert needed == {"pkg:pypi/leaf@1.0": refs, refs[0]: None, refs[1]: None}
    assert add_bundled(whole, [bundled()]) == whole


def test_the_package_url_of_a_bundled_library_is_the_standards_own():
    parts = {"arch": "s390x"}
    purl = PackageURL("deb", "debian", "libfoo++1", "2:1.2+dfsg~rc1-3", parts).to_string()
    assert bundled()["purl"] == purl


def test_the_module_that_runs_in_the_build_needs_no_other():
    path = PROJECT / "zport" / "wheels" / "bundled.py"
    code = f"exec(open({str(path)!r}).read()); print(bundled_component(*'abcdef')['purl'])"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, check=True)
    assert done.stdout == b"pkg:deb/debian/c@b?arch=d\n"


def test_a_key_stands_for_one_text(patch):
    """The file's hash is that of its inputs, so whatever changes the text has to change it."""
    tall = replace(S390X, cpu_baseline="z14")
    asked = [
        (recipe(), S390X, PACKAGES), (recipe(summary="another"), S390X, PACKAGES),
        (recipe(), tall, PACKAGES), (recipe(), S390X, PACKAGES[:1]),
    ]  # fmt: skip
    files = [
        sbom_file(one, [], target, AMD64, packages, REQUIREMENTS, EPOCH)
        for one, target, packages in asked
    ]
    texts = [file.source.make() for file in files]
    assert len({file.sha256 for file in files}) == len(set(texts)) == len(asked)
