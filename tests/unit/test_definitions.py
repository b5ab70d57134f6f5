"""Definitions in TOML: every mistake is answered with file, field and expectation."""

import re
import shutil
from pathlib import Path

import pytest
from unreadable import UNREADABLE, put_unreadable

from zport import agents, recipes
from zport.agents import AGENTS, Agent, agent_names, load_agents
from zport.definitions import choose_by_name, load_definition, require_inside
from zport.errors import DefinitionError, UsageError
from zport.recipes import Recipe, load_recipe, recipe_names
from zport.sources.kinds import is_pinned
from zport.targets import TARGETS

AGENT = """\
name = "tiny"
framework = "tiny"
summary = "a small agent"
requirements = ["numpy>=2", "pyyaml"]

[distribution]
PyYAML = "python3-yaml"
"""

TWIG = """[[vendored]]
name = "twig"
version = "1"
folder = "{}"
source = {{ kind = "url", url = "https://example.org/t.zip", filename = "t.zip", sha256 = "" }}

[test]"""


@pytest.fixture
def recipe_text(fixtures: Path) -> str:
    return (fixtures / "project/recipes/leaf/recipe.toml").read_text()


def refused(path: Path, schema: type, text: str) -> str:
    path.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        load_definition(path, schema)
    assert caught.value.exit_code == 3
    said = str(caught.value)
    assert str(path) in said
    return said


def test_a_good_agent_is_read(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(AGENT)
    assert load_definition(path, Agent).distribution == {"PyYAML": "python3-yaml"}


@pytest.mark.parametrize(
    ("find", "put", "told"),
    [
        pytest.param("[distribution]", "[distribution", ["not valid TOML", "line"], id="toml"),
        pytest.param(
            'framework = "tiny"', "framework = 3", ["framework", "string", "3"], id="type"
        ),
        pytest.param('summary = "a small agent"\n', "", ["summary", "required"], id="missing"),
        pytest.param("summary", "sumary", ["sumary", "summary"], id="unknown key, and one missing"),
        pytest.param("framework =", "frame = 1\nframework =", ["frame", "did you mean"], id="near"),
        pytest.param("framework =", "zzz = 1\nframework =", ["zzz", "known are name"], id="far"),
        pytest.param('name = "tiny"', 'name = "Tiny!"', ["name", "pattern", "Tiny!"], id="pattern"),
        pytest.param('"numpy>=2"', '"numpy >> 2"', ["requirements.0", "numpy >> 2"], id="item"),
        pytest.param('["numpy>=2", "pyyaml"]', "[]", ["requirements", "at least 1"], id="empty"),
        pytest.param('agent"', 'agent\\nRUN x"', ["summary", "pattern"], id="an instruction"),
        pytest.param('"python3-yaml"', '"x; y"', ["distribution.PyYAML"], id="shell's characters"),
        pytest.param("PyYAML =", "pillow =", ["distribution.pillow", "requirements"], id="extra"),
        pytest.param(
            "[distribution]",
            '[without]\nPyYAML = "why"\n[distribution]',
            ["without.PyYAML is among"],
            id="without",
        ),
    ],
)
def test_a_bad_agent_is_refused_with_file_field_and_expectation(tmp_path, find, put, told):
    assert find in AGENT
    said = refused(tmp_path / "tiny.toml", Agent, AGENT.replace(find, put, 1))
    assert all(part in said for part in told), said


@pytest.mark.parametrize(
    ("find", "put", "told"),
    [
        pytest.param('sha256 = "', 'sha256 = "0', ["source.sha256", "pattern"], id="long hash"),
        pytest.param("leaf-1.2.tar.gz", "leaf-1.2.rpm", ["source.filename", "rpm"], id="archive"),
        pytest.param(
            "[build]", '[build]\nmode = "cros"', ["build.mode", "'cross'", "cros"], id="mode"
        ),
        pytest.param(
            "[build]", "[build]\nmod = 1", ["build.mod", "did you mean mode"], id="nested"
        ),
        pytest.param('["leaf"]', "[1]", ["test.imports.0", "string"], id="no module's name"),
        pytest.param("{ LEAF =", '{ "A B" =', ["build.environment.A B", "pattern"], id="variable"),
        pytest.param('kind = "pypi"', 'kind = "ftp"', ["source.kind", "'pypi'", "ftp"], id="kind"),
        pytest.param("[test]", "[tset]", ["tset", "did you mean test"], id="no test"),
        pytest.param("[test]", TWIG.format("../up"), ["vendored.0.folder", "../up"], id="leaves"),
        pytest.param("[test]", TWIG.format("a/../b"), ["vendored.0.folder"], id="leaves later"),
        pytest.param("[test]", TWIG.format("/a"), ["vendored.0.folder"], id="absolute"),
        pytest.param('package"', 'package\\nRUN x"', ["summary", "pattern"], id="an instruction"),
        pytest.param(
            "[build]", '[build]\npackages = ["a\\nADD b"]', ["build.packages.0"], id="apt"
        ),
        pytest.param(
            "[build]", '[build]\ntarget_packages = ["$(a)"]', ["target_packages"], id="sh"
        ),
        pytest.param("[build]", '[build]\nfolder = "../up"', ["build.folder"], id="folder"),
        pytest.param('["leaf"]', '["leaf;x"]', ["test.imports.0", "pattern"], id="module"),
        pytest.param('"test_leaf.py"', '"../test.py"', ["test.script"], id="script elsewhere"),
        pytest.param("[test]", '[test]\npackages = ["-o"]', ["test.packages.0"], id="apt's option"),
        pytest.param("[test]", TWIG.format("a b"), ["vendored.0.folder"], id="shell's characters"),
    ],
)
def test_a_bad_recipe_is_refused(tmp_path, recipe_text, find, put, told):
    assert find in recipe_text
    said = refused(tmp_path / "recipe.toml", Recipe, recipe_text.replace(find, put, 1))
    assert all(part in said for part in told), said


def test_a_link_that_is_not_required_is_told(tmp_path, recipe_text):
    text = recipe_text.replace("[build]", '[build]\nrequires = ["twig"]\nlinks = ["twigg"]')
    assert "build.links: twigg is not among build.requires" in refused(
        tmp_path / "recipe.toml", Recipe, text
    )


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DefinitionError, match="no such file") as caught:
        load_definition(tmp_path / "gone.toml", Agent)
    assert "gone.toml" in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "tiny.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(DefinitionError, match="not UTF-8"):
        load_definition(tmp_path / "tiny.toml", Agent)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_definition_that_cannot_be_read_is_named(tmp_path, kind):
    path, said = put_unreadable(tmp_path / "tiny.toml", kind)
    with pytest.raises(DefinitionError, match=said) as caught:
        load_definition(path, Agent)
    assert str(path) in caught.value.where
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a = " + "[" * 20_000, "nested too deeply", id="deep"),
        pytest.param("a = " + "1" * 5000, r"not valid TOML: .*5000 digits$", id="digits"),
        pytest.param("name = 0x" + "1" * 5000, "an? int too large to show", id="hexadecimal"),
        pytest.param(f"name = [{'1, ' * 5000}]", "found .{200}…$", id="long"),
    ],
)
def test_what_is_beyond_a_parser_is_one_message(tmp_path, text, said):
    told = refused(tmp_path / "tiny.toml", Agent, text)
    assert re.search(said, told, re.MULTILINE), told
    assert "next: " in told
    assert len(told) < 600


def test_links_in_a_ring_are_of_no_folder_and_no_traceback(tmp_path):
    (tmp_path / "ring").symlink_to("ring")
    require_inside(tmp_path, "ring", where=tmp_path)
    with pytest.raises(DefinitionError, match="leads out"):
        require_inside(tmp_path / "ring", "../up", where=tmp_path)


def test_more_mistakes_are_counted(tmp_path):
    said = refused(tmp_path / "tiny.toml", Agent, 'name = "tiny"')
    assert "2 more follow" in said


@pytest.mark.parametrize(
    ("name", "hint"), [("onnx", "did you mean onnxruntime"), ("zzzz", "choose from")]
)
def test_an_unknown_agent_is_answered_with_the_nearest_name(name, hint):
    with pytest.raises(UsageError, match=hint):
        load_agents(name)


def test_a_list_of_agents_has_each_once():
    known = agent_names()
    assert [agent.name for agent in load_agents("all")] == known
    assert [agent.name for agent in load_agents(f"{known[0]}, {known[0]}")] == known[:1]


def test_an_unknown_recipe_is_answered_with_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean mlcommons-loadgen"):
        load_recipe("mlcommon-loadgen")


def test_a_recipe_is_found_by_any_spelling_of_its_name():
    assert load_recipe("MLCommons_LoadGen").name == "mlcommons-loadgen"


@pytest.mark.parametrize("name", agent_names())
def test_every_agent_of_the_project_has_the_name_of_its_file(name):
    agent = load_definition(AGENTS / f"{name}.toml", Agent)
    assert agent.name == name
    assert agent.lock.is_file()


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_the_project_is_whole(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.build_requirements
    assert recipe.test.script is None or (recipe.folder / recipe.test.script).is_file()
    for target in TARGETS.values():
        recipe.patches(target)


@pytest.fixture
def two_versions(tmp_path, fixtures, monkeypatch):
    """Recipes of leaf 1.2, which is taken by default, and of leaf 2.0, which is not pinned."""
    shutil.copytree(fixtures / "project/recipes", tmp_path / "recipes")
    monkeypatch.setattr(recipes, "RECIPES", tmp_path / "recipes")
    text = (tmp_path / "recipes/leaf/recipe.toml").read_text()
    text = text.replace('version = "1.2"', 'version = "2.0"\nnot_run = "no source here"', 1)
    later = tmp_path / "recipes/leaf/2.0/recipe.toml"
    later.parent.mkdir()
    later.write_text(re.sub(r'sha256 = ".*"', f'sha256 = "{"0" * 64}"', text))
    return later


def test_other_versions_of_a_package_are_asked_for_by_version(two_versions):
    assert recipe_names() == ["leaf"]
    assert [load_recipe(n).version for n in ("leaf", "leaf==1.2", "Leaf==2.0")] == [
        "1.2",
        "1.2",
        "2.0",
    ]
    default, later = load_recipe("leaf"), load_recipe("leaf==2.0")
    assert (default.title, later.title) == ("leaf", "leaf-2.0")
    assert later.folder == two_versions.parent
    assert str(later.file) == "recipes/leaf/2.0/recipe.toml"
    assert str(default.file) == "recipes/leaf/recipe.toml"
    with pytest.raises(UsageError, match=r"(?s)unknown version of leaf .2.1.*choose from 1.2, 2.0"):
        load_recipe("leaf==2.1")


def test_only_what_never_ran_may_be_without_a_pin(two_versions):
    assert not is_pinned(load_recipe("leaf==2.0").source)
    text = two_versions.read_text().replace('not_run = "no source here"\n', "")
    assert "only a recipe with not_run" in refused(two_versions, Recipe, text)


@pytest.mark.parametrize("name", ["leaf", "nowhere"])
def test_a_recipe_shares_with_another_recipe(two_versions, name):
    text = two_versions.read_text().replace('name = "leaf"', f'name = "leaf"\nshares = "{name}"')
    assert f"there is no other recipe {name}" in refused(two_versions, Recipe, text)


def test_a_recipe_takes_the_patches_of_its_version_and_target(tmp_path, fixtures, monkeypatch):
    shutil.copytree(fixtures / "project/recipes", tmp_path / "recipes")
    patches = tmp_path / "patches/leaf"
    patches.mkdir(parents=True)
    for name, gate in {
        "0002-order": "X-Zport-Targets: big-endian\n",
        "0001-all": "",
        "0003-later": "X-Zport-Versions: >=2\n",
    }.items():
        (patches / f"{name}.patch").write_text(
            f"Description: {name}\nForwarded: no\n{gate}--- a/leaf.c\n+++ b/leaf.c\n"
        )
    monkeypatch.setattr(recipes, "RECIPES", tmp_path / "recipes")
    monkeypatch.setattr(recipes, "PATCHES", tmp_path / "patches")
    recipe = load_recipe("leaf")
    assert [p.path.stem for p in recipe.patches(TARGETS["s390x"])] == ["0001-all", "0002-order"]
    assert [p.path.stem for p in recipe.patches(TARGETS["amd64"])] == ["0001-all"]


def test_the_lock_of_an_agent_lies_beside_it(monkeypatch, tmp_path):
    monkeypatch.setattr(agents, "AGENTS", tmp_path)
    (tmp_path / "tiny.toml").write_text(AGENT)
    assert load_agents("tiny")[0].lock == tmp_path / "tiny.lock"


def test_a_known_name_is_taken_as_it_is():
    assert choose_by_name("engine", "docker", ["buildah", "docker"]) == "docker"
