"""Languages: by which names of files they show, and the grammar that parses them."""

from __future__ import annotations

from functools import cache
from typing import Literal

import tree_sitter_c
import tree_sitter_cpp
import tree_sitter_python
from tree_sitter import Language as Grammar
from tree_sitter import Parser

Language = Literal["c", "cpp", "python", "cython"]

SUFFIXES: dict[str, Language] = {
    ".c": "c",
    **dict.fromkeys(
        (".h", ".hh", ".hpp", ".hxx", ".h++", ".cc", ".cpp", ".cxx", ".c++", ".inl", ".ipp",
         ".tpp", ".tcc", ".inc", ".cu", ".cuh"), "cpp",
    ),
    **dict.fromkeys((".py", ".pyw"), "python"),
    **dict.fromkeys((".pyx", ".pxd", ".pxi"), "cython"),
}  # fmt: skip
"""A header may be of C or C++; the grammar of C++ reads both."""
TEMPLATES = (".in", ".src", ".tp", ".j2")
"""Suffixes of files that become a source with little change."""
HAS_PREPROCESSOR = ("c", "cpp")


def language_of(path: str) -> Language | None:
    """The language of a file by its name, or ``None`` for what is not audited."""
    name = path.rpartition("/")[2].lower()
    for template in TEMPLATES:
        name = name.removesuffix(template)
    return SUFFIXES.get(name[name.rfind(".") :]) if "." in name else None


@cache
def grammar(language: Language) -> Grammar:
    """The grammar of a language. There is none of Cython: Python's reads what is left of it."""
    made = {
        "c": tree_sitter_c.language,
        "cpp": tree_sitter_cpp.language,
        "python": tree_sitter_python.language,
        "cython": tree_sitter_python.language,
    }[language]
    return Grammar(made())


@cache
def parser(language: Language) -> Parser:
    """The parser of a language, one a process."""
    return Parser(grammar(language))
