"""Reads a YAML mapping and remembers on which line each of its top-level values begins."""

from pathlib import Path
from typing import Any

import yaml

from zport_agent.errors import ManifestError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The document, and for each top-level key the line (from 1) its text begins on.

    Values of keys called ``version`` stay text: as a number, 1.10 would become 1.1.
    Raises ManifestError when the file is absent, not UTF-8, not YAML, or not a mapping.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        try:
            root = loader.get_single_node()
            if not isinstance(root, yaml.MappingNode):
                raise ManifestError(f"{path}: expected a YAML mapping of keys to values")
            _visit(path, root)
            document = loader.construct_document(root)
        finally:
            loader.dispose()
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file; a model's folder holds manifest.yml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: not valid YAML: {_where(error)}") from None
    return document, {str(key.value): _begin(value) for key, value in root.value}


def _visit(path: Path, node: yaml.Node) -> None:
    """Refuse keys given twice (YAML would drop the first) and keep versions as text."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            line = key.start_mark.line + 1
            raise ManifestError(f"{path}: line {line}: key '{name}' is given twice; keep one")
        seen.add(name)
        if name == "version" and isinstance(value, yaml.ScalarNode) and value.tag != _NULL:
            value.tag = _TEXT
        _visit(path, value)


def _begin(node: yaml.Node) -> int:
    """A block scalar's text begins on the line after its ``|``; marks count from 0."""
    block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return int(node.start_mark.line) + (2 if block else 1)


def _where(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
