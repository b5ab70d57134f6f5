"""The page's file: the template with its style, its modules and the data inside.

The modules are inlined as they are. An import map gives each a name, ``page/NAME.js``, and its text
as a ``data:`` URL, so the browser loads them without a server. A content security policy allows
these scripts by their hashes, and no request to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from zport.results.records import Json

FOLDER = Path(__file__).parent
ASSETS = FOLDER / "assets"
START = 'import { start } from "page/main.js";\nstart();'
STYLES = ("colours.css", "parts.css", "details.css", "layout.css")


def render(data: Json) -> str:
    """The page with that data."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style = "\n".join((ASSETS / name).read_text() for name in STYLES)
    modules = import_map()
    return environment.get_template("page.html.j2").render(
        title="zport report",
        policy=policy(style, modules),
        style=Markup(style),  # noqa: S704 - a file of ours
        modules=Markup(modules),  # noqa: S704 - Base64 of files of ours
        start=Markup(START),  # noqa: S704 - the constant above
        data=Markup(script_json(data)),  # noqa: S704 - has no "<"
        written=data["written"],
        zport=data["zport"],
    )


def import_map() -> str:
    """The import map that has every module of the page inside."""
    encoded = {
        f"page/{path.name}": "data:text/javascript;base64,"
        + base64.b64encode(path.read_bytes()).decode()
        for path in sorted(ASSETS.glob("*.js"))
    }
    return json.dumps({"imports": encoded})


def policy(style: str, modules: str) -> str:
    """The content security policy: these inlined texts, ``data:`` modules, and nothing else."""
    scripts = " ".join(_hash(text) for text in (modules, START))
    return (
        f"default-src 'none'; script-src {scripts} data:; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def script_json(value: Any) -> str:
    """JSON that may stand in a script element: no text in it can end the element."""
    try:
        text = _compact(value)
    except ValueError:  # rare, and looking at every number takes its time
        text = _compact(_plain(value))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """The value with the words NaN, Infinity and -Infinity for numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
