"""Says what of a document KServe's own models do not know or refuse: one line each.

    python kserve_judge.py MODEL DOCUMENT.json

Runs alone, beside the package, whose modules are taken one by one: as a whole it asks for much that
the models do not need. What is Kubernetes' own is left to another judge.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PRIMITIVE = {"str": str, "int": int, "bool": bool, "float": float, "object": object}


def found_models() -> Path:
    """Where the models are; afterwards they can be imported."""
    spec = importlib.util.find_spec("kserve")
    assert spec and spec.submodule_search_locations
    place = Path(spec.submodule_search_locations[0])
    for name, folder in (("kserve", place), ("kserve.models", place / "models")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return place / "models"


def problems(models: Path, kind: str, value: Any, where: str) -> Iterator[str]:
    """What is wrong with a value that should be of a type, as the models write types."""
    inner = re.fullmatch(r"(list|dict)[\[(](?:str, )?(\w+)[\])]", kind)
    if inner:
        container = list if inner[1] == "list" else dict
        if not isinstance(value, container):
            yield f"{where}: expected a {inner[1]}"
            return
        items = enumerate(value) if container is list else value.items()
        for key, one in items:
            yield from problems(models, inner[2], one, f"{where}.{key}")
    elif kind in PRIMITIVE:
        if not isinstance(value, PRIMITIVE[kind]):
            yield f"{where}: expected {kind}"
    else:
        module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
        # Kubernetes' own are of version 1.
        if not module.startswith("v1_"):
            yield from _object_problems(models, kind, module, value, where)


def _object_problems(models: Path, kind: str, module: str, value: Any, where: str) -> Iterator[str]:
    schema = getattr(importlib.import_module(f"kserve.models.{module}"), kind)
    names = {written: name for name, written in schema.attribute_map.items()}
    for key, one in value.items():
        if key not in names:
            yield f"{where}.{key}: {kind} has no such field"
        else:
            yield from problems(models, schema.openapi_types[names[key]], one, f"{where}.{key}")
    try:
        schema(**{names[key]: one for key, one in value.items() if key in names})
    except ValueError as error:
        yield f"{where}: {error}"


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[2]).read_text())
    wrong = list(problems(found_models(), sys.argv[1], document, sys.argv[1]))
    print("\n".join(wrong))
    sys.exit(bool(wrong))
