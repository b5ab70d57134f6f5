"""The resolver: which provider each requirement gets on each target."""

import hashlib
import shutil

import pytest

from zport import agents, recipes
from zport.agents import load_agents
from zport.distribution import TRIXIE
from zport.errors import BlockedError, DefinitionError, UsageError
from zport.recipes import load_recipe
from zport.resolve.providers import Resolver, require_unblocked
from zport.resolve.requirements import Pin
from zport.sources.pypi import IndexFile
from zport.targets import TARGETS

S390X, AMD64 = TARGETS["s390x"], TARGETS["amd64"]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Answers:
    """What an index would answer, by package and target name; ``asked`` counts."""

    def __init__(self, **files: IndexFile | None) -> None:
        self.files = files
        self.asked: list[tuple[str, str]] = []

    def wheel(self, name, version, target, distribution):
        assert distribution is TRIXIE
        self.asked.append((name, target.name))
        return self.files.get(name.replace("-", "_"))


PURE = IndexFile("pure-thing", "3.0", "pure_thing-3.0-py3-none-any.whl", sha256("pure"))
GLUE = IndexFile("old-glue", "1.0", "old_glue-1.0-cp313-cp313-linux_x86_64.whl", sha256("glue"))


@pytest.fixture
def project(tmp_path, fixtures, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(fixtures / "project", folder)
    monkeypatch.setattr(agents, "AGENTS", folder / "agents")
    monkeypatch.setattr(recipes, "RECIPES", folder / "recipes")
    return folder


@pytest.fixture
def resolve(workspace, project):
    def resolve(target=S390X, **files):
        [agent] = load_agents("tiny")
        index = Answers(**{"pure_thing": PURE, "old_glue": GLUE, **files})
        return {one.name: one for one in Resolver(workspace, index, TRIXIE).resolve(agent, target)}

    return resolve


def test_the_recipe_of_the_pinned_version_is_taken(workspace, project):
    shutil.copytree(project / "recipes/leaf", project / "recipes/leaf/2.0")
    later = project / "recipes/leaf/2.0/recipe.toml"
    later.write_text(later.read_text().replace('version = "1.2"', 'version = "2.0"', 1))
    resolver = Resolver(workspace, Answers(), TRIXIE)
    for version, kind in (("1.2", "recipe"), ("2.0", "recipe"), ("2.1", "blocked")):
        provided = resolver.provide(Pin("leaf", version, frozenset()), S390X)
        assert (provided.kind, provided.version) == (kind, version)
        if kind == "recipe":
            assert resolver.recipe_of("leaf", version).version == version


def test_each_requirement_has_its_provider(resolve):
    found = resolve()
    assert {name: one.kind for name, one in found.items()} == {
        "leaf": "recipe",
        "numpy": "distribution",
        "pure-thing": "pure",
    }
    assert found["numpy"].package == "python3-numpy"
    assert found["pure-thing"].file == PURE
    assert found["leaf"].version == "1.2"
    assert list(found) == sorted(found)


def test_a_marker_is_read_for_the_target_and_not_for_the_host(resolve):
    assert resolve(AMD64)["old-glue"].kind == "published"
    assert "old-glue" not in resolve(S390X)


def test_what_the_agent_goes_without_is_left_out(resolve, project):
    path = project / "agents/tiny.toml"
    path.write_text(path.read_text() + '[without]\nOld_Glue = "nobody imports it"\n')
    assert sorted(resolve(AMD64)) == ["leaf", "numpy", "pure-thing"]


def test_what_the_distribution_provides_is_not_taken_from_the_lock_too(resolve, project):
    lock = project / "agents/tiny.lock"
    lock.write_text(lock.read_text() + f"numpy==2.9 --hash=sha256:{sha256('numpy')}\n")
    assert resolve()["numpy"].kind == "distribution"


def test_to_go_without_what_nothing_requires_is_told(resolve, project):
    path = project / "agents/tiny.toml"
    path.write_text(path.read_text() + '[without]\nsympy = "nobody imports it"\n')
    with pytest.raises(DefinitionError, match=r"without\.sympy: nothing requires it") as caught:
        resolve()
    assert "tiny.toml" in str(caught.value)


@pytest.mark.parametrize("name", ["", "tinny", "tiny,"])
def test_an_agent_that_is_not_there_is_told(project, name):
    with pytest.raises(UsageError, match="unknown agent"):
        load_agents(name)


def test_all_agents_may_be_named_beside_others(project):
    assert load_agents("tiny,all") == load_agents("all")


def test_a_definition_is_called_as_its_file(project):
    shutil.copy(project / "agents/tiny.toml", project / "agents/other.toml")
    with pytest.raises(DefinitionError, match=r"other\.toml: name: this is the file of 'other'"):
        load_agents("other")
    shutil.copytree(project / "recipes/leaf", project / "recipes/twig")
    with pytest.raises(DefinitionError, match=r"twig/recipe\.toml: name: .* found 'leaf'"):
        load_recipe("twig")


def test_a_recipe_of_another_version_is_not_taken(resolve, project):
    path = project / "recipes/leaf/recipe.toml"
    path.write_text(path.read_text().replace('version = "1.2"', 'version = "1.1"'))
    found = resolve()["leaf"]
    assert found.kind == "blocked"
    assert "no wheel of leaf==1.2 for s390x" in found.reason


def test_a_file_that_the_lock_does_not_know_is_blocked(resolve):
    other = IndexFile("pure-thing", "3.0", PURE.filename, sha256("another"))
    found = resolve(pure_thing=other)["pure-thing"]
    assert found.kind == "blocked"
    assert PURE.filename in found.reason


def test_all_blocked_requirements_are_told_at_once(resolve, project):
    shutil.rmtree(project / "recipes/leaf")
    found = resolve(pure_thing=None)
    with pytest.raises(BlockedError) as caught:
        require_unblocked(list(found.values()), load_agents("tiny")[0], S390X)
    assert "leaf==1.2" in str(caught.value)
    assert "pure-thing==3.0" in str(caught.value)
    assert "agent tiny on s390x" in str(caught.value)
    assert caught.value.exit_code == 8


def test_what_the_index_answered_is_kept_until_the_pin_changes(workspace, project):
    [agent] = load_agents("tiny")
    index = Answers(pure_thing=PURE)
    for _ in range(2):
        Resolver(workspace, index, TRIXIE).resolve(agent, S390X)
    assert index.asked == [("leaf", "s390x"), ("pure-thing", "s390x")]
    lock = agent.lock
    lock.write_text(lock.read_text().replace(sha256("pure-sdist"), sha256("new")))
    Resolver(workspace, index, TRIXIE).resolve(agent, S390X)
    assert index.asked[2:] == [("pure-thing", "s390x")]


LEAF = IndexFile("leaf", "1.2", "leaf-1.2-py3-none-any.whl", sha256("leaf"))


def asked(workspace, file, **how):
    """What a resolver says of a pin whose index has this file or none, and how often it asks."""
    index = Answers(leaf=file)
    pin = Pin("leaf", "1.2", frozenset({LEAF.sha256}))
    return Resolver(workspace, index, TRIXIE, **how).wheel(pin, S390X).kind, len(index.asked)


def test_that_there_is_no_wheel_is_kept_for_a_build_alone(workspace, project):
    assert asked(workspace, None) == ("blocked", 1)
    assert asked(workspace, LEAF) == ("blocked", 0)
    assert asked(workspace, LEAF, keep_absent=False) == ("pure", 1)
    assert asked(workspace, None) == ("pure", 0)


def test_that_there_was_no_wheel_is_asked_again_without_keeping_it(workspace, project):
    for file, kind in ((None, "blocked"), (None, "blocked"), (LEAF, "pure")):
        assert asked(workspace, file, keep_absent=False) == (kind, 1)
    assert asked(workspace, None, keep_absent=False) == ("pure", 0)


def test_refreshed_the_index_is_asked_again(workspace, project):
    scan = {"refresh": True, "keep_absent": False}
    for file, kind in ((LEAF, "pure"), (None, "blocked"), (LEAF, "pure"), (None, "blocked")):
        assert asked(workspace, file, **scan) == (kind, 1)
    assert asked(workspace, LEAF) == ("pure", 1), "what is gone is not kept"


@pytest.mark.parametrize(
    ("find", "put"), [("leaf==1.2", "leaf==0.9"), ("pure-thing==3.0", "pure-thin==3.0")]
)
def test_a_lock_that_does_not_satisfy_the_agent_is_told(resolve, project, find, put):
    lock = project / "agents/tiny.lock"
    lock.write_text(lock.read_text().replace(find, put))
    with pytest.raises(
        DefinitionError, match=r"does not satisfy '(leaf>=1.0|pure-thing)'"
    ) as caught:
        resolve()
    assert "zport lock tiny" in str(caught.value)
