"""The graph of recipes: which wheels must be there before another one is built or tested.

A recipe needs those that it is compiled against (``build.links``), and those that its wheel and
its tests import (the pins of its test lock that have a recipe). The two are told apart: a change
of the first changes the wheel, a change of the second only what is known of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from zport.definitions import choose_by_name
from zport.distribution import TRIXIE
from zport.errors import DefinitionError
from zport.recipes import Recipe
from zport.resolve.requirements import holds
from zport.targets import TARGETS

Edges = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Graph:
    """What recipes need of each other, by name and sorted.

    ``build`` is what a recipe is compiled against, ``test`` what it needs besides to be tested.
    Both have every recipe as a key.
    """

    build: Edges
    test: Edges

    @property
    def names(self) -> list[str]:
        return list(self.build)

    def needs(self, name: str, *, tests: bool = True) -> tuple[str, ...]:
        """What a recipe needs at first hand; without its tests only what it is compiled against."""
        return tuple(sorted({*self.build[name], *(self.test[name] if tests else ())}))

    def users(self, *, tests: bool = True) -> dict[str, list[str]]:
        """Of each recipe, those that need it at first hand."""
        users: dict[str, list[str]] = {name: [] for name in self.names}
        for name in self.names:
            for need in self.needs(name, tests=tests):
                users[need].append(name)
        return users


def recipe_graph(recipes: Iterable[Recipe]) -> Graph:
    """The graph of these recipes. Each lock is read once.

    Raises :class:`DefinitionError` for a link that is no recipe, and for a lock that is missing or
    does not pin.
    """
    known = {recipe.name: recipe for recipe in sorted(recipes, key=lambda recipe: recipe.name)}
    build = {name: _links(recipe, known) for name, recipe in known.items()}
    test = {
        name: tuple(sorted(_tested_with(recipe) & known.keys() - {name, *build[name]}))
        for name, recipe in known.items()
    }
    return Graph(build, test)


def _links(recipe: Recipe, known: Mapping[str, Recipe]) -> tuple[str, ...]:
    for link in recipe.build.links:
        if link not in known:
            near = get_close_matches(link, known, n=1)
            raise DefinitionError(
                f"there is no recipe {link!r}",
                where=f"{_file(recipe.name)}: build.links",
                next_step=f"did you mean {near[0]}?" if near else f"write {_file(link)}",
            )
    return tuple(sorted(set(recipe.build.links)))


def _tested_with(recipe: Recipe) -> set[str]:
    return {pin.name for pin in recipe.test_requirements if holds_somewhere(pin.marker)}


def holds_somewhere(marker: str | None) -> bool:
    """Whether an environment marker is true on any target, for the distribution's Python."""
    return any(holds(marker, target, TRIXIE) for target in TARGETS.values())


def levels(graph: Graph, *, tests: bool = True) -> list[tuple[str, ...]]:
    """The recipes in rounds: those of one round can be built side by side, after all before.

    Raises :class:`DefinitionError` that names the cycle when recipes need each other in a ring.
    """
    sorter = TopologicalSorter({name: graph.needs(name, tests=tests) for name in graph.names})
    try:
        sorter.prepare()
    except CycleError as error:
        # Each name of the ring is needed by the next one.
        raise _cycle(graph, list(reversed(error.args[1]))) from error
    rounds = []
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        rounds.append(tuple(sorted(ready)))
    return rounds


def order(graph: Graph, *, tests: bool = True) -> list[str]:
    """The recipes, each after all that it needs; always the same order for the same graph.

    Raises as :func:`levels` does.
    """
    return [name for together in levels(graph, tests=tests) for name in together]


def _cycle(graph: Graph, ring: list[str]) -> DefinitionError:
    ring = _from_first_name(ring)
    for_tests = [name for name, need in pairwise(ring) if need in graph.test[name]]
    step = "take one of them out of build.links"
    if for_tests:
        step = f"take one out of test.requires of {for_tests[0]}, then: zport lock {for_tests[0]}"
    return cycle_error(ring, step)


def cycle_error(ring: list[str], step: str) -> DefinitionError:
    """What is said of recipes that need each other; the last of the ring is its first again."""
    ring = _from_first_name(ring)
    return DefinitionError(
        "recipes need each other in a ring: " + " -> ".join(ring),
        where=", ".join(map(_file, ring[:-1])),
        next_step=step,
    )


def _from_first_name(ring: list[str]) -> list[str]:
    members = ring[:-1]
    first = members.index(min(members))
    return [*members[first:], *members[: first + 1]]


def needed(graph: Graph, names: Iterable[str], *, tests: bool = True) -> Graph:
    """The part of the graph that the named recipes need, they themselves included.

    Raises :class:`zport.errors.UsageError` for a name that is no recipe.
    """
    waiting = [choose_by_name("recipe", name, graph.names) for name in names]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += graph.needs(name, tests=tests)
    return Graph(_among(graph.build, reached), _among(graph.test, reached))


def _among(edges: Edges, names: set[str]) -> Edges:
    return {
        name: tuple(need for need in needs if need in names)
        for name, needs in edges.items()
        if name in names
    }


def _file(name: str) -> str:
    return f"recipes/{name}/recipe.toml"
