"""Patch headers: what is required, and what gates a patch."""

import pytest
from unreadable import UNREADABLE, put_unreadable

from zport.errors import DefinitionError, PatchError
from zport.sources.patches import read_patch, read_patches
from zport.targets import TARGETS

BODY = "--- a/leaf.c\n+++ b/leaf.c\n@@ -1 +1 @@\n-int x = 1;\n+int x = 2;\n"


@pytest.fixture
def patch(tmp_path):
    def read(header, body=BODY):
        path = tmp_path / "0001-leaf.patch"
        path.write_text(f"Description: Swap bytes\nForwarded: no\n{header}{body}")
        return read_patch(path)

    return read


@pytest.mark.parametrize(
    ("header", "lacks"),
    [
        ("Forwarded: no\n", "Description"),
        ("Description: x\n", "Forwarded"),
        ("Description:\nForwarded: no\n", "Description"),
        ("", "Description"),
        ("description: x\nForwarded: no\n", "Description"),
    ],
)
def test_a_header_that_lacks_a_field_is_refused(tmp_path, header, lacks):
    path = tmp_path / "0001.patch"
    path.write_text(header + BODY)
    with pytest.raises(PatchError, match=f"lacks {lacks}") as caught:
        read_patch(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 7


def test_a_field_below_the_first_change_does_not_count(tmp_path):
    path = tmp_path / "0001.patch"
    path.write_text(f"Description: x\n{BODY}Forwarded: no\n")
    with pytest.raises(PatchError, match="lacks Forwarded"):
        read_patch(path)


def test_a_long_description_keeps_its_lines_and_the_first_is_the_reason(patch):
    read = patch("Origin: upstream, https://example.org/1\n more\n")
    assert read.reason == "Swap bytes"
    assert read.header["Origin"] == "upstream, https://example.org/1\nmore"


@pytest.mark.parametrize(
    ("gate", "here"),
    [
        ("", set(TARGETS)),
        ("X-Zport-Targets: big-endian\n", {"s390x"}),
        ("X-Zport-Targets: little-endian\n", set(TARGETS) - {"s390x"}),
        ("X-Zport-Targets: s390x, arm64\n", {"s390x", "arm64"}),
    ],
)
def test_targets_gate_a_patch(patch, gate, here):
    read = patch(gate)
    assert {name for name, target in TARGETS.items() if read.applies(target, "1.0")} == here


@pytest.mark.parametrize(
    ("gate", "version", "applies"),
    [
        ("", "1.0", True),
        ("X-Zport-Versions: ==6.0.*\n", "6.0.17", True),
        ("X-Zport-Versions: ==6.0.*\n", "6.1", False),
        ("X-Zport-Versions: >=1, <2\n", "1.5rc1", True),
    ],
)
def test_versions_gate_a_patch(patch, gate, version, applies):
    assert patch(gate).applies(TARGETS["s390x"], version) is applies


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("X-Zport-Targets: s390\n", "s390.*\n.*s390x"),
        ("X-Zport-Versions: about 2\n", "X-Zport-Versions"),
        ("X-Zport-Target: s390x\n", "X-Zport-Target"),
    ],
)
def test_a_gate_that_is_misspelt_is_refused(patch, header, told):
    with pytest.raises(PatchError, match=told):
        patch(header)


def test_a_patch_of_a_source_in_another_encoding_is_read(tmp_path):
    path = tmp_path / "0001.patch"
    path.write_bytes(b"Description: x\nForwarded: no\n" + BODY.encode() + b"+// M\xfcller\n")
    assert read_patch(path).reason == "x"


def test_patches_come_in_the_order_of_their_names(tmp_path):
    for name in ("0010-b", "0002-a"):
        (tmp_path / f"{name}.patch").write_text(f"Description: {name}\nForwarded: no\n{BODY}")
    (tmp_path / "notes.txt").touch()
    assert [patch.reason for patch in read_patches(tmp_path)] == ["0002-a", "0010-b"]


def test_a_package_without_patches_has_none(tmp_path):
    assert read_patches(tmp_path / "absent") == []


@pytest.mark.parametrize("kind", [kind for kind in UNREADABLE if kind not in ("absent", "no text")])
def test_a_patch_that_cannot_be_read_is_named(tmp_path, kind):
    path, said = put_unreadable(tmp_path / "0001.patch", kind)
    with pytest.raises(DefinitionError, match=said) as caught:
        read_patches(tmp_path)
    assert caught.value.where == str(path)
    assert caught.value.next_step


def test_a_patch_that_is_a_link_to_elsewhere_is_refused(tmp_path):
    other = tmp_path / "other"
    other.write_text(f"Description: x\nForwarded: no\n{BODY}")
    link = tmp_path / "patches" / "0001-leaf.patch"
    link.parent.mkdir()
    link.symlink_to(other)
    with pytest.raises(DefinitionError, match=r"0001-leaf\.patch leads out of the folder patches"):
        read_patch(link)
