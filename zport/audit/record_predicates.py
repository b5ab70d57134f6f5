"""Predicates about structures and unions of C: what a record that leaves the process is made of."""

from __future__ import annotations

import re

from tree_sitter import Node

from zport.audit.c_predicates import SIZEOF, width
from zport.audit.predicates import base_of, declared_type, predicate
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
    members = structure_body(source, kind).split(b";")
    return any(width(found[1]) > 8 for one in members if (found := MEMBER.match(one)))


def structure_body(source: Source, kind: bytes) -> bytes:
    """What stands between the braces of a structure that the file defines, or nothing."""
    name = re.escape(PREFIX.sub(b" ", kind).strip().rpartition(b"::")[2])
    if not re.fullmatch(rb"[\w\\]+", name):
        return b""
    attribute = rb"(?:__attribute__\s*\(\(\w+\)\)\s*)?"
    body = re.search(
        rb"\b(?:struct|class)\s+" + attribute + name + rb"\s*(?::[^{;]*)?\{([^{}]*)\}"
        rb"|\bstruct\b[^{};()]*\{([^{}]*)\}[^;{}]*\b" + name + rb"\s*;",
        source.whole_code,
    )
    return next((part for part in body.groups() if part), b"") if body else b""


@predicate
def named_bit_fields(source: Source, node: Node) -> bool:
    """Whether a type is a structure of the file that has bit-fields alone."""
    name = source.text(node).removeprefix(b"struct")
    members = [one for one in structure_body(source, name).split(b";") if one.strip()]
    return len(members) > 1 and all(re.search(rb":\s*\d+\s*$", one) for one in members)


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
