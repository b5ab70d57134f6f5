"""Trees of commits: submodules at their commits, and names and URLs that are refused."""

import shutil
import tarfile

import pytest
from repositories import archive_of, commit, content, head, names, packed, repository, run

from zport.errors import FetchError
from zport.sources.git_tree import resolve_url

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
    pytest.mark.usefixtures("home"),
]


@pytest.fixture
def nested(tmp_path):
    """A repository with a submodule (relative URL) that has one itself (absolute URL)."""
    inner = repository(tmp_path / "org/inner", {"deep.c": b"deep"})
    middle = repository(tmp_path / "org/middle.git", {"mid.c": b"mid"})
    run(middle, "submodule", "--quiet", "add", inner.as_uri(), "third/inner")
    commit(middle, {})
    top = repository(tmp_path / "org/top", {"sub-a": b"", "sub.c": b""})
    run(top, "submodule", "--quiet", "add", middle.as_uri(), "sub")
    run(top, "config", "--file", ".gitmodules", "submodule.sub.url", "../middle.git")
    commit(top, {})
    commit(inner, {"later.c": b"later"})
    commit(middle, {"later.c": b"later"})
    return top


def test_submodules_are_packed_all_the_way_down_at_their_commits(workspace, nested, tmp_path):
    path = packed(workspace, archive_of(nested, head(nested), submodules=True), tmp_path)
    assert names(path) == [
        f"leaf-1.0/{name}"
        for name in (".gitmodules", "sub-a", "sub.c", "sub/.gitmodules", "sub/mid.c",
                     "sub/third/inner/deep.c")
    ]  # fmt: skip
    assert content(path, "sub/third/inner/deep.c") == b"deep"


def test_submodules_that_are_not_asked_for_are_empty_folders(workspace, nested, tmp_path):
    path = packed(workspace, archive_of(nested, head(nested)), tmp_path)
    with tarfile.open(path) as tar:
        assert [m.name for m in tar if m.isdir()] == ["leaf-1.0/sub"]


def test_a_submodule_without_a_url_is_told(workspace, nested, tmp_path):
    (nested / ".gitmodules").unlink()
    pinned = commit(nested, {})
    with pytest.raises(FetchError, match=r"sub: the submodule has no URL"):
        packed(workspace, archive_of(nested, pinned, submodules=True), tmp_path)


@pytest.mark.parametrize(
    ("parent", "url", "found"),
    [
        ("https://h/org/top.git", "../sub.git", "https://h/org/sub.git"),
        ("https://h/org/top/", "./sub", "https://h/org/top/sub"),
        ("https://h/org/top", "../../o/sub/", "https://h/o/sub"),
        ("ssh://git@h/org/top", "../sub", "ssh://git@h/org/sub"),
        ("https://h/org/top", "git@h:org/sub.git", "git@h:org/sub.git"),
        ("git@h:org/top", "../sub", "git@h:org/sub"),
        ("file:///a/top", "../sub", "file:///a/sub"),
        ("file:///a/top", "https://h/sub", "https://h/sub"),
    ],
)
def test_the_url_of_a_submodule(parent, url, found):
    assert resolve_url(parent, url, "x") == found


@pytest.mark.parametrize(
    ("parent", "url"),
    [
        ("https://h/top", "../../../sub"),
        ("https://h/top", "../../sub"),
        ("https://h/top", "file:///etc"),
        ("https://h/top", "/etc"),
        ("https://h/top", "ext::sh -c touch% /tmp/x"),
        ("https://h/top", "fd::17"),
        ("https://h/top", "--upload-pack=touch x"),
        ("https://h/top", "-u:x"),
        ("https://h/top", "ssh://-oProxyCommand=x/y"),
        ("https://h/top", "-oProxyCommand=x@h:y"),
        ("https://h/top", "https://h/a b"),
        ("https://h/top", "https://h/a\nb"),
        ("https://h/top", ""),
        ("git@h:top", "../../sub"),
        ("file:///top", "../../../sub"),
    ],
)
def test_a_submodule_from_elsewhere_is_refused(parent, url):
    with pytest.raises(FetchError, match="not fetched from"):
        resolve_url(parent, url, "x")


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT"])
def test_a_tree_with_a_name_that_leaves_the_folder_is_refused(workspace, tmp_path, name):
    leaf = repository(tmp_path / "leaf", {"run": b""})
    blob = head(leaf, "HEAD:run")
    entry = f"100644 {name}\0".encode() + bytes.fromhex(blob)
    raw = tmp_path / "raw"
    raw.write_bytes(entry)
    tree = run(leaf, "hash-object", "-t", "tree", "-w", "--literally", raw)
    pinned = run(leaf, "commit-tree", tree, "-m", "bad")
    run(leaf, "update-ref", "refs/heads/bad", pinned)
    with pytest.raises(FetchError, match="the tree has a file named"):
        packed(workspace, archive_of(leaf, pinned), tmp_path)
