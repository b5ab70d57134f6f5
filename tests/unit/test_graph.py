"""Recipes that need recipes: edges from links and locks, rounds, rings, and what is printed."""

import pytest
from rich.console import Console

from zport import recipes
from zport.errors import DefinitionError, UsageError
from zport.recipes import load_recipes
from zport.report.graph import graph_as_dot, print_graph
from zport.resolve import requirements
from zport.resolve.graph import (
    Graph,
    holds_somewhere,
    levels,
    needed,
    order,
    recipe_graph,
)

HASH = "1" * 64


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Writes a recipe; `tested` are the lines of its test lock, `None` leaves the lock out."""
    monkeypatch.setattr(recipes, "RECIPES", tmp_path)

    def write(name, links=(), tested=(), requires=()):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "recipe.toml").write_text(
            f'name = "{name}"\nversion = "1"\nsummary = "s"\n'
            f'[source]\nkind = "pypi"\nfilename = "{name}-1.tar.gz"\nsha256 = "{HASH}"\n'
            f"[build]\nlinks = {list(links)}\nrequires = {list(links)}\n"
            f"[test]\nrequires = {list(requires)}\n"
        )
        pins = "".join(f"{line} --hash=sha256:{HASH}\n" for line in [f"{name}==1", *(tested or ())])
        (folder / "build-requirements.lock").write_text("")
        if tested is not None:
            (folder / "test-requirements.lock").write_text(pins)

    return write


@pytest.fixture
def science(make):
    """numpy; scipy links it; pandas links it and is tested with scipy; leaf is by itself."""
    make("numpy")
    make("scipy", links=["numpy"], tested=["numpy==2", "pooch==1"])
    make("pandas", links=["numpy"], tested=["numpy==2", "SciPy==1", "pytest==8"])
    make("leaf")
    return recipe_graph(load_recipes())


def ring(*names: str, tests: bool = False) -> Graph:
    edges = {a: (b,) for a, b in zip(names, [*names[1:], names[0]], strict=True)}
    none: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    return Graph(none, edges) if tests else Graph(edges, none)


def printed(graph, *names) -> str:
    console = Console(width=120, highlight=False)
    with console.capture() as capture:
        print_graph(console, graph, names)
    return capture.get()


def test_links_and_test_requirements_are_told_apart(science):
    assert science.build == {"leaf": (), "numpy": (), "pandas": ("numpy",), "scipy": ("numpy",)}
    assert science.test == {"leaf": (), "numpy": (), "pandas": ("scipy",), "scipy": ()}


def test_what_has_no_recipe_and_the_wheel_itself_are_no_edges(make):
    make("leaf", tested=["leaf==1", "pytest==8"])
    assert recipe_graph(load_recipes()) == Graph({"leaf": ()}, {"leaf": ()})


@pytest.mark.parametrize(
    ("marker", "needs"),
    [
        ('sys_platform == "win32"', ()),
        ('python_version < "3.11"', ()),
        ('sys_platform == "linux" and python_version >= "3.11"', ("leaf",)),
        ('platform_machine == "s390x"', ("leaf",)),
        ('platform_machine == "vax"', ()),
    ],
)
def test_a_requirement_of_other_platforms_is_no_edge(make, marker, needs):
    make("leaf")
    make("tree", tested=[f"leaf==1 ; {marker}"])
    assert recipe_graph(load_recipes()).test["tree"] == needs
    assert holds_somewhere(marker) == bool(needs)


def test_each_lock_is_read_once(science, monkeypatch):
    read = []
    real = requirements.read_pins
    monkeypatch.setattr(recipes, "read_pins", lambda path: read.append(path) or real(path))
    graph = recipe_graph(load_recipes())
    order(graph)
    needed(graph, ["pandas"])
    assert len(read) == len(set(read)) == 4


def test_what_needs_nothing_of_each_other_is_one_round(science):
    assert levels(science) == [("leaf", "numpy"), ("scipy",), ("pandas",)]
    assert levels(science, tests=False) == [("leaf", "numpy"), ("pandas", "scipy")]
    assert order(science) == ["leaf", "numpy", "scipy", "pandas"]


def test_the_order_does_not_depend_on_the_order_of_reading(science):
    again = recipe_graph(reversed(load_recipes()))
    assert again == science
    assert graph_as_dot(again) == graph_as_dot(science)


def test_the_closure_of_what_is_needed(science):
    assert needed(science, ["pandas"]).names == ["numpy", "pandas", "scipy"]
    assert needed(science, ["pandas"], tests=False).names == ["numpy", "pandas"]
    assert needed(science, ["leaf", "numpy"]).names == ["leaf", "numpy"]
    assert needed(science, []).names == []


def test_an_unknown_name_is_told_with_the_nearest(science):
    with pytest.raises(UsageError, match="did you mean pandas"):
        needed(science, ["panda"])


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("a",), "a -> a"),
        (("b", "a"), "a -> b -> a"),
        (("c", "a", "b"), "a -> b -> c -> a"),
        (("c", "b", "a"), "a -> c -> b -> a"),
    ],
)
@pytest.mark.parametrize("tests", [False, True], ids=["links", "tests"])
def test_a_ring_is_named_from_its_first_name_on(names, shown, tests):
    with pytest.raises(DefinitionError) as caught:
        order(ring(*names, tests=tests))
    assert caught.value.message.endswith(f": {shown}")
    assert "recipes/a/recipe.toml" in caught.value.where
    assert caught.value.where.count("recipe.toml") == len(names)
    assert ("zport lock a" if tests else "build.links") in caught.value.next_step


def test_a_ring_of_tests_alone_does_not_stop_compiling():
    assert levels(ring("a", "b", tests=True), tests=False) == [("a", "b")]


def test_a_ring_in_the_middle_of_others_is_found(make):
    make("base")
    for name, link in [("a", "b"), ("b", "c"), ("c", "a")]:
        make(name, links=[link, "base"])
    make("top", links=["a"])
    with pytest.raises(DefinitionError, match="a -> b -> c -> a"):
        levels(recipe_graph(load_recipes()))


def test_a_recipe_that_links_itself_is_a_ring(make):
    make("a", links=["a"])
    with pytest.raises(DefinitionError, match="a -> a"):
        order(recipe_graph(load_recipes()))


@pytest.mark.parametrize(
    ("link", "step"), [("nunpy", "did you mean numpy?"), ("zzz", "write recipes/zzz/recipe.toml")]
)
def test_an_unknown_link_names_file_and_field(make, link, step):
    make("numpy")
    make("scipy", links=[link])
    with pytest.raises(DefinitionError, match=f"no recipe '{link}'") as caught:
        recipe_graph(load_recipes())
    assert caught.value.where == "recipes/scipy/recipe.toml: build.links"
    assert caught.value.next_step == step


def test_a_missing_lock_is_told(make):
    make("leaf", tested=None, requires=["pytest"])
    with pytest.raises(DefinitionError, match="the lock is missing") as caught:
        recipe_graph(load_recipes())
    assert "leaf/test-requirements.lock" in caught.value.where


def test_a_lock_that_does_not_pin_is_told(make, tmp_path):
    make("leaf")
    (tmp_path / "leaf" / "test-requirements.lock").write_text("pytest>=8\n")
    with pytest.raises(DefinitionError, match="pytest is not pinned"):
        recipe_graph(load_recipes())


def test_the_table_shows_rounds_and_both_kinds_of_need(science):
    lines = [line.split() for line in printed(science).splitlines()]
    assert lines[1:] == [
        ["1", "leaf", "-", "-", "-"],
        ["numpy", "-", "-", "pandas,", "scipy"],
        ["2", "scipy", "numpy", "-", "pandas"],
        ["3", "pandas", "numpy", "scipy", "-"],
    ]


def test_the_table_of_some_shows_what_they_need_and_all_who_need_it(science):
    text = printed(science, "scipy")
    assert "leaf" not in text
    assert [line.split()[-1] for line in text.splitlines()[1:]] == ["scipy", "pandas"]


def test_no_recipe_at_all_is_a_sentence():
    assert printed(Graph({}, {})).startswith("no recipes")


def test_dot_points_at_what_is_needed(science):
    assert graph_as_dot(needed(science, ["pandas"])).splitlines()[3:] == [
        '  "numpy";',
        '  "pandas";',
        '  "pandas" -> "numpy";',
        '  "pandas" -> "scipy" [style=dashed];',
        '  "scipy";',
        '  "scipy" -> "numpy";',
        "}",
    ]


def test_dot_quotes_every_name_and_draws_a_ring():
    name = 'od"d\\name'
    text = graph_as_dot(Graph({name: (name,)}, {name: ()}))
    assert '  "od\\"d\\\\name" -> "od\\"d\\\\name";' in text
    assert graph_as_dot(Graph({}, {})).endswith("}\n")
