"""What a diff found, as a record for the page, and as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from zport.workspace import Workspace, read_json, write_json

SCHEMA = 1
STYLES = {"pass": "green", "differs": "red", "fails": "red"}


def keep_record(workspace: Workspace, record: dict[str, Any]) -> Path:
    """Write ``results/diff/<model>-<candidate>-against-<reference>-<input>.json``.

    ``operator`` is None or has ``node``, ``op_type``, ``inputs``, ``outputs`` and ``hint``;
    ``wrong`` in it names the sides that exact arithmetic, or the model's file, says are wrong.
    """
    sides = record["sides"]
    names = f"{record['model']}-{sides['candidate']}-against-{sides['reference']}"
    name = f"{names}-{record['input']}".replace(" on ", "-").replace(" ", "-").replace("/", "_")
    return write_json(workspace.results / "diff" / f"{name}.json", record)


def kept_operators(workspace: Workspace) -> dict[tuple[str, str], dict[str, Any] | None]:
    """For the page, what the latest diff found, by the model's name and the image's key:
    ``operator`` (its type), ``node``, ``hint``, ``wrong``, and the ``inputs`` by name with how
    their sides compare; None where it found no operator.
    """
    paths = (workspace.results / "diff").glob("*.json")
    found = {}
    for path in sorted(paths, key=lambda one: one.stat().st_mtime):
        if record := read_json(path):
            image_key = record["images"]["candidate"].rpartition("-")[2]
            found[record["model"], image_key] = _brief(record)
    return found


def _brief(record: dict[str, Any]) -> dict[str, Any] | None:
    operator = record["operator"]
    if operator is None:
        return None
    return {
        "operator": operator["op_type"],
        "node": operator["node"],
        "hint": operator["hint"],
        "wrong": wrong_phrase(operator, record["sides"]),
        "inputs": [f"{one['name']}: {_input_phrase(one)}" for one in operator["inputs"]],
    }


def print_record(console: Console, record: dict[str, Any]) -> None:
    """Print what was found; without colour it reads the same."""
    sides, operator = record["sides"], record["operator"]
    say = _Sayer(console).say
    say(f"{record['model']}: {sides['candidate']} against {sides['reference']}, "
        f"input {record['input']}", style="bold")  # fmt: skip
    if record["preprocessing"]:
        say(f"preprocessing differs: {record['preprocessing']}; both sides ran on the reference's")
    for level, outcome in record["levels"].items():
        say(f"optimizations {level}: outputs {outcome['verdict']}", STYLES[outcome["verdict"]])
        _outputs(say, outcome)
    for side, why in record.get("failed", {}).items():
        say(f"{sides[side]} fails: {why}", "red")
    if record["only_optimized"]:
        say(f"only with optimizations, from level {record['level']} on; below, what the operator "
            "was given is from runs without")  # fmt: skip
    if operator is None:
        say(_no_operator(record))
        return
    _operator(console, say, record, operator)


class _Sayer:
    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str, style: str | None = None) -> None:
        self.console.print(text, style=style, soft_wrap=True, markup=False)


def _outputs(say: Any, outcome: dict[str, Any]) -> None:
    for side, why in outcome["failed"].items():
        say(f"  {side}: {why}")
    for output in outcome["outputs"]:
        if output["verdict"] != "pass":
            say(f"  output {output['name']}: {'; '.join([*output['reasons'], *measures(output)])}")


def measures(output: dict[str, Any]) -> list[str]:
    """A comparison's numbers in a few words."""
    words = []
    if output["largest_absolute"] is not None:
        words.append(f"largest error {output['largest_absolute']:.2e}")
    if output["ulp"]:
        words.append(f"ULP {output['ulp']['largest']:g}, median {output['ulp']['median']:g}")
    if output["cosine"] is not None:
        words.append(f"cosine {output['cosine']:.4f}")
    if output["not_finite"]:
        words.append(f"{output['not_finite']} NaN or infinite on one side only")
    return words


def _no_operator(record: dict[str, Any]) -> str:
    if record["verdict"] == "pass":
        return "the outputs agree; there is no operator to look for"
    if record["only_optimized"]:
        return "handing out any one value makes it vanish: it is in how operators are merged"
    return "no single operator differs by more than the tolerance: the difference grows"


def _operator(console: Console, say: Any, record: dict[str, Any], operator: dict[str, Any]) -> None:
    sides = record["sides"]
    within = f" in {operator['scope']}" if operator["scope"] else ""
    say(f"\nfirst operator: {operator['node']}{within}", "bold")
    say(f"  {operator['op_type']}, domain {operator['domain']}, opset {operator['opset']}, "
        f"{operator['index'] + 1} of {record['nodes']} in the order in which they run")  # fmt: skip
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 2))
    for column in ("", "name", "dtype and shape", "sides", "reference", "candidate"):
        table.add_column(column, overflow="fold")
    for one in operator["inputs"]:
        table.add_row(one["kind"], *_row(one, _input_phrase(one)))
    for one in operator["outputs"]:
        table.add_row("output", *_row(one, one["verdict"]))
    for name, right in (operator["exact"] or {}).items():
        values = " ".join(right["values"])
        table.add_row("exact", name, _type(right), operator["judge"], values, "")
    if table.row_count:
        console.print(table)
    for one in operator["outputs"]:
        if one["verdict"] != "pass":
            say(f"  {one['name']}: {'; '.join([*one['reasons'], *measures(one)])}")
    if operator["kind"] != "failure":
        say(f"  hint: {operator['hint'] or 'no misplaced bytes explain it'}", "bold")
    say(f"  wrong: {wrong_phrase(operator, sides)}", "bold")
    unequal = record["unequal"]
    if unequal and unequal["index"] != operator["index"]:
        say(f"  the first bit differs at {unequal['node']} ({unequal['op_type']})")


def wrong_phrase(operator: dict[str, Any], sides: dict[str, str]) -> str:
    """Who is wrong, and by whose word."""
    if operator["unknown"]:
        return f"not known: {operator['unknown']}"
    if not operator["wrong"]:
        return "neither: from what each was given, each answers right; the difference grew before"
    judge = f" (judged by {operator['judge']})" if operator.get("judge") else ""
    return " and ".join(sides[side] for side in operator["wrong"]) + judge


def _input_phrase(one: dict[str, Any]) -> str:
    if not one["observed"]:
        return "not observed"
    if one["equal"] is None:
        return "as it was given"
    if one["equal"]:
        return "equal bytes"
    return "within tolerance" if one["within"] else "differs"


def _row(one: dict[str, Any], phrase: str) -> tuple[str, ...]:
    if "candidate" not in one:
        return one["name"], "", phrase, "", ""
    sides = (one.get("reference"), one["candidate"])
    shown = [" ".join(side["values"]) if side else "" for side in sides]
    return one["name"], _type(one["candidate"]), phrase, *shown


def _type(summary: dict[str, Any]) -> str:
    return f"{summary['dtype']}{summary['shape']}"
