"""What goes into a workflow from outside: options of ``zport ci``, and the pinned actions."""

import pytest
from unreadable import UNREADABLE, put_unreadable

from zport.cli.ci import IMAGE, ci
from zport.errors import DefinitionError, UsageError
from zport.workflows import rendering
from zport.workflows.rendering import check_form, pinned, read_actions

REPOSITORY = "https://example.org/team/zport"


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("image", "x\ny: z"),
        ("image", "debian trixie"),
        ("image", ""),
        ("image", "$(id)"),
        ("image", "a/${{ secrets.X }}"),
        ("image", "debian@sha256:12"),
        ("repository", "a b"),
        ("repository", "--upload-pack=x"),
        ("repository", ""),
        ("repository", "https://example.org/{{workflow.name}}"),
        ("revision", "$(id)"),
        ("revision", "-x"),
        ("revision", "main\n"),
        ("revision", ""),
    ],
)
def test_what_an_option_may_not_be_is_refused_by_its_name(option, text):
    given = {"registry": "registry.example.org/team", "repository": REPOSITORY, option: text}
    with pytest.raises(UsageError, match="is not") as caught:
        ci("argo", **given)
    assert caught.value.where == f"--{option}"
    assert caught.value.next_step.startswith("such as ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--image", IMAGE),
        ("--image", f"localhost:5000/team/debian:13@sha256:{'a' * 64}"),
        ("--image", "registry.example.org/debian"),
        ("--repository", REPOSITORY),
        ("--repository", "git@example.org:team/zport.git"),
        ("--repository", "ssh://git@example.org:22/~team/zport"),
        ("--repository", "/srv/git/zport"),
        ("--revision", "main"),
        ("--revision", "release/1.0-rc+1"),
        ("--revision", "v1"),
    ],
)
def test_what_an_option_may_be_is_taken(option, text):
    assert check_form(text, option) == text


@pytest.fixture
def actions(tmp_path, monkeypatch):
    """A file of pinned actions of the test's own."""
    path = tmp_path / "actions.toml"
    monkeypatch.setattr(rendering, "ACTIONS", path)
    read_actions.cache_clear()
    yield path
    read_actions.cache_clear()


@pytest.mark.parametrize(
    "text", ["", '"actions/checkout" = 3', '["actions/checkout"]\ncommit = "1"']
)
def test_an_action_without_a_pin_is_refused(actions, text):
    actions.write_text(text)
    with pytest.raises(DefinitionError, match="no pin for actions/checkout") as caught:
        pinned("actions/checkout")
    assert "commit and version" in caught.value.next_step


@pytest.mark.parametrize("kind", UNREADABLE)
def test_actions_that_cannot_be_read_are_told(actions, kind):
    path, said = put_unreadable(actions, kind)
    with pytest.raises(DefinitionError, match=said) as caught:
        pinned("actions/checkout")
    assert caught.value.where == str(path)


@pytest.mark.parametrize("text", ["[actions", "a = " + "[" * 20_000, "a = " + "1" * 5000])
def test_actions_that_are_no_toml_are_told(actions, text):
    actions.write_text(text)
    with pytest.raises(DefinitionError, match="not valid TOML") as caught:
        pinned("actions/checkout")
    assert caught.value.where == str(actions)
    assert caught.value.next_step
