"""Models and imported manifests on the terminal, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zport.models import Model
from zport.models.foreign import Foreign

SCHEMA = 1


def model_row(model: Model, frameworks: Sequence[str]) -> dict[str, Any]:
    """What the list says of one model. ``frameworks`` are those that some agent runs."""
    manifest, own = model.manifest, model.manifest.extension()
    return {
        "name": model.name,
        "task": model.task,
        "framework": manifest.framework.name,
        "agent": manifest.framework.name in frameworks,
        "weights": own.weights,
        "megabytes": own.megabytes,
        "gflop": own.gflop,
        "heavy": model.is_heavy,
        "licence": manifest.license,
        "smoke": own.smoke,
        "inputs": len(own.inputs),
        "expected": model.expected.is_file(),
    }


def print_models(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Print the list of models."""
    table = _table("model", "task", "weights", "MB", "GFLOP", "licence", "set")
    for column in (3, 4):
        table.columns[column].justify = "right"
    for row in rows:
        size = "" if row["megabytes"] is None else f"{row['megabytes']:.1f}"
        cost = "" if row["gflop"] is None else f"{row['gflop']:.3g}"
        table.add_row(
            row["name"], row["task"], row["weights"], size, cost, row["licence"], _set_of(row)
        )
    console.print(table)
    counts = Counter(row["weights"] for row in rows)
    parts = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), reverse=True))
    console.print(f"{len(rows)} models: {parts}")


def _set_of(row: dict[str, Any]) -> str:
    if not row["agent"]:
        return "no agent yet"
    return "smoke" if row["smoke"] else "heavy" if row["heavy"] else ""


def print_foreign(console: Console, found: Sequence[Foreign]) -> None:
    """Print of each manifest whether it can be run, and what is missing."""
    table = _table("manifest", "kind", "state", "what is missing and what next")
    for one in found:
        state = Text("runnable", "green") if one.runnable else Text("not yet", "red")
        table.add_row(Text(one.name), one.generation, state, _missing(one))
    console.print(table)
    console.print(summary(found))


def summary(found: Sequence[Foreign]) -> str:
    """How many can be run."""
    return f"{sum(one.runnable for one in found)} of {len(found)} manifests can be run"


def _missing(one: Foreign) -> Text:
    text = Text()
    for finding in one.findings:
        text.append("\n" if text else "")
        text.append(f"{finding.subject}: {finding.text}", "" if finding.hinders else "dim")
        if finding.next_step:
            text.append(f"\n  next: {finding.next_step}", "dim")
    return text


def foreign_as_json(found: Sequence[Foreign]) -> dict[str, Any]:
    """The same as data."""
    return {
        "schema": SCHEMA,
        "manifests": [
            {
                "path": str(one.path),
                "name": one.name,
                "kind": one.generation,
                "framework": one.manifest.framework.name if one.manifest else None,
                "runnable": one.runnable,
                "findings": [vars(finding) for finding in one.findings],
            }
            for one in found
        ],
    }


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
