"""The graph of recipes, as a table of rounds and as DOT."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from zport.resolve.graph import Graph, levels, needed

TEST_EDGE = " [style=dashed]"


def print_graph(console: Console, graph: Graph, names: Sequence[str] = ()) -> None:
    """The recipes in rounds: those of one round can be built side by side.

    With names only those and what they need. Raises :class:`zport.errors.DefinitionError` when
    recipes need each other in a ring, :class:`zport.errors.UsageError` for an unknown name.
    """
    users = graph.users()
    shown = needed(graph, names) if names else graph
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("round", "recipe", "compiled against", "tested with", "needed by"):
        table.add_column(column)
    for number, together in enumerate(levels(shown), 1):
        for name in together:
            needs = (graph.build[name], graph.test[name], users[name])
            table.add_row(
                str(number) if name == together[0] else "",
                name,
                *(", ".join(part) or "-" for part in needs),
            )
    if table.row_count:
        console.print(table)
    else:
        console.print("no recipes: every wheel is a published one")


def graph_as_dot(graph: Graph) -> str:
    """The graph for Graphviz: an arrow points at what is needed, dashed where only for tests.

    It can be drawn with a ring in it too, which shows where it is.
    """
    lines = ["digraph recipes {", "  rankdir=LR;", "  node [shape=box];"]
    for name in graph.names:
        lines.append(f"  {_quoted(name)};")
        edges = [(need, "") for need in graph.build[name]]
        edges += [(need, TEST_EDGE) for need in graph.test[name]]
        lines += [f"  {_quoted(name)} -> {_quoted(need)}{style};" for need, style in edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
