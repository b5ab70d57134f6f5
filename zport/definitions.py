"""Reading the project's TOML definitions, with errors that name file, field and expectation."""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic.fields import FieldInfo

from zport.errors import DefinitionError

Line = Annotated[str, StringConstraints(pattern=r"^[^\n]*$")]
SHOWN = 200
"""Characters of a wrong value that a message has."""


class Definition(BaseModel):
    """Base of all definitions: frozen, and no key is taken that the schema does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(Definition):
    """A definition that is called as its file or folder is."""

    name: str


D = TypeVar("D", bound=Definition)
N = TypeVar("N", bound=Named)


def read_text(path: Path, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a file. Raises :class:`DefinitionError` for one that cannot be read or decoded:
    it is absent, a folder, a link that leads nowhere or round in a ring, or no text."""
    try:
        return path.read_text(encoding=encoding, errors=errors)
    except OSError as error:
        link = " (it is a link)" if os.path.islink(path) else ""  # noqa: PTH114 - a path too long
        raise DefinitionError(
            f"cannot read it: {(error.strerror or str(error)).lower()}{link}",
            where=path,
            next_step="put a text file there, or mend the path",
        ) from error
    except UnicodeDecodeError as error:
        raise DefinitionError(
            f"not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}",
            where=path,
            next_step="save it as UTF-8",
        ) from error
    except ValueError as error:
        raise DefinitionError(
            f"not the path of a file: {error}", where=repr(str(path)), next_step="mend the path"
        ) from error


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises :class:`DefinitionError` as :func:`read_text` and
    :func:`parse_toml` do."""
    return parse_toml(read_text(path), path)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """What the text of a TOML file says. Raises :class:`DefinitionError` for what is no TOML, or
    beyond what can be parsed."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise DefinitionError(
            f"not valid TOML: {parser_words(error)}",
            where=path,
            next_step="mend the line that is named"
            if isinstance(error, tomllib.TOMLDecodeError)
            else "mend the value that is too large, or write the file again",
        ) from error


def parser_words(error: ValueError | RecursionError) -> str:
    """Why a parser of TOML, JSON or YAML did not take a text."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    # Python goes on with how a program could raise its limit of digits.
    return str(error).partition("; use sys.")[0]


def load_definition(path: Path, schema: type[D]) -> D:
    """The definition in a TOML file. Raises :class:`DefinitionError` for the first thing wrong."""
    raw = read_toml(path)
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        raise _explain(error, path, schema) from error


def load_named(path: Path, schema: type[N], name: str) -> N:
    """The definition in the TOML file of that name.

    Raises :class:`DefinitionError` as :func:`load_definition` does, and for another name in it.
    """
    definition = load_definition(path, schema)
    if definition.name != name:
        raise DefinitionError(
            f"this is the file of {name!r}, found {definition.name!r}",
            where=f"{path}: name",
            next_step="mend the name, or move the file",
        )
    return definition


def _explain(error: ValidationError, path: Path, schema: type[Definition]) -> DefinitionError:
    # A misspelt key shows as a missing one too: the unknown one is what to mend.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    fields, place = _fields_at(schema, first["loc"])
    value = first["input"]
    if first["type"] == "union_tag_invalid":
        place.append(first["ctx"]["discriminator"].strip("'"))
        value = first["ctx"]["tag"]
    field = ".".join(place) or "(whole file)"
    if first["type"] == "extra_forbidden":
        near = get_close_matches(str(first["loc"][-1]), fields, n=1)
        return DefinitionError(
            "unknown field",
            where=f"{path}: {field}",
            next_step=f"did you mean {near[0]}?" if near else f"known are {', '.join(fields)}",
        )
    found = "" if first["type"] == "missing" else f", found {shown(value)}"
    others = len(error.errors()) - 1
    message = first["msg"].removeprefix("Value error, ")
    return DefinitionError(
        f"{message[:1].lower()}{message[1:]}{found}",
        where=f"{path}: {field}",
        next_step=f"mend this field; {others} more follow" if others else "mend this field",
    )


def shown(value: object) -> str:
    """A value as it stands in a message, in short."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # A number of thousands of digits can be read as hexadecimal, and not be written.
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _fields_at(
    schema: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[list[str], list[str]]:
    """The fields that may stand at a location of pydantic's, and the location as the file has it.

    Where a field has one of several schemas, pydantic's location names the chosen one too.
    """
    place: list[str] = []
    fields = siblings = schema.model_fields
    choices: dict[str, type[BaseModel]] = {}
    for part in map(str, location):
        if part in choices:
            fields = siblings = choices[part].model_fields
            continue
        place.append(part)
        siblings, field = fields, fields.get(part)
        choices = _choices(field) if field else {}
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            fields = inner.model_fields
    return list(siblings), place


def _choices(field: FieldInfo) -> dict[str, type[BaseModel]]:
    """The schemas of a field that has one of several, by what tells them apart."""
    if not field.discriminator:
        return {}
    tag = str(field.discriminator)
    schemas: tuple[type[BaseModel], ...] = get_args(field.annotation)
    return {str(get_args(one.model_fields[tag].annotation)[0]): one for one in schemas}


def choose_by_name(kind: str, name: str, known: list[str]) -> str:
    """The name, if it is known. Raises :class:`zport.errors.UsageError` with the nearest one."""
    from zport.errors import UsageError

    if name in known:
        return name
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown {kind} {name!r}", next_step=f"{hint}choose from {', '.join(known)}")


def require_inside(folder: Path, name: str, *, where: Path) -> None:
    """Raise :class:`DefinitionError` for a file that a definition names and that lies, links
    followed, outside the definition's folder."""
    # pathlib's own resolve() knows no answer for links in a ring.
    if not Path(os.path.realpath(folder / name)).is_relative_to(os.path.realpath(folder)):
        raise DefinitionError(
            f"{name} leads out of the folder {folder.name}",
            where=where,
            next_step="put the file itself there",
        )
