"""OCI layouts: what is written, and that no blob passes for another."""

import hashlib
import json

import pytest

from zport.errors import TrustError
from zport.publish.layout import (
    INDEX,
    MANIFEST,
    blob_path,
    check_blobs,
    link_blobs,
    make_canonical,
    new_layout,
    put,
    put_artifact,
    put_file,
    put_index,
    read_manifest,
    read_top,
    write_top,
)


@pytest.fixture
def layout(tmp_path):
    return new_layout(tmp_path / "layout")


def test_a_blob_is_named_by_its_digest(layout):
    found = put(layout, b"content", "text/plain")
    digest = hashlib.sha256(b"content").hexdigest()
    assert found == {"mediaType": "text/plain", "digest": f"sha256:{digest}", "size": 7}
    assert (layout / "blobs" / "sha256" / digest).read_bytes() == b"content"


def test_a_file_is_linked_and_the_same_blob_is_there_once(layout, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"content")
    first, second = (put_file(layout, file, "text/plain") for _ in range(2))
    assert first == second == put(layout, b"content", "text/plain")
    assert check_blobs(layout) == 1


def test_an_artifact_says_what_it_is_of(layout):
    image = {**put(layout, b"{}", MANIFEST), "platform": {"os": "linux"}, "annotations": {"a": "b"}}
    layer = put(layout, b"bill", "text/plain")
    found = put_artifact(layout, "text/plain", layer, {"c": "d"}, subject=image)
    manifest = read_manifest(layout, found["digest"])
    assert found["artifactType"] == manifest["artifactType"] == "text/plain"
    assert manifest["subject"] == {name: image[name] for name in ("mediaType", "digest", "size")}
    assert manifest["layers"] == [layer]
    assert manifest["annotations"] == {"c": "d"}
    # The empty configuration of the specification, by its known digest.
    assert manifest["config"]["digest"].startswith(
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc2"
    )


def test_an_index_keeps_the_order_and_the_platforms(layout):
    images = [{**put(layout, text, MANIFEST), "platform": {"os": "linux"}} for text in (b"1", b"0")]
    index = put_index(layout, images, {})
    assert read_manifest(layout, index["digest"])["manifests"] == images
    write_top(layout, [index])
    assert read_top(layout) == [index]
    assert index["mediaType"] == INDEX


def test_the_same_content_gives_the_same_bytes(tmp_path):
    digests = set()
    for name in "ab":
        layout = new_layout(tmp_path / name)
        layer = put(layout, b"x", "text/plain")
        about = {"a": "1", "b": "2"} if name == "a" else {"b": "2", "a": "1"}
        digests.add(put_artifact(layout, "t", layer, about)["digest"])
    assert len(digests) == 1


def test_blobs_of_two_layouts_come_together(layout, tmp_path):
    other = new_layout(tmp_path / "other")
    put(layout, b"both", "t")
    put(other, b"both", "t")
    put(other, b"other", "t")
    link_blobs(other, layout)
    assert check_blobs(layout) == 2


def exported(folder, made_from):
    """An image as Buildah exports it: its history names what it was made from on the way."""
    layout = new_layout(folder)
    entry = {"created_by": "COPY", "comment": f"FROM {made_from}"}
    config = {"os": "linux", "history": [entry], "rootfs": {"diff_ids": ["sha256:1"]}}
    written = put(layout, json.dumps(config).encode(), "config")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": written, "layers": [],
                "annotations": {"org.opencontainers.image.base.name": made_from}}  # fmt: skip
    write_top(layout, [put(layout, json.dumps(manifest).encode(), MANIFEST)])
    return layout


def test_names_of_images_on_the_way_do_not_count(tmp_path):
    layouts = [exported(tmp_path / name, name) for name in ("a", "b")]
    assert read_top(layouts[0]) != read_top(layouts[1])
    first, second = map(make_canonical, layouts)
    assert first == second
    for layout in layouts:
        assert read_top(layout) == [first]
        assert check_blobs(layout) == 2
    manifest = read_manifest(layouts[0], first["digest"])
    assert "annotations" not in manifest
    config = read_manifest(layouts[0], manifest["config"]["digest"])
    assert config["history"] == [{"created_by": "COPY"}]
    assert config["rootfs"] == {"diff_ids": ["sha256:1"]}
    assert make_canonical(layouts[0]) == first


def test_a_changed_blob_is_found(layout):
    found = put(layout, b"content", "t")
    blob_path(layout, found["digest"]).write_bytes(b"contenT")
    with pytest.raises(TrustError, match="not what its digest says") as caught:
        check_blobs(layout)
    assert found["digest"] in str(caught.value)
    with pytest.raises(TrustError, match="not what its digest says"):
        read_manifest(layout, found["digest"])


def test_a_missing_blob_is_found(layout):
    with pytest.raises(TrustError, match="missing"):
        read_manifest(layout, f"sha256:{'0' * 64}")


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:../../etc/passwd", "md5:0", f"sha256:{'A' * 64}",
               f"sha256:{'0' * 64}/../x", f"sha256:{'0' * 64}\n"],
)  # fmt: skip
def test_what_is_no_digest_names_no_file(layout, digest):
    with pytest.raises(TrustError, match="not a SHA-256 digest"):
        blob_path(layout, digest)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", json.dumps("x").encode(), b"\xff"])
def test_what_is_no_manifest_is_told(layout, content):
    found = put(layout, content, MANIFEST)
    with pytest.raises(TrustError, match=r"not JSON|has to be a JSON object"):
        read_manifest(layout, found["digest"])
