"""What a source distribution asks for when it is built, read without running any of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from zport.errors import BlockedError, FetchError, ZportError
from zport.recipes import recipe_names
from zport.scaffold import draft_recipe, read_sdist
from zport.scan.listing import KeptIndex
from zport.scan.model import SourceFacts
from zport.sources.fetch import Fetcher
from zport.sources.pypi import IndexFile
from zport.workspace import Workspace, read_json, write_json

SMALL = 2 << 20
"""Bytes of a source that is fetched to be read; larger ones are not, and are said not to be."""
READER = TypeAdapter(SourceFacts)


class Sources:
    """Reads small source distributions; what they say is kept."""

    def __init__(self, workspace: Workspace, index: KeptIndex) -> None:
        self._workspace = workspace
        self._index = index
        self._fetcher = Fetcher(workspace, index)

    def read(self, file: IndexFile) -> SourceFacts:
        """What a source distribution says; one that cannot be read says why."""
        lock = self._workspace.locks / "sources" / f"{file.sha256[:24]}.json"
        known: dict[str, Any] | None = read_json(lock)
        if known:
            return READER.validate_python(known)
        try:
            facts = self._facts(file)
        except FetchError as error:
            # It may be there the next time.
            return SourceFacts(file.filename, unknown=f"not fetched: {error.message}")
        except ZportError as error:
            facts = SourceFacts(file.filename, unknown=error.message)
        write_json(lock, asdict(facts))
        return facts

    def _facts(self, file: IndexFile) -> SourceFacts:
        size = self._index.size(file)
        if size is None or size > SMALL:
            said = f"{size / 1e6:.1f} MB were" if size else "of unknown size it was"
            return SourceFacts(file.filename, unknown=f"{said} not fetched")
        try:
            draft = draft_recipe(read_sdist(self._fetcher.file(file), file), recipe_names())
        except BlockedError as error:
            return SourceFacts(file.filename, unknown=error.message)
        build = draft.recipe.build
        return SourceFacts(
            file.filename, draft.backend, build.requires, tuple(draft.languages),
            (*build.packages, *build.target_packages),
        )  # fmt: skip
