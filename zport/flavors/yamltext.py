"""Data as YAML that people read: no anchors, keys in the order that they were given."""

from __future__ import annotations

from typing import Any

import yaml


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml(*documents: Any) -> str:
    """The documents, one after the other."""
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=100, allow_unicode=True)
