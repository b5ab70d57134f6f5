"""Keys: the same content has the same key, and any change another one."""

import pytest

from zport.steps.step import KEY_LENGTH, ContextFile, step_key

FILES = [ContextFile.text("a", "one"), ContextFile.text("folder/b", "two")]
KEY = step_key("FROM scratch\n", FILES)


def test_a_key_is_short_hex():
    assert len(KEY) == KEY_LENGTH
    assert int(KEY, 16)


def test_the_order_of_files_does_not_matter():
    assert step_key("FROM scratch\n", FILES[::-1]) == KEY


@pytest.mark.parametrize(
    ("dockerfile", "files"),
    [
        pytest.param("FROM scratch \n", FILES, id="text"),
        pytest.param("FROM scratch\n", FILES[:1], id="a file less"),
        pytest.param("FROM scratch\n", [FILES[0], ContextFile.text("folder/b", "2")], id="content"),
        pytest.param("FROM scratch\n", [FILES[0], ContextFile.text("b", "two")], id="path"),
        pytest.param(
            "FROM scratch\n",
            [FILES[0], ContextFile("folder/b", FILES[1].sha256, "two", 0o755)],
            id="mode",
        ),
        pytest.param(
            "FROM scratch\n",
            [ContextFile.text("a", "two"), ContextFile.text("folder/b", "one")],
            id="contents swapped",
        ),
    ],
)
def test_a_change_gives_another_key(dockerfile, files):
    assert step_key(dockerfile, files) != KEY


def test_where_a_file_comes_from_does_not_matter(tmp_path):
    (tmp_path / "one").write_text("one")
    local = ContextFile.local("a", tmp_path / "one")
    assert step_key("FROM scratch\n", [local, FILES[1]]) == KEY
