"""Rendering: a template of ``dockerfiles/`` and its values become a Dockerfile."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from zport import __version__
from zport.errors import DefinitionError
from zport.workspace import PROJECT

TEMPLATES = PROJECT / "dockerfiles"


def render(template: str, values: dict[str, Any]) -> str:
    """The Dockerfile that a template gives for these values; an undefined name is an error."""
    try:
        text = _environment().get_template(template).render(version=__version__, **values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise DefinitionError(
            f"the template does not render: {error}",
            where=f"{TEMPLATES / template}" + (f":{line}" if line else ""),
        ) from error
    return text.strip() + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Dockerfiles, not HTML
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = quoted
    environment.filters["word"] = word
    return environment


def quoted(value: str) -> str:
    """A value as a Dockerfile's ``ENV`` takes it literally: nothing in it is expanded."""
    return '"' + re.sub(r'(["\\$])', r"\\\1", _one_line(value)) + '"'


def word(value: str) -> str:
    """A value as one word of the shell in a ``RUN``, taken literally."""
    return shlex.quote(_one_line(value))


def _one_line(value: str) -> str:
    """The value. Raises :class:`DefinitionError` where the rest of it would be an instruction."""
    if value.splitlines() not in ([], [value]):
        raise DefinitionError(
            "a line break, after which a Dockerfile has its next instruction",
            where=repr(value),
            next_step="write this value in one line",
        )
    return value
