"""How long a thousand recipes take to load and to put in order.

``python -m tests.bench.planning``, from the project's folder; it needs no root and no network. The
recipes are made in a temporary folder, with locks, patches, and needs of each other as real ones
have: a few foundations that many are compiled against, and some that their tests import.

Each phase is run several times, and the fastest counts: it is the one that other work on the
machine disturbed least. The files are in the page cache then. The last lines say what loading and
the graph are made of.
"""

from __future__ import annotations

import json
import random
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zport import recipes
from zport.recipes import Recipe, load_recipe, load_recipes, recipe_names
from zport.resolve.graph import needed, order, recipe_graph
from zport.targets import DEFAULT

AIM = 1.0
"""Seconds for all that a plan of a thousand recipes needs."""
HASHES = (2, 2, 2, 8, 25, 70)
"""Files of a version on the index: two for pure Python, one a platform for compiled packages."""
TOOLS = ("setuptools", "wheel", "packaging", "cython", "meson-python", "pyproject-metadata")
RUN_TIME = (
    "typing-extensions",
    "python-dateutil",
    "six",
    "tzdata",
    "pytest",
    "pluggy",
    "iniconfig",
)

RECIPE = """\
# Made by tests/bench/planning.py.
name = "{name}"
version = "1.0.0"
summary = "A package of the benchmark"

[source]
kind = "pypi"
filename = "{name}-1.0.0.tar.gz"
sha256 = "{sha256}"

[build]
mode = "cross"
requires = {requires}
links = {links}
packages = ["pkg-config"]
target_packages = ["libopenblas-dev"]

[test]
imports = ["{module}"]
requires = ["pytest>=8"]

[suite]
pytest = ["-q", "tests"]
files = ["tests"]
"""
PATCH = """\
Description: read numbers in the file's byte order
Forwarded: no
X-Zport-Targets: big-endian
---
--- a/leaf.c
+++ b/leaf.c
@@ -1 +1 @@
-int leaf;
+long leaf;
"""


@dataclass(frozen=True)
class Phase:
    """One thing that was done for all recipes, and its seconds."""

    name: str
    seconds: float
    part_of_all: bool = True


def make_recipes(folder: Path, count: int, chance: random.Random) -> None:
    """Write that many recipes, each needing only earlier ones, so that there is no ring."""
    names = [f"package-{number:04}" for number in range(count)]
    for number, name in enumerate(names):
        near = names[max(0, number - 200) : number]
        foundations = names[: min(number, 8)]
        links = chance.sample(foundations, min(len(foundations), chance.choice((0, 0, 1, 1, 2))))
        tested = {*links, *chance.sample(near, min(len(near), chance.choice((0, 1, 2, 4))))}
        tools = chance.sample(TOOLS, 4)
        here = folder / "recipes" / name
        here.mkdir(parents=True)
        text = RECIPE.format(
            name=name,
            module=name.replace("-", "_"),
            sha256=_sha256(chance),
            requires=json.dumps([*tools, *links]),
            links=json.dumps(links),
        )
        (here / "recipe.toml").write_text(text)
        (here / recipes.BUILD_LOCK).write_text(_lock([*tools, *links], chance))
        (here / recipes.TEST_LOCK).write_text(_lock([name, *tested, *RUN_TIME], chance))
        if number % 5 == 0:
            patches = folder / "patches" / name
            patches.mkdir(parents=True)
            (patches / "0001-byte-order.patch").write_text(PATCH)


def _lock(names: list[str], chance: random.Random) -> str:
    lines = ["# Made by tests/bench/planning.py."]
    for name in sorted(names):
        hashes = [f"    --hash=sha256:{_sha256(chance)}" for _ in range(chance.choice(HASHES))]
        lines.append(" \\\n".join([f"{name}==1.0.0", *hashes]))
    return "\n".join(lines) + "\n"


def _sha256(chance: random.Random) -> str:
    return f"{chance.getrandbits(256):064x}"


def measure(runs: int) -> list[Phase]:
    """The phases of a plan, then what they are made of."""
    loaded = load_recipes()
    graph = recipe_graph(loaded)
    texts = [recipe.folder / "recipe.toml" for recipe in loaded]
    raw = [tomllib.loads(path.read_text()) for path in texts]
    last = graph.names[-1]

    def phase(name: str, do: Callable[[], object], *, part: bool = True) -> Phase:
        return Phase(name, min(_seconds(do) for _ in range(runs)), part)

    return [
        phase("load every recipe", load_recipes),
        phase("graph, from every test lock", lambda: recipe_graph(loaded)),
        phase("order", lambda: order(graph)),
        phase("closure of one recipe", lambda: needed(graph, [last])),
        phase("build locks", lambda: [recipe.build_requirements for recipe in loaded]),
        phase("patches", lambda: [recipe.patches(DEFAULT) for recipe in loaded]),
        phase("of loading: TOML", lambda: [tomllib.loads(path.read_text()) for path in texts],
              part=False),
        phase("of loading: pydantic", lambda: [Recipe.model_validate(one) for one in raw],
              part=False),
        phase("of the graph: test locks", lambda: [recipe.test_requirements for recipe in loaded],
              part=False),
        Phase("instead: load_recipe() of each name",
              _seconds(lambda: [load_recipe(name) for name in recipe_names()]), False),
    ]  # fmt: skip


def _seconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def main(
    count: Annotated[int, typer.Option(min=1, help="recipes to make")] = 1000,
    runs: Annotated[int, typer.Option(min=1, help="times that each phase is run")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Make the recipes, measure, and fail if all together take longer than the aim."""
    with TemporaryDirectory(prefix="zport-planning.") as name:
        folder = Path(name)
        recipes.RECIPES, recipes.PATCHES = folder / "recipes", folder / "patches"
        make_recipes(folder, count, random.Random(count))
        phases = measure(runs)
    total = sum(phase.seconds for phase in phases if phase.part_of_all)
    if as_json:
        values = {"recipes": count, "phases": [asdict(phase) for phase in phases]}
        print(json.dumps({**values, "total": total, "aim": AIM}, indent=2))
    else:
        _print(count, phases, total)
    raise typer.Exit(0 if total < AIM else 1)


def _print(count: int, phases: list[Phase], total: float) -> None:
    table = Table("phase", "seconds", "ms a recipe", title=f"Planning {count} recipes")
    parts = [phase for phase in phases if phase.part_of_all]
    for phase in [*parts, Phase("all", total), *phases[len(parts) :]]:
        table.add_row(
            phase.name,
            f"{phase.seconds:.3f}",
            f"{phase.seconds / count * 1000:.3f}",
            end_section=phase in (parts[-1], Phase("all", total)),
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
