"""Files that name requirements among other things: pyproject, conda environment, Dockerfile."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from zport.definitions import parser_words
from zport.errors import DefinitionError
from zport.scan.locks import read_toml
from zport.scan.model import Lock, Loose
from zport.scan.requirement_files import (
    LOCAL,
    parse_requirement,
    read_requirements,
    read_text,
)

INSTALL = re.compile(
    r"^(?:sudo\s+)?(?:\S*/)?(?:uv\s+pip|python[\d.]*\s+-m\s+(?:uv\s+)?pip|pip[\d.]*)\s+install\b(.*)$"
)
JOINTS = re.compile(r"\s*(?:&&|\|\||;|\n|\|)\s*")
VALUED = (
    "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-t", "--target", "--platform",
    "--python-version", "--implementation", "--abi", "--root", "--prefix", "--src", "-C", "-p",
    "--progress-bar", "--no-binary", "--only-binary", "--upgrade-strategy", "--cache-dir",
    "--trusted-host", "--timeout", "--retries", "--config-settings", "--cert", "--python",
    "--proxy", "--root-user-action", "--index-strategy", "--index", "--default-index",
)  # fmt: skip
"""Options of pip and uv that take the next word."""
VARIABLE = re.compile(r"\$\{?(\w+)(?::-([^}]*))?\}?")


def read_pyproject(path: Path, extras: Sequence[str]) -> Loose:
    """A project's dependencies (PEP 621) and those of the extras that are named."""
    raw = read_toml(path)
    project = raw.get("project")
    if not isinstance(project, dict):
        step = "lock it and scan poetry.lock" if "poetry" in raw.get("tool", {}) else (
            "name a file that lists packages")  # fmt: skip
        raise DefinitionError("no [project] table", where=path, next_step=step)
    if "dependencies" in project.get("dynamic", ()):
        raise DefinitionError(
            "the dependencies are computed by the build (dynamic)",
            where=f"{path}: project.dynamic",
            next_step="scan the file that they come from, or a lock",
        )
    listed = _texts(project.get("dependencies", []), f"{path}: project.dependencies")
    optional = project.get("optional-dependencies", {})
    for extra in extras:
        if extra not in optional:
            known = ", ".join(optional)
            raise DefinitionError(
                f"no extra {extra!r}",
                where=f"{path}: project.optional-dependencies",
                next_step=f"choose from {known}" if known else "leave --extra out: it has none",
            )
        place = f"{path}: project.optional-dependencies.{extra}"
        listed += _texts(optional[extra], place)
    return Loose(str(path), *_sorted_out(listed))


def read_environment(path: Path) -> Loose | Lock:
    """The pip part of a conda environment; conda's own packages are named in a note."""
    raw = _parse_yaml(path)
    listed = raw.get("dependencies") if isinstance(raw, dict) else None
    if not isinstance(listed, list):
        raise DefinitionError(
            "no list of dependencies", where=f"{path}: dependencies",
            next_step="name an environment file of conda",
        )  # fmt: skip
    parts = [part["pip"] for part in listed if isinstance(part, dict) and "pip" in part]
    texts = [text for part in parts for text in _lines(part, f"{path}: dependencies.pip")]
    if not texts:
        raise DefinitionError(
            "no pip part: conda's own packages are not of the package index",
            where=f"{path}: dependencies", next_step="name the packages on the command line",
        )  # fmt: skip
    conda = [str(part) for part in listed if isinstance(part, str | int | float)]
    notes = (f"not looked at, they are conda's: {', '.join(conda)}",) if conda else ()
    return _from_words(path, texts, notes)


def _parse_yaml(path: Path) -> Any:
    text = read_text(path)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}: line {mark.line + 1}" if mark else str(path)
        raise DefinitionError(
            f"not valid YAML: {getattr(error, 'problem', None) or error}", where=where,
            next_step="mend the line that is named",
        ) from error  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise DefinitionError(
            f"not valid YAML: {parser_words(error)}", where=path, next_step="mend this value"
        ) from error
    except (AttributeError, LookupError, TypeError) as error:
        # Such as a !!timestamp that is none: the parser does not look.
        raise DefinitionError(
            "not valid YAML: a value is not of the type that its tag says", where=path,
            next_step="take out what begins with !!",
        ) from error  # fmt: skip


def read_dockerfile(path: Path) -> Loose | Lock:
    """What the pip install lines of a Dockerfile ask for; ``-r`` is sought beside it."""
    words: list[str] = []
    notes: list[str] = []
    for number, command in _commands(read_text(path), path):
        match = INSTALL.match(command)
        if match:
            try:
                found = shlex.split(match[1], comments=True)
            except ValueError as error:
                raise DefinitionError(
                    f"cannot split the command: {error}", where=f"{path}: line {number}",
                    next_step="mend its quotes",
                ) from error  # fmt: skip
            words += _arguments(found, f"{path}: line {number}", notes)
    if not words:
        raise DefinitionError(
            "no pip install line names a package", where=path,
            next_step="scan the requirements that it installs",
        )  # fmt: skip
    return _from_words(path, words, tuple(notes))


def _commands(text: str, path: Path) -> Iterator[tuple[int, str]]:
    """Every shell command of the RUN instructions, with the line where its instruction begins."""
    known: dict[str, str] = {}
    parts: list[str] = []
    start, ending = 1, ""
    for number, raw in enumerate(text.splitlines(), 1):
        if ending:
            if raw.strip() == ending:
                ending = ""
            else:
                yield number, _expand(raw.strip(), known)
            continue
        if raw.lstrip().startswith("#"):
            continue
        start = start if parts else number
        parts.append(raw.rstrip().removesuffix("\\"))
        if raw.rstrip().endswith("\\"):
            continue
        instruction, _, rest = " ".join(parts).strip().partition(" ")
        parts = []
        if instruction.upper() in ("ARG", "ENV"):
            known |= _variables(rest)
        elif instruction.upper() == "RUN":
            here = re.search(r"<<-?[\"']?(\w+)", rest)
            ending = here[1] if here else ""
            plain = re.sub(r"^(\s*--\w+=\S+)+", "", rest).strip()
            for command in JOINTS.split(_json_form(plain, f"{path}: line {start}")):
                yield start, _expand(command.strip(), known)


def _json_form(command: str, where: str) -> str:
    """RUN ["pip", "install", …] as a shell would have it; [ "$A" = "b" ] is the shell's own.

    Raises :class:`DefinitionError` for a list that is no JSON.
    """
    if not re.match(r'^\[\s*"', command):
        return command
    try:
        return shlex.join(map(str, json.loads(command)))
    except (ValueError, RecursionError) as error:
        if not re.match(r'^\[\s*"[^"]*"\s*,', command):
            return command
        raise DefinitionError(
            f"not a list in JSON: {parser_words(error)}", where=where,
            next_step='write it as RUN ["pip", "install", "NAME"]',
        ) from error  # fmt: skip


def _variables(rest: str) -> dict[str, str]:
    try:
        pairs = [word.partition("=") for word in shlex.split(rest)]
    except ValueError:
        return {}
    return {name: value for name, equals, value in pairs if equals}


def _expand(command: str, known: dict[str, str]) -> str:
    return VARIABLE.sub(lambda m: known.get(m[1]) or m[2] or m[0], command)


def _arguments(words: Sequence[str], where: str, notes: list[str]) -> list[str]:
    """The requirements and files among the words of a command, as lines of a requirement file."""
    found: list[str] = []
    left = iter(words)
    for word in left:
        if word in ("-r", "--requirement", "-c", "--constraint", "-e", "--editable"):
            value = next(left, "")
            found.append(f"{word} {value}")
        elif re.match(r"^(-[rc]\S|--(requirement|constraint|editable)=)", word):
            found.append(word.replace("=", " ", 1) if word.startswith("--") else
                         f"{word[:2]} {word[2:]}")  # fmt: skip
        elif word in VALUED:
            next(left, None)
        elif word.startswith("-"):
            continue
        elif "$" in word:
            notes.append(f"{where}: {word} is not known before the build: left out")
        else:
            found.append(word)
    return found


def _from_words(path: Path, words: Sequence[str], notes: tuple[str, ...]) -> Loose | Lock:
    """Requirements and ``-r`` files as one set; several files are taken together as loose."""
    requirements: list[str] = []
    constraints: list[str] = []
    outside: list[str] = []
    for word in words:
        option, _, name = word.partition(" ")
        if option in ("-r", "--requirement"):
            read = read_requirements(path.parent / _beside(path, name))
            if isinstance(read, Lock):
                if len(words) == 1:
                    return read
                requirements += [entry.key for entry in read.entries if not entry.source]
                continue
            requirements += read.requirements
            constraints += read.constraints
            outside += read.outside
        elif option in ("-c", "--constraint"):
            read = read_requirements(path.parent / _beside(path, name))
            constraints += (
                read.requirements if isinstance(read, Loose) else [e.key for e in read.entries]
            )
        elif option in ("-e", "--editable"):
            outside.append(name)
        else:
            plain, url = _sorted_out([word], f"{path}")[0], _sorted_out([word], f"{path}")[2]
            requirements += plain
            outside += url
    return Loose(str(path), tuple(requirements), tuple(constraints), tuple(outside), notes)


def _beside(path: Path, name: str) -> str:
    """A file that a Dockerfile has copied somewhere lies beside it under its own name."""
    relative = name.lstrip("/")
    # Not pathlib's: a name that is too long is no file either.
    return relative if os.path.exists(path.parent / relative) else Path(name).name  # noqa: PTH110


def _sorted_out(
    texts: Sequence[str], where: str = "requirements"
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Requirements of an index, constraints (none) and what comes from elsewhere."""
    inside, outside = [], []
    for text in texts:
        if LOCAL.match(text) or parse_requirement(text, where).url:
            outside.append(text)
        else:
            inside.append(text)
    return tuple(inside), (), tuple(outside)


def _texts(listed: Any, where: str) -> list[str]:
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise DefinitionError(
            "not a list of texts", where=where, next_step='write it as ["NAME>=VERSION"]'
        )
    for text in listed:
        parse_requirement(text, where)
    return list(listed)


def _lines(part: Any, where: str) -> list[str]:
    if not isinstance(part, list) or not all(isinstance(one, str) for one in part):
        raise DefinitionError(
            "not a list of requirements", where=where, next_step="write one requirement a line"
        )
    return [re.sub(r"(^|\s)#.*", "", text).strip() for text in part]


def named(texts: Sequence[str]) -> Loose:
    """Requirements of the command line."""
    parsed = [parse_requirement(text, "command line") for text in texts]
    return Loose(
        " ".join(texts),
        tuple(text for text, one in zip(texts, parsed, strict=True) if not one.url),
        outside=tuple(text for text, one in zip(texts, parsed, strict=True) if one.url),
    )
