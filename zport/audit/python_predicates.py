"""Predicates about Python."""

from __future__ import annotations

import re

from tree_sitter import Node

from zport.audit.predicates import assigned_text, base_of, declared_type, predicate
from zport.audit.source import Source

KEYWORD = re.compile(rb"\bdtype\s*=\s*([A-Za-z_]\w*)|,\s*([A-Za-z_]\w*)\s*[,)]")


@predicate
def assigned_dtype(source: Source, node: Node) -> bool:
    """Whether what a call takes as its dtype is made with an explicit order, or of single bytes."""
    found = KEYWORD.search(source.text(node))
    name = (found[1] or found[2]) if found else b""
    if not name:
        return False
    made = re.compile(
        rb"\b" + name + rb"\s*(?::[^=\n]+)?=(?!=)\s*(\{[^}]*\}|[^\n]*(?:\n[ \t]+[^\n]*){0,4})"
    )
    return any(
        source.words.match("explicit-dtype", one) or source.words.match("byte-dtype", one)
        for text in (source.scope(node), source.data)
        for one in made.findall(text)
    )


CYTHON_CAST = re.compile(rb"^<\s*(?:const\s+)?([\w. ]+?)\s*\*+\s*>\s*")


@predicate
def cython_cast(source: Source, node: Node) -> bool:
    """Whether a cast of Cython reads wider numbers from a pointer to bytes of a file or wire."""
    text = source.text(node)
    found = CYTHON_CAST.match(text)
    words = source.words
    if not found or not words.match("wide-scalar", found[1]) or text[found.end() :][:1] == b"&":
        return False
    inner = node
    while inner.type == "unary_operator" and inner.named_children:
        inner = inner.named_children[0]
    kind = declared_type(source, inner)
    if kind and not words.match("byte-pointer", kind):
        return False
    votes = (
        words.match("byte-pointer", kind),
        words.match("outside-name", base_of(source, inner)),
        words.match("outside-function", source.function_name(node)),
    )
    return sum(votes) >= 2


@predicate
def array_from_bytes(source: Source, node: Node) -> bool:
    """Whether an ``array.array`` takes bytes, or gives them, in its function."""
    scope = source.scope(node)
    target = node.parent
    name = b""
    if target is not None and target.type == "assignment":
        left = target.child_by_field_name("left")
        name = source.text(left) if left is not None else b""
    arguments = node.child_by_field_name("arguments")
    given = arguments.named_children[1:] if arguments is not None else []
    if given and source.words.match("surely-outside", source.text(given[0])):
        return True
    pattern = rb"(?<![\w.])" + re.escape(name) + rb"\.(frombytes|fromstring|fromfile|tofile)\("
    return bool(name) and re.search(pattern, scope) is not None


@predicate
def reads_frames(source: Source, node: Node) -> bool:
    """Whether bytes come from ``wave``'s ``readframes``, at once or by a variable."""
    arguments = node.child_by_field_name("arguments")
    return arguments is not None and any(
        b"readframes" in source.text(one) or b"readframes" in assigned_text(source, one)
        for one in arguments.named_children[:2]
    )


@predicate
def guarded_by_machine(source: Source, node: Node) -> bool:
    """Whether a question about the machine or the compiler decides about a place of a script."""
    if any(source.words.match("machine-question", one) for one in source.conditions(node)):
        return True
    return source.function(node) is not None and source.words.match(
        "machine-question", source.scope(node)
    )


@predicate
def round_trip(source: Source, node: Node) -> bool:
    """Whether what is packed is unpacked again in the same function, and goes nowhere."""
    scope = source.code_of_scope(node)
    both = re.search(rb"(?<!un)pack(_into)?\(", scope) and re.search(rb"unpack(_from)?\(", scope)
    return bool(both) and not source.words.match("leaves", scope)
