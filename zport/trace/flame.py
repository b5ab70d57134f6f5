"""A trace as a flame graph: one page that needs no server and no network.

Spans of one name inside one another's namesakes are one frame, as wide as they took together.
Operators are grouped by type. Each run has a graph of its own: times of two runs never add up.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from zport_agent.trace.levels import FRAMEWORK, LEVELS

from zport import __version__
from zport.report.page.render import ASSETS, script_json
from zport.trace.spans import Span, Trace
from zport.trace.summary import counted, level_totals, operator_totals, profiling_cost, reasons
from zport.trace.table import EMULATED, MILLISECOND, title

FOLDER = Path(__file__).parent / "page"
STYLES = (ASSETS / "colours.css", FOLDER / "flame.css")
Frame = dict[str, Any]
"""``name``, ``level``, ``time`` in ns, ``count``, and the ``frames`` inside, widest first."""


def flame_page(trace: Trace, side: str) -> str:
    """The page, as HTML."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style = "\n".join(path.read_text() for path in STYLES)
    script = (FOLDER / "flame.js").read_text()
    return environment.get_template("flame.html.j2").render(
        model=trace.resource["zport.model.name"],
        about=title(trace, side),
        emulated=EMULATED if trace.emulated else None,
        levels=level_totals(trace),
        level_names=LEVELS,
        operators=operator_totals(trace),
        counted=counted(trace),
        cost=profiling_cost(trace),
        reasons=reasons(trace),
        ms=lambda time: f"{time / MILLISECOND:,.3f}",
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - files of ours
        script=Markup(script),  # noqa: S704 - a file of ours
        data=Markup(script_json(flame_data(trace))),  # noqa: S704 - has no "<"
        zport=__version__,
    )


def flame_data(trace: Trace) -> dict[str, Any]:
    """Each run's outermost frame, and which to show first: that with the operators, if one has."""
    runs = {run: _run_frame(trace, span) for run, span in trace.runs.items()}
    return {"runs": runs, "first": FRAMEWORK if FRAMEWORK in runs else next(iter(runs))}


def _run_frame(trace: Trace, run: Span) -> Frame:
    inside = _frames(trace, trace.children[run.identity])
    # What a run does between its spans (reading the manifest, warming up) is nobody's time here.
    time = sum(frame["time"] for frame in inside)
    return {"name": run.name, "level": None, "time": time, "count": 1, "frames": inside}


def _frames(trace: Trace, spans: Sequence[Span]) -> list[Frame]:
    """Frames of spans that lie inside the same frame."""
    groups: dict[tuple[str, bool], list[Span]] = {}
    for span in spans:
        groups.setdefault((span.operator or span.name, span.operator is not None), []).append(span)
    frames = []
    for (name, is_type), members in groups.items():
        inside = _operators(trace, members) if is_type else _frames(trace, _inside(trace, members))
        frames.append(_frame(name, members, inside))
    return sorted(frames, key=lambda frame: -frame["time"])


def _operators(trace: Trace, spans: Sequence[Span]) -> list[Frame]:
    """The operators of one type, by their own names."""
    named: dict[str, list[Span]] = {}
    for span in spans:
        named.setdefault(span.name, []).append(span)
    frames = [
        _frame(name, members, _frames(trace, _inside(trace, members)))
        for name, members in named.items()
    ]
    return sorted(frames, key=lambda frame: -frame["time"])


def _frame(name: str, spans: Sequence[Span], inside: list[Frame]) -> Frame:
    return {
        "name": name,
        "level": spans[0].level,
        "time": sum(span.duration for span in spans),
        "count": len(spans),
        "frames": inside,
    }


def _inside(trace: Trace, spans: Sequence[Span]) -> list[Span]:
    return [inner for span in spans for inner in trace.children[span.identity]]


def _policy(style: str, script: str) -> str:
    """The content security policy: these inlined texts and nothing else."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
