"""Loose requirements resolved to a closure, by uv."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from tempfile import NamedTemporaryFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zport.distribution import Distribution
from zport.errors import DefinitionError, FetchError, HostError
from zport.scan.listing import KeptIndex
from zport.scan.model import Lock, Loose
from zport.scan.requirement_files import outside_entry, pinned_lock

OWN_INDEX = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE")
UNREACHED = ("Failed to fetch", "Request failed", "error sending request")
"""What uv says when an index does not answer."""


def resolve(loose: Loose, index: KeptIndex, distribution: Distribution) -> Lock:
    """The closure of loose requirements for all platforms.

    Raises :class:`HostError` without uv, :class:`DefinitionError` when nothing satisfies them,
    :class:`FetchError` when an index does not answer.
    """
    outside = tuple(outside_entry(text) for text in loose.outside)
    notes = [
        f"not resolved further, it comes from no index: {entry.source}" for entry in outside
    ]  # fmt: skip
    if not loose.requirements:
        return Lock(loose.title, outside, notes=(*loose.notes, *notes))
    printed = _compile(loose, index, distribution)
    lock = pinned_lock(loose.title, printed, f"uv's answer for {loose.title}")
    asked = _asked(loose.requirements)
    entries = [replace(entry, asked=asked.get(entry.pin.name)) for entry in lock.entries]
    return replace(lock, entries=(*entries, *outside), notes=(*loose.notes, *notes))


def _compile(loose: Loose, index: KeptIndex, distribution: Distribution) -> str:
    if importlib.util.find_spec("uv") is None:
        raise HostError("loose requirements are resolved by uv, which is not installed",
                        where=loose.title, next_step="pip install uv, or scan a lock")  # fmt: skip
    with NamedTemporaryFile("w", prefix="zport-constraints.", suffix=".txt") as constraints:
        constraints.write("\n".join(loose.constraints))
        constraints.flush()
        done = subprocess.run(
            [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal",
             "--python-version", distribution.python_version, "--no-python-downloads",
             "--no-header", "--annotation-style", "split", "--constraint", constraints.name,
             *_places(index), "-"],
            input="\n".join(loose.requirements), capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        said = " ".join(done.stderr.split()).replace(constraints.name, "the constraints")
        if any(sign in said for sign in UNREACHED):
            raise FetchError(
                said, where=loose.title, next_step="check the network and pip's index configuration"
            )
        raise DefinitionError(
            said or "uv gave no reason",
            where=loose.title,
            next_step="loosen what contradicts, or read a complete list with --no-deps",
        )
    return done.stdout


def _places(index: KeptIndex) -> list[str]:
    """The indexes of pip's configuration as uv takes them, unless uv has some of its own."""
    if any(os.environ.get(name) for name in OWN_INDEX):
        return []
    first, *others = index.configured["index"] or [""]
    options = ["--default-index", first] if first else ["--no-index"]
    for url in others:
        options += ["--index", url]
    for place in index.configured["links"]:
        options += ["--find-links", place]
    # pip takes the best version of all indexes, uv by itself the first index that has any.
    return [*options, "--index-strategy", "unsafe-best-match"]


def _asked(requirements: Sequence[str]) -> dict[str, str]:
    """What the user asked for by name: specifiers looser than the pins that they became."""
    parsed = [Requirement(text) for text in requirements]
    return {str(canonicalize_name(one.name)): str(one.specifier) for one in parsed}
