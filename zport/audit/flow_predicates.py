"""Predicates about what a function of C or C++ does with what it has loaded."""

from __future__ import annotations

import re

from tree_sitter import Node

from zport.audit.predicates import predicate
from zport.audit.source import Source


@predicate
def only_moved(source: Source, node: Node) -> bool:
    """Whether loaded bytes are copied as they are, or only asked if they are equal.

    Words that were loaded the same way are equal in every order, and so are zeros.
    """
    if node.type == "call_expression":
        return _only_copied(source, node)
    inner, parent = node, node.parent
    while parent is not None and parent.type == "parenthesized_expression":
        inner, parent = parent, parent.parent
    if parent is None:
        return False
    left, right = parent.child_by_field_name("left"), parent.child_by_field_name("right")
    if parent.type == "binary_expression" and left is not None and right is not None:
        operator = parent.child_by_field_name("operator")
        other = source.text(right if left == inner else left)
        equal = operator is not None and source.text(operator) in (b"==", b"!=")
        return equal and bool(SAME_LOAD.match(other))
    if parent.type == "assignment_expression" and left is not None and right == inner:
        return bool(CAST_STORE.match(source.text(left)))
    return parent.type == "unary_expression" and source.text(parent).startswith(b"!")


SAME_LOAD = re.compile(rb"^\(*\s*(0[uUlL]*\)*$|\*\s*\(|\*\s*reinterpret_cast)")
CAST_STORE = re.compile(rb"^\(*\s*\*?\s*(\(.*\*\s*\)|reinterpret_cast)", re.DOTALL)
STORED = re.compile(rb"\bmemcpy\s*\([^&]*,\s*&\s*(\w+)\s*,")
LOADED = re.compile(rb"\bmemcpy\s*\(\s*&\s*(\w+)\s*,")


def _only_copied(source: Source, node: Node) -> bool:
    """Whether a variable that memcpy fills is only copied on, or compared with its like."""
    found = LOADED.search(source.text(node))
    if not found:
        return _stored_as_loaded(source, node)
    name, end = found[1], source.extent(node)[1]
    rest = source.data[node.end_byte : end]
    others = set(LOADED.findall(source.scope(node))) | {b"0"}
    like = rb"|".join(others)
    allowed = re.compile(
        rb"\bmemcpy\s*\([^;]*?&\s*%b\b[^;]*;|\bsizeof\s*\(?\s*%b\b"
        rb"|\b%b\s*[!=]=\s*(%b)\b|\b(%b)\s*[!=]=\s*%b\b" % (name, name, name, like, like, name)
    )
    uses = len(re.findall(rb"\b" + name + rb"\b", rest))
    covered = sum(len(re.findall(rb"\b" + name + rb"\b", m[0])) for m in allowed.finditer(rest))
    return uses > 0 and covered == uses


def _stored_as_loaded(source: Source, node: Node) -> bool:
    """Whether memcpy gives on what it has taken, and nothing was done with it in between."""
    found = STORED.search(source.text(node))
    if not found or found[1] not in LOADED.findall(source.scope(node)):
        return False
    changed = rb"\b" + found[1] + rb"\s*([-+*/|&^%]|<<|>>)?=[^=]"
    return re.search(changed, source.scope(node)) is None


@predicate
def part_of_number(source: Source, node: Node) -> bool:
    """Whether a number is worked with as such, so that its bytes are not one of a kind.

    What memcpy fills alone, and what is given on as it is, keeps its order.
    """
    name = re.escape(source.text(node))
    made = rb"\b%b\s*(?:[-+*|&^]|<<|>>)?=[^=]*(?:<<|>>|[|^+*])" % name
    used = rb"\b%b\s*(?:<<|>>|\^|\|)" % name
    given = rb"[(,]\s*u?int(?:32|64)_t\s+%b\s*[,)]" % name
    return re.search(b"|".join((made, used, given)), source.scope(node)) is not None
