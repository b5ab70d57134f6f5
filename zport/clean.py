"""Cleaning: which images of an engine a later build has replaced."""

from __future__ import annotations

import re
from collections.abc import Collection

from zport.steps.step import KEY_LENGTH
from zport.workspace import Workspace, read_json

KEYED = re.compile(rf"(?P<thing>.+)-(?P<key>[0-9a-f]{{{KEY_LENGTH}}})")
"""The name of a step's image: what it is, for which target, and its key."""


def replaced_images(images: Collection[str], workspace: Workspace) -> list[str]:
    """The images of steps of which this build folder knows a later image that is there.

    An image whose step this folder never built may be another checkout's: it is none of them.
    """
    newest = {record["key"] for record in _records(workspace)}
    keyed = [match for name in images if (match := KEYED.fullmatch(name))]
    present = {match["thing"] for match in keyed if match["key"] in newest}
    return sorted(
        match[0] for match in keyed if match["thing"] in present and match["key"] not in newest
    )


def _records(workspace: Workspace) -> list[dict[str, str]]:
    records = [read_json(path) for path in (workspace.root / "builds").glob("*.json")]
    return [record for record in records if record]
