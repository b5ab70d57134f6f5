"""Cython rewritten as Python of the same length, so that Python's grammar can parse it.

There is no grammar of Cython to install. Types go, names and expressions stay at their offsets or
nearly so; a rule that needs a type reads it from the file's own text.
"""

from __future__ import annotations

import re

CAST = re.compile(
    rb"<\s*(?:(?:const|unsigned|signed|struct|volatile)\s+)*[A-Za-z_][\w. ]*\**"
    rb"(?:\[[^\]\n]*\])?\s*\??>(?=\s*[&\w(\[\"'])"
)
ADDRESS = re.compile(rb"(?<=[(,=~\[])(\s*)&(?=\s*\w)")
HEADER = re.compile(
    rb"^([ \t]*)(?:cdef|cpdef|def)\b[^\n(=]*?\b(\w+)[ \t]*(?:\[[^\]\n]*\])?"
    rb"\(([^)]*(?:\([^)]*\)[^)]*)*)\)"
    rb"[^\n:]*:[ \t]*(?=\#|\r?$)", re.MULTILINE,
)  # fmt: skip
KLASS = re.compile(rb"^([ \t]*)cdef[ \t]+(?:api |public )*class[ \t]+(\w+)([^\n:]*):", re.MULTILINE)
BLOCK = re.compile(rb"^([ \t]*)(?:cdef|ctypedef|cpdef)\b[^\n=(]*:[ \t]*(?=\#|\r?$)", re.MULTILINE)
ASSIGNED = re.compile(rb"^([ \t]*)cdef\b[^\n=,(]*?\b(\w+)[ \t]*=(?!=)", re.MULTILINE)
DECLARED = re.compile(rb"^([ \t]*)(?:cdef|ctypedef|include)\b[^\n]*", re.MULTILINE)


def as_python(data: bytes) -> bytes:
    """The same number of bytes and lines. A cast ``<type>`` becomes as many tildes."""
    text = CAST.sub(lambda m: re.sub(rb"[^\n]", b"~", m[0]), data)
    text = ADDRESS.sub(rb"\1~", text)
    text = text.replace(b" cimport ", b" import  ").replace(b"\ncimport ", b"\nimport  ")
    text = HEADER.sub(_header, text)
    text = KLASS.sub(lambda m: _padded(m[1] + b"class " + m[2], m[0], b":"), text)
    text = BLOCK.sub(lambda m: _padded(m[1] + b"if 1", m[0], b":"), text)
    text = ASSIGNED.sub(lambda m: _padded(m[1] + m[2], m[0], b"="), text)
    return DECLARED.sub(lambda m: _padded(m[1] + b"pass", m[0]), text)


def _header(found: re.Match[bytes]) -> bytes:
    start = found[1] + b"def " + found[2] + b"("
    # Line ends stay, inside the parentheses.
    kept = re.sub(rb"[^\n]", b" ", found[0][len(start) :])
    return start + kept[:-2] + b"):" if b"\n" not in kept[-2:] else found[0]


def _padded(start: bytes, whole: bytes, end: bytes = b"") -> bytes:
    return start + b" " * (len(whole) - len(start) - len(end)) + end
