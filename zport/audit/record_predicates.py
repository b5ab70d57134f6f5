"""Predicates about structures and unions of C: what a record that leaves the process is made of."""

from __future__ import annotations

import re

from tree_sitter import Node

from zport.audit.c_predicates import SIZEOF, width
from zport.audit.predicates import base_of, declared_type, declared_types, predicate
from zport.audit.source import Source

PREFIX = re.compile(rb"\b(?:struct|const|static|volatile)\b|[*&\[\]\d]")
MEMBER = re.compile(
    rb"^\s*((?:unsigned\s+|signed\s+|const\s+)*[\w:]+(?:\s+(?:int|long|short))*)"
    rb"\s+[\w\s,\[\]*]+$"
)


@predicate
def record_memory(source: Source, node: Node, size: Node, count: Node | None = None) -> bool:
    """Whether what is read or written as bytes is a structure with numbers of several bytes.

    The structure is one that the file defines; its size is asked for with ``sizeof``.
    """
    given = b" ".join(source.text(one) for one in (size, count) if one is not None)
    counted = SIZEOF.search(given)
    if not counted:
        return False
    name = counted[1].strip()
    if name == base_of(source, node):
        name = declared_type(source, node)
    return _has_numbers(source, name)


@predicate
def wide_record(source: Source, node: Node) -> bool:
    """Whether a type is a structure of the file with numbers of several bytes."""
    return _has_numbers(source, source.text(node))


def _has_numbers(source: Source, kind: bytes) -> bool:
    name = re.escape(PREFIX.sub(b" ", kind).strip().rpartition(b"::")[2])
    if not re.fullmatch(rb"[\w\\]+", name):
        return False
    attribute = rb"(?:__attribute__\s*\(\(\w+\)\)\s*)?"
    body = re.search(
        rb"\b(?:struct|class)\s+" + attribute + name + rb"\s*(?::[^{;]*)?\{([^{}]*)\}"
        rb"|\bstruct\b[^{};()]*\{([^{}]*)\}[^;{}]*\b" + name + rb"\s*;",
        source.whole_code,
    )
    members = ((body[1] or body[2]) if body else b"").split(b";")
    return any(width(found[1]) > 8 for one in members if (found := MEMBER.match(one)))


BYTES = re.compile(rb"^\w+\s*\[\s*(\d+)\s*\]$")


@predicate
def bytes_short_of_number(source: Source, node: Node) -> bool:
    """Whether a union is one number over bytes that are fewer than the number has."""
    members = [one for one in node.named_children if one.type == "field_declaration"]
    if len(members) != 2:
        return False
    wholes, parts = [], []
    for one in members:
        kind, name = one.child_by_field_name("type"), one.child_by_field_name("declarator")
        if kind is None or name is None:
            return False
        bits, array = width(source.text(kind)), BYTES.match(source.text(name))
        if array and bits == 8:
            parts.append(bits * int(array[1]))
        elif name.type == "field_identifier":
            wholes.append(bits)
    return bool(wholes and parts) and 8 < parts[0] < wholes[0]


@predicate
def short_size(source: Source, node: Node, codes: Node) -> bool:
    """Whether a size that a format with # writes goes to an ``int``.

    ``node`` are the call's arguments. The size is the address after that of the bytes; a format
    whose other parts take more or fewer addresses than one is not looked into.
    """
    text = b"".join(re.findall(rb'"([^"]*)"', source.text(codes))).partition(b":")[0]
    units = UNIT.findall(text.partition(b";")[0])
    if b"".join(units) != re.sub(rb"[|$]", b"", text.partition(b";")[0]):
        return False
    after = [one for one in node.named_children if one.start_byte > codes.end_byte]
    addresses = [one for one in after if source.text(one).startswith(b"&")]
    place = 0
    for unit in units:
        place += 2 if unit.endswith(b"#") else 1
        if unit.endswith(b"#") and place <= len(addresses):
            declared = declared_types(source, addresses[place - 1])
            names = {re.sub(rb"\b(unsigned|static|signed)\b", b"", one).strip() for one in declared}
            if names == {b"int"}:
                return True
    return False


UNIT = re.compile(rb"[sywz]#|[sywz]\*|[bBhHiIlLkKnfdDcCpOSUsyzu]")
