"""What of a registry's content is believed: whole images, of the agent and the key asked for."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from zport.errors import TrustError, UsageError
from zport.provenance import image_provenance
from zport.publish import oras, pull, tools, verify
from zport.publish.layout import (
    INDEX,
    KEY,
    VERSION,
    blob_path,
    new_layout,
    parse_object,
    put,
    put_artifact,
    put_index,
    read_manifest,
    read_top,
    well_formed,
    write_top,
)
from zport.publish.oras import Repository
from zport.publish.prebuilt import take_prebuilt
from zport.publish.pull import Puller
from zport.publish.verify import verify as verified
from zport.steps.step import Step
from zport.targets import TARGETS

Z = TARGETS["s390x"]
SBOM, PROVENANCE = "application/vnd.cyclonedx+json", "application/vnd.in-toto+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
DIGEST = f"sha256:{'a' * 64}"
OLD, NEW, NONE = "b" * 16, "c" * 16, "d" * 16


def step_of(key):
    return Step("agent-leaf-s390x", "", "agent", Z, "", "localhost/zport/leaf", "s390x",
                1_700_000_000, ("base-s390x",), "FROM x\n", (), key)  # fmt: skip


def bill_of(digest, key):
    hashes = [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]
    facts = [{"name": "zport:target", "value": Z.oci}, {"name": "zport:key", "value": key}]
    return {"metadata": {"component": {"hashes": hashes, "properties": facts}}, "components": []}


def statement_of(digest, key, agent="leaf"):
    return image_provenance(step_of(key), agent, digest, [])


class Local:
    """A repository that is a layout on the disk: all that verify and pull ask for."""

    name = "r.example/leaf"

    def __init__(self, layout, digest):
        self.layout, self.digest = layout, digest

    def require(self, reference):
        return self.digest

    resolve = require

    def manifest(self, reference):
        return read_manifest(self.layout, reference)

    def at(self, reference):
        return f"{self.name}@{reference}"

    def fetch(self, digest, layout, *, referrers=False):
        for blob in (self.layout / "blobs" / "sha256").iterdir():
            (layout / "blobs" / "sha256" / blob.name).write_bytes(blob.read_bytes())
        (layout / "index.json").write_bytes((self.layout / "index.json").read_bytes())


def made_up(
    tmp_path, *, platform="linux/s390x", bills=None, statements=None, agent="leaf", keys=(OLD,),
    named=None, attached=(),
):  # fmt: skip
    """An index of one image, with these attachments; ``None`` are right ones, one for each key.

    ``named`` is the key that the index gives it; ``attached`` are manifests of strangers.
    """
    layout = new_layout(tmp_path / "registry")
    config = put(layout, b'{"os": "linux", "architecture": "s390x"}', CONFIG)
    about = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    manifest = json.dumps(about).encode()
    system, _, architecture = platform.partition("/")
    image = {**put(layout, manifest, MANIFEST),
             "platform": {"os": system, "architecture": architecture},
             **({"annotations": {KEY: named}} if named else {})}  # fmt: skip
    digest = image["digest"]
    given = {
        SBOM: [bill_of(digest, key) for key in keys] if bills is None else bills,
        PROVENANCE: (
            [statement_of(digest, key, agent) for key in keys] if statements is None else statements
        ),
    }
    parts = []
    for kind, contents in given.items():
        for content in contents:
            layer = put(layout, json.dumps(content).encode(), kind)
            parts.append(put_artifact(layout, kind, layer, {}, subject=image))
    for strange in attached:
        text = json.dumps(strange).replace("THE IMAGE", digest)
        parts.append(put(layout, text.encode(), MANIFEST))
    index = put_index(layout, [image], {VERSION: "1.0"})
    write_top(layout, [index, image, *parts])
    return Local(layout, index["digest"])


def check(local, tmp_path, public=None):
    return verified(local, "latest", public, tmp_path / "scratch")


@pytest.fixture
def signed(tmp_path, monkeypatch):
    """All is signed, but what is put into this set; there is a public key."""
    unsigned = set()
    monkeypatch.chdir(tmp_path)
    Path("cosign.pub").touch()

    def require(repository, digest, public):
        if digest in unsigned:
            raise TrustError("no signature")

    monkeypatch.setattr(verify, "require_signature", require)
    monkeypatch.setattr(pull, "require_signature", require)
    monkeypatch.setattr(verify, "is_signed", lambda repository, one, public: one not in unsigned)
    return unsigned


class Dead:
    """A repository whose registry must not be asked."""

    def require(self, reference):
        raise AssertionError("asked")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("/nosuch", "no such key"),
        ("", "no such key"),
        ("a" * 10_000, "no such key"),
        (".", "a folder, and no key"),
    ],
)
def test_a_key_that_is_not_there_is_told_before_the_registry_is_asked(
    tmp_path, workspace, key, said
):
    for attempt in (
        lambda: verified(Dead(), "latest", key, tmp_path),
        lambda: Puller(None, workspace, key),
        lambda: take_prebuilt(SimpleNamespace(request=SimpleNamespace(
            engine=None, workspace=workspace)), "r.example/team", key),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said) as caught:
            attempt()
        assert caught.value.where == f"--key {key}"
        assert caught.value.next_step


@pytest.mark.parametrize("key", ["awskms:///alias/x", "k8s://a/b", "https://e.org/k", "pkcs11:x"])
def test_a_key_that_is_no_file_is_cosigns_matter(tmp_path, key):
    with pytest.raises(AssertionError, match="asked"):
        verified(Dead(), "latest", key, tmp_path)


def test_what_is_whole_is_verified(tmp_path):
    checked = check(made_up(tmp_path), tmp_path)
    assert checked.blobs == 8
    assert [(image.platform, image.agent, image.key) for image in checked.images] == [
        ("linux/s390x", "leaf", OLD)
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"platform": "linux/amd64"}, "the index says linux/amd64, the image linux/s390x"),
        ({"bills": []}, f"no {SBOM.replace('+', '.')} is attached"),
        ({"statements": []}, "no application/vnd.in-toto.json is attached"),
        ({"bills": [{}]}, "is of another image"),
        ({"bills": [[]]}, "has to be a JSON object"),
        ({"bills": [{"metadata": {"component": {"hashes": [{"alg": "MD5"}]}}}]}, "another image"),
        ({"statements": [{}]}, "is of another image"),
        ({"statements": [image_provenance(step_of(OLD), "leaf", DIGEST, [])]}, "of another image"),
    ],
)
def test_what_is_not_whole_is_told(tmp_path, changes, message):
    with pytest.raises(TrustError, match=message):
        check(made_up(tmp_path, **changes), tmp_path)


def test_no_image_at_all_is_told(tmp_path):
    local = made_up(tmp_path)
    other = put(local.layout, b'{"mediaType": "text/plain"}', "x")
    local.digest = other["digest"]
    with pytest.raises(TrustError, match="neither an image index nor an image"):
        check(local, tmp_path)
    broken = put_index(local.layout, [{"digest": other["digest"]}], {})
    local.digest = broken["digest"]
    with pytest.raises(TrustError, match="KeyError: 'platform'"):
        check(local, tmp_path)
    assert read_manifest(local.layout, broken["digest"])


@pytest.mark.parametrize("named", [OLD, NEW])
@pytest.mark.parametrize("keys", [(OLD, NEW), (NEW, OLD)])
def test_of_several_bills_the_one_of_the_key_counts(tmp_path, named, keys):
    """Where a step's key changes and no byte of its image, both have the same digest."""
    image = check(made_up(tmp_path, keys=keys, named=named), tmp_path).images[0]
    assert image.key == named
    assert {"name": "zport:key", "value": named} in image.sbom["metadata"]["component"][
        "properties"
    ]


def test_without_a_key_in_the_index_the_last_counts(tmp_path):
    assert check(made_up(tmp_path, keys=(OLD, NEW)), tmp_path).images[0].key == NEW


@pytest.mark.parametrize("kind", ["bills", "statements"])
def test_a_key_that_nothing_names_is_told(tmp_path, kind):
    digest = read_top(made_up(tmp_path / "first").layout)[1]["digest"]
    other = {"bills": [bill_of(digest, OLD)], "statements": [statement_of(digest, OLD)]}
    whole = {"bills": None, "statements": None}
    local = made_up(tmp_path, named=NEW, keys=(NEW,), **{**whole, kind: other[kind]})
    with pytest.raises(TrustError, match=f"attached to it names the key {NEW}"):
        check(local, tmp_path)


SUBJECT = {"mediaType": MANIFEST, "digest": "THE IMAGE", "size": 1}
STRANGE = [
    {"artifactType": SBOM, "subject": SUBJECT, "layers": []},
    {"artifactType": SBOM, "subject": SUBJECT},
    {"artifactType": SBOM, "subject": SUBJECT, "layers": None},
    {"artifactType": SBOM, "subject": SUBJECT, "layers": [1]},
    {"artifactType": SBOM, "subject": SUBJECT, "layers": [{}]},
    {"artifactType": SBOM, "subject": SUBJECT, "layers": [{"digest": 1}]},
    {"artifactType": SBOM, "subject": SUBJECT, "layers": [{"digest": "../x"}]},
    {"artifactType": SBOM, "subject": None, "layers": []},
    {"artifactType": SBOM, "subject": "THE IMAGE", "layers": []},
]


@pytest.mark.parametrize("strange", STRANGE, ids=str)
def test_a_malformed_referrer_is_told_and_with_a_key_not_believed(tmp_path, signed, strange):
    local = made_up(tmp_path, attached=[strange])
    with pytest.raises(TrustError) as caught:
        check(local, tmp_path)
    assert caught.value.exit_code == 18
    signed.add(read_top(local.layout)[-1]["digest"])
    assert check(local, tmp_path, "cosign.pub").images[0].key == OLD


def members(tmp_path, content):
    """An index with these members, whatever they are."""
    local = made_up(tmp_path)
    image = read_top(local.layout)[1]
    text = json.dumps({"mediaType": INDEX, **content}).replace('"THE IMAGE"', json.dumps(image))
    local.digest = put(local.layout, text.encode(), INDEX)["digest"]
    return local, image


PLATFORM = {"os": "linux", "architecture": "s390x"}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"manifests": None},
        {"manifests": [None]},
        {"manifests": [{"platform": None}]},
        {"manifests": [{"platform": PLATFORM}]},
        {"manifests": [{"platform": PLATFORM, "digest": None}]},
        {"manifests": [{"platform": PLATFORM, "digest": "latest"}]},
    ],
    ids=str,
)
def test_a_malformed_index_is_told(tmp_path, workspace, content):
    local, _ = members(tmp_path, content)
    with pytest.raises(TrustError):
        check(local, tmp_path)
    with pytest.raises(TrustError):
        Puller(None, workspace).image(local, "latest", Z)


def test_an_index_inside_an_index_is_told(tmp_path):
    local, image = members(tmp_path, {"manifests": ["THE IMAGE"]})
    inner = put_index(local.layout, [image], {})
    outer = put_index(local.layout, [{**inner, "platform": PLATFORM}], {})
    local.digest = outer["digest"]
    with pytest.raises(TrustError, match="not formed as OCI says: KeyError: 'config'"):
        check(local, tmp_path)


@pytest.mark.parametrize("components", [None, {}, "x"], ids=str)
def test_a_bill_without_components_is_told(tmp_path, components):
    digest = read_top(made_up(tmp_path / "first").layout)[1]["digest"]
    bill = {**bill_of(digest, OLD), "components": components}
    with pytest.raises(TrustError, match="lists no components"):
        check(made_up(tmp_path, bills=[bill]), tmp_path)


def test_a_provenance_without_an_agent_is_told(tmp_path):
    digest = read_top(made_up(tmp_path / "first").layout)[1]["digest"]
    said = statement_of(digest, OLD)
    del said["predicate"]["buildDefinition"]["externalParameters"]["agent"]
    with pytest.raises(TrustError, match="of another image"):
        check(made_up(tmp_path, statements=[said]), tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 200_000], ids=lambda text: text[:5])
def test_what_is_no_manifest_in_a_registry_is_told(monkeypatch, text):
    done = subprocess.CompletedProcess([], 0, text, "")
    monkeypatch.setattr(tools, "require_command", lambda name: None)
    monkeypatch.setattr(oras, "speaks_plain", lambda host: False)
    monkeypatch.setattr(tools.subprocess, "run", lambda *a, **k: done)
    with pytest.raises(TrustError, match=r"not JSON|has to be a JSON object"):
        Repository("r.example/x").manifest("latest")


@pytest.mark.parametrize(
    "read",
    [
        lambda one: one["absent"],
        lambda one: one["empty"][0],
        lambda one: one["none"]["x"],
        lambda one: one["none"].get("x"),
    ],
)
def test_what_foreign_json_lacks_is_no_traceback(read):
    with pytest.raises(TrustError, match="not formed as OCI says"), well_formed("here"):
        read({"empty": [], "none": None})
    with pytest.raises(ZeroDivisionError), well_formed("here"):
        _ = 1 / 0
    with pytest.raises(TrustError):
        parse_object("[]", "here")


def test_a_blob_is_asked_for_by_a_digest_alone(tmp_path):
    for digest in (None, 1, ["a"], {}):
        with pytest.raises(TrustError, match="not a SHA-256 digest"):
            blob_path(tmp_path, digest)
