"""Lock files in pip's hash-checking format."""

import pytest
from unreadable import UNREADABLE, put_unreadable

from zport.errors import DefinitionError
from zport.resolve.requirements import Pin, read_pins, require_pinned

A, B = "a" * 64, "b" * 64


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / "tiny.lock"
        path.write_text(text)
        return read_pins(path)

    return write_and_read


@pytest.mark.parametrize(
    "text",
    [
        f"leaf==1.2 --hash=sha256:{A} --hash=sha256:{B}\n",
        f"# Made by a tool.\n\nleaf==1.2 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n",
        f"leaf==1.2 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n    # via tiny\n",
        f"Leaf==1.2 --hash=sha256:{A} --hash=sha256:{B}  # a remark\n",
        f"leaf==1.2 --hash=sha256:{B} --hash=sha256:{A}",
    ],
    ids=["one line", "continued", "via", "remark", "no newline"],
)
def test_a_pin_is_read(read, text):
    assert read(text) == [Pin("leaf", "1.2", frozenset({A, B}))]


def test_a_marker_is_kept(read):
    [pin] = read(f'leaf==1.2 ; python_version >= "3.12" --hash=sha256:{A}')
    assert pin.marker == 'python_version >= "3.12"'
    assert pin.text == "leaf==1.2"


@pytest.mark.parametrize(
    "line",
    [
        f"leaf>=1.2 --hash=sha256:{A}",
        f"leaf --hash=sha256:{A}",
        f"leaf==1.* --hash=sha256:{A}",
        "leaf==1.2",
        f"leaf==1.2 --hash=md5:{A}",
        f"leaf==1.2 --hash=sha256:{A[:-1]}",
    ],
    ids=["range", "none", "wildcard", "no hash", "md5", "short hash"],
)
def test_a_line_that_pins_nothing_is_refused_by_name(read, line):
    with pytest.raises(DefinitionError, match="leaf") as caught:
        read(f"good==1 --hash=sha256:{B}\n{line}\n")
    assert "tiny.lock" in str(caught.value)


@pytest.mark.parametrize("line", ["le af==1", "--index-url https://example.org", "leaf=1.2"])
def test_a_line_that_is_no_requirement_is_named(read, line):
    with pytest.raises(DefinitionError, match=f"not a requirement: {line.split()[0]}"):
        read(line)


def test_a_lock_that_is_not_there_is_told_with_the_command(tmp_path):
    with pytest.raises(DefinitionError, match="zport lock tiny"):
        read_pins(tmp_path / "tiny.lock")


@pytest.mark.parametrize("text", ["leaf", "Leaf>=1", "leaf==1.2"])
def test_what_a_lock_satisfies(tmp_path, text):
    require_pinned([text], [Pin("leaf", "1.2", frozenset())], tmp_path / "tiny.lock")


@pytest.mark.parametrize("text", ["twig", "leaf>=2", "leaf<1.2"])
def test_what_a_lock_does_not_satisfy_is_told_with_the_command(tmp_path, text):
    lock = tmp_path / "tree" / "build-requirements.lock"
    with pytest.raises(DefinitionError, match=f"does not satisfy '{text}'") as caught:
        require_pinned([text], [Pin("leaf", "1.2", frozenset())], lock)
    assert "zport lock tree" in str(caught.value)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_lock_that_cannot_be_read_is_told_with_the_command(tmp_path, kind):
    path, said = put_unreadable(tmp_path / "tiny.lock", kind)
    with pytest.raises(DefinitionError, match=said) as caught:
        read_pins(path)
    assert caught.value.where == str(path)
    assert caught.value.next_step == "zport lock tiny"
