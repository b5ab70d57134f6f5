"""Word lists: the vocabulary that rules and exemptions share, as data."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pydantic import Field, field_validator

from zport.definitions import Definition, load_definition
from zport.errors import DefinitionError
from zport.workspace import PROJECT

RULES = PROJECT / "porting" / "rules"
VOCABULARY = RULES / "words.toml"


class Vocabulary(Definition):
    """``words.toml``: regular expressions by name, with spaces and comments as Python's VERBOSE."""

    words: dict[str, str] = Field(min_length=1)

    @field_validator("words")
    @classmethod
    def _compile(cls, words: dict[str, str]) -> dict[str, str]:
        for name, pattern in words.items():
            try:
                re.compile(pattern, re.VERBOSE)
            except re.error as error:
                raise ValueError(f"{name} is no regular expression: {error}") from error
        return words


class Words:
    """The word lists, compiled for bytes."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._patterns = {
            name: re.compile(pattern.encode(), re.VERBOSE)
            for name, pattern in vocabulary.words.items()
        }

    def __contains__(self, name: str) -> bool:
        return name in self._patterns

    def match(self, name: str, text: bytes) -> bool:
        """Whether the text has one of the words. Raises :class:`DefinitionError` for no list."""
        return self._pattern(name).search(text) is not None

    def all(self, name: str, text: bytes) -> list[bytes]:
        """The words that the text has. Raises :class:`DefinitionError` for no list."""
        return [found[0] for found in self._pattern(name).finditer(text)]

    def _pattern(self, name: str) -> re.Pattern[bytes]:
        if name not in self._patterns:
            raise DefinitionError(f"no list of words named {name!r}", where=VOCABULARY)
        return self._patterns[name]


@cache
def load_words(path: Path = VOCABULARY) -> Words:
    """The vocabulary of the rules. Raises :class:`DefinitionError` naming what does not fit."""
    return Words(load_definition(path, Vocabulary))
