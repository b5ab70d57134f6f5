"""Predicates about addresses that a call writes numbers to: are they those of the right width?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from zport.audit.c_predicates import width
from zport.audit.predicates import declared_types, predicate
from zport.audit.record_predicates import structure_body
from zport.audit.source import Source

UNIT = re.compile(rb"(?:es|et)#?|O[!&]|[sywz][#*]?|[bBhHiIlLkKnfdDcCpOSUuY]")
TAKES = {b"O!": 2, b"O&": 2, b"es": 2, b"et": 2, b"es#": 3, b"et#": 3}
"""Arguments that a unit of a format takes, where they are not one, or two with a ``#``."""
BITS = {
    **dict.fromkeys((b"b", b"B", b"c"), 8), **dict.fromkeys((b"h", b"H"), 16),
    **dict.fromkeys((b"i", b"I", b"p", b"C", b"f"), 32),
    **dict.fromkeys((b"l", b"k", b"L", b"K", b"n", b"d"), 64),
}  # fmt: skip
"""Bits that a unit writes, on Linux with 64 bits (Python's documentation, Parsing arguments)."""
KEYWORDS = re.compile(rb"Keywords")


@predicate
def argument_width(source: Source, node: Node, codes: Node) -> bool:
    """Whether a format writes a number to a variable of another width.

    ``node`` are the call's arguments. A format with other parts than those of Python's
    documentation is not looked into, nor is a variable whose type this file does not tell.
    """
    return any(
        _differs(source, BITS.get(unit, 0), address)
        for unit, address in _written(source, node, codes)
    )


@predicate
def takes_size(source: Source, node: Node) -> bool:
    """Whether a format with # writes a size to the variable that is declared here."""
    address = re.compile(rb"&\s*" + re.escape(source.text(node)) + rb"\b")
    scope = source.scope(node)
    return (
        b"PyArg_" in scope
        and address.search(scope) is not None
        and any(
            unit.endswith(b"#") and address.fullmatch(source.text(given))
            for arguments in _parsed(source.code.tree.root_node, *source.extent(node))
            for codes in arguments.named_children
            if codes.type in ("string_literal", "concatenated_string")
            for unit, given in _written(source, arguments, codes)
        )
    )


def _parsed(node: Node, start: int, end: int) -> Iterator[Node]:
    """The arguments of the calls of ``PyArg_Parse`` and its like between two offsets."""
    for child in node.named_children:
        if child.end_byte <= start or child.start_byte >= end:
            continue
        if child.type == "call_expression":
            name = child.child_by_field_name("function")
            arguments = child.child_by_field_name("arguments")
            if name is not None and arguments is not None and PARSE.search(name.text or b""):
                yield arguments
        yield from _parsed(child, start, end)


PARSE = re.compile(rb"^_?PyArg_(?:Va)?Parse")


def _written(source: Source, node: Node, codes: Node) -> Iterator[tuple[bytes, Node]]:
    """The parts of a format, each with the last address that it writes to."""
    text = b"".join(re.findall(rb'"([^"]*)"', source.text(codes)))
    text = re.sub(rb"[|$()\s]", b"", re.split(rb"[:;]", text)[0])
    units = UNIT.findall(text)
    if b"".join(units) != text:
        return
    after = [one for one in node.named_children if one.start_byte > codes.end_byte]
    after = [one for one in after if one.type != "comment"]
    called = source.text(node.parent).partition(b"(")[0] if node.parent is not None else b""
    place = 1 if KEYWORDS.search(called) else 0
    for unit in units:
        sized = unit[:1] in b"sywz" and unit.endswith(b"#")
        taken = TAKES.get(unit, 2 if sized else 1)
        place += taken
        if place > len(after):
            return
        yield unit, after[place - 1]


def _differs(source: Source, bits: int, address: Node) -> bool:
    widths = {_width(one) for one in _kinds(source, address)} if bits else set()
    return bool(widths) and 0 not in widths and bits not in widths


def _kinds(source: Source, address: Node) -> set[bytes]:
    """The types of what an address leads to: of a variable, or of what a parameter points to."""
    declared = {re.sub(rb"\b(static|const|register|volatile)\b", b"", one).strip()
                for one in declared_types(source, address)}  # fmt: skip
    if source.text(address).startswith(b"&"):
        return declared
    return {one[:-1].strip() if one.count(b"*") == 1 else b"?" for one in declared}


LARGE = re.compile(rb"(?:^|_)(?:s?size|index|off)_t$")
CHOICE = re.compile(rb"^enum\b|(?:^|_)(?:type|kind|mode|object|status|state|format)_t$")


def _width(kind: bytes) -> int:
    """As :func:`width`; of a project's own names, sizes have 64 bits and enumerations 32."""
    return width(kind) or (64 if LARGE.search(kind) else 32 if CHOICE.search(kind) else 0)


MEMBERS = {
    **dict.fromkeys((b"BYTE", b"UBYTE", b"CHAR", b"BOOL"), 8),
    **dict.fromkeys((b"SHORT", b"USHORT"), 16),
    **dict.fromkeys((b"INT", b"UINT", b"FLOAT"), 32),
    **dict.fromkeys((b"LONG", b"ULONG", b"LONGLONG", b"ULONGLONG", b"PYSSIZET", b"DOUBLE"), 64),
}
"""Bits of what ``PyMemberDef`` names, on Linux with 64 bits."""


@predicate
def member_width(source: Source, node: Node, structure: Node, member: Node) -> bool:
    """Whether a kind of ``PyMemberDef`` has another width than the member of its structure."""
    bits = MEMBERS.get(source.text(node).rpartition(b"T_")[2], 0)
    declared = re.search(
        rb"(?:^|[;{}])\s*(?:PyObject_(?:VAR_)?HEAD;?\s*)?((?:\w+\s+)+)"
        + re.escape(source.text(member)) + rb"\s*;",
        structure_body(source, source.text(structure)), re.MULTILINE,
    )  # fmt: skip
    held = width(declared[1]) if declared else 0
    return bool(bits and held and bits != held)
