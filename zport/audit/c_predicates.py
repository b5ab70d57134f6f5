"""Predicates about C and C++: where memory comes from, and how wide it is."""

from __future__ import annotations

import re

from tree_sitter import Node

from zport.audit.predicates import (
    assigned_text,
    base_of,
    declared_type,
    declared_types,
    predicate,
)
from zport.audit.source import Source
from zport.audit.words import load_words

SIZEOF = re.compile(
    rb"sizeof\s*\(?\s*((?:struct\s+|unsigned\s+|signed\s+)?[\w:]+(?:\s*<[^<>]*>)?(?:\s*\*|\s+(?:long|int|short))*)"
)
MACHINE_WORDS = re.compile(rb"\bsize_t\s*(?:const\s*)?[*\[]")
WRITTEN = ("assignment_expression", "update_expression", "assignment")


@predicate
def hashing(source: Source, node: Node) -> bool:
    """Whether the code makes a hash: its function says so, or the file in which it is a helper.

    Helpers that read are no hash yet: where a file names the byte order, who calls them decides.
    """
    words = source.words
    if words.match("hash-name", source.function_name(node)):
        return True
    name = source.path.rpartition("/")[2].encode("utf-8", "surrogateescape")
    return words.match("hash-name", name) and not words.match("handled", source.whole_code)


@predicate
def address(source: Source, node: Node) -> bool:
    """Whether a pointer is the address of a variable: memory of this function, not of a file.

    So are arrays of numbers, whose elements have the machine's order.
    """
    inner = _uncast(node)
    if inner.type == "pointer_expression" and source.text(inner).startswith(b"&"):
        argument = inner.child_by_field_name("argument")
        return argument is not None and argument.type != "subscript_expression"
    kind = declared_type(source, node)
    return source.words.match("wide-scalar", re.sub(rb"[*&\[\]\d]|const", b"", kind))


@predicate
def bytes_from_outside(source: Source, node: Node) -> bool:
    """Whether a pointer is to bytes of a file, a wire or a mapping, as far as names tell.

    Two of three: it is declared as one to bytes, its name says so, the function does.
    """
    kind, name = declared_type(source, node), base_of(source, node)
    words = source.words
    if kind and not words.match("byte-pointer", kind) and not words.match("void-pointer", kind):
        return False
    by_type = words.match("byte-pointer", kind)
    by_name = words.match("outside-name", name)
    by_function = words.match("outside-function", source.function_name(node)) or words.match(
        "outside-call", source.scope(node)
    )
    by_source = words.match("outside-name", assigned_text(source, node)) and bool(kind)
    return by_type + (by_name or by_source) + by_function >= 2


@predicate
def surely_from_outside(source: Source, node: Node) -> bool:
    """As ``bytes-from-outside?``, where the names of pointer and function both say so."""
    name, words = base_of(source, node), source.words
    by_name = words.match("outside-name", name) or words.match(
        "outside-name", assigned_text(source, node)
    )
    by_function = words.match("outside-function", source.function_name(node)) or words.match(
        "outside-call", source.scope(node)
    )
    kind = declared_type(source, node)
    fits = not kind or words.match("byte-pointer", kind) or words.match("void-pointer", kind)
    return by_name and by_function and fits


@predicate
def likely_from_outside(source: Source, node: Node) -> bool:
    """As ``surely-from-outside?``, or a pointer to bytes in a function that is named a reader."""
    words = source.words
    return surely_from_outside(source, node) or (
        words.match("byte-pointer", declared_type(source, node))
        and words.match("reader-function", source.function_name(node))
    )


@predicate
def goes_through(source: Source, node: Node) -> bool:
    """Whether a pointer is read through in the function around, behind where it is declared."""
    name = re.escape(base_of(source, node))
    rest = source.data[node.end_byte : source.extent(node)[1]]
    reads = (
        rb"(?<![\w.>])"
        + name
        + rb"\s*(?:\[[^\]]*\]|->\s*\w+)(?!\s*=[^=])|\*\s*"
        + name
        + rb"\b(?!\s*=[^=])"
    )
    return bool(name) and re.search(reads, rest) is not None


@predicate
def read(_: Source, node: Node) -> bool:
    """Whether an expression is read, not written to."""
    parent = node.parent
    return not (
        parent is not None
        and parent.type in WRITTEN
        and (parent.child_by_field_name("left") or parent.child_by_field_name("argument")) == node
    )


@predicate
def read_or_serialized(source: Source, node: Node) -> bool:
    """Whether an expression is read, or written by a function that makes data for elsewhere."""
    return read(source, node) or source.words.match("writer-function", source.function_name(node))


@predicate
def converted_by_caller(source: Source, node: Node) -> bool:
    """Whether a function only loads a word, in a file that converts the order elsewhere."""
    words = source.words
    return words.match("block-name", source.function_name(node)) and words.match(
        "handled", source.whole_code
    )


@predicate
def wide_memory(source: Source, node: Node, size: Node | None, count: Node | None = None) -> bool:
    """Whether memory that is read or written as bytes holds numbers of several bytes.

    ``size`` or ``count`` tell it by ``sizeof``; else the variable's type does.
    """
    given = source.text(size) if size is not None else b""
    if given == b"1":
        whole = count is not None and source.text(_uncast(node)).startswith(b"&")
        given = source.text(count) if whole and count is not None else b""
        if not SIZEOF.match(given):
            return False
    counted = SIZEOF.search(given)
    kind, words = declared_type(source, node), source.words
    by_words = MACHINE_WORDS.search(kind) is not None  # Bytes that are gone through by words.
    if counted:
        name = counted[1].strip()
        if words.match("wide-scalar", name) or words.match("layout-name", name):
            return not words.match("byte-pointer", kind) and not by_words
        if words.match("byte-pointer", kind) or words.match("byte-pointer", name + b" "):
            return False
    return not by_words and words.match("wide-scalar", re.sub(rb"\[[^\]]*\]|[*&]|const", b"", kind))


def _uncast(node: Node) -> Node:
    while node.type in ("cast_expression", "parenthesized_expression") and node.named_children:
        node = node.child_by_field_name("value") or node.named_children[0]
    return node


@predicate
def last_of_architectures(source: Source, node: Node) -> bool:
    """Whether an ``#error`` is what remains after a list of architectures."""
    around = source.conditionals.around(node.start_byte)
    if not around:
        return False
    branch = around[-1]
    text = b"\n".join(branch.before) if branch.condition is None else branch.condition
    names = len(set(source.words.all("architecture", text))) > 1
    own = source.words.match("own-architecture", branch.text)
    if branch.condition is not None:
        # #if !defined(one) && !defined(other)
        parts = re.split(rb"&&", text)
        return names and not own and all(part.strip().startswith(b"!") for part in parts)
    return names and not own and not source.words.match("library", text)


@predicate
def wider_than(source: Source, node: Node, kind: Node) -> bool:
    """Whether a variable is declared wider than the type its memory is read with."""
    whole = width(declared_type(source, node))
    part = width(source.text(kind))
    return bool(whole and part and whole > part)


@predicate
def assigned_one(source: Source, node: Node) -> bool:
    """Whether a variable holds 1, as where the machine is asked for its order."""
    return re.match(rb"1\s*$", assigned_text(source, node).strip()) is not None


@predicate
def halves_of_word(source: Source, node: Node) -> bool:
    """Whether a union has a number of 32 or 64 bits over parts of it that have names."""
    wholes, parts = [], []
    for member in node.named_children:
        if member.type != "field_declaration":
            continue
        kind = member.child_by_field_name("type")
        declarator = member.child_by_field_name("declarator")
        if kind is None or (declarator is not None and b"*" in source.text(declarator)):
            continue
        if kind.type == "struct_specifier":
            # Members of other widths make a record of its own, not the parts of a number.
            widths = set(_field_widths(source, kind))
            parts += list(widths) if len(widths) == 1 else []
            continue
        bits = width(source.text(kind))
        array = declarator is not None and declarator.type == "array_declarator"
        if bits and not array:
            wholes.append(bits)
        elif bits and array and re.search(rb"\[\s*2\s*\]", source.text(declarator)):  # type: ignore[arg-type]
            parts.append(bits)
    return any(part * 2 == whole for part in parts for whole in wholes)


@predicate
def bit_fields_over_number(source: Source, node: Node) -> bool:
    """Whether a union has a number beside a structure of bit-fields that name parts of it."""
    body = node.child_by_field_name("body")
    kinds = [
        kind
        for member in (body.named_children if body is not None else [])
        if (kind := member.child_by_field_name("type")) is not None
    ]
    return any(width(source.text(kind)) for kind in kinds if kind.type != "struct_specifier")


def _field_widths(source: Source, struct: Node) -> list[int]:
    body = struct.child_by_field_name("body")
    found = []
    for member in body.named_children if body is not None else []:
        kind = member.child_by_field_name("type")
        if member.type == "field_declaration" and kind is not None:
            found.append(width(source.text(kind)))
    return found


BITS = (64, 32, 16, 8)


def width(kind: bytes) -> int:
    """The bits of a scalar type by its name, on Linux with 64 bits; 0 for others."""
    name = re.sub(rb"\b(const|static|volatile|register|extern|inline)\b|[&]", b"", kind)
    name = b" ".join(name.split())
    words = load_words()
    return next((bits for bits in BITS if words.match(f"bits-{bits}", name)), 0)


SWAPS = re.compile(rb"^(?:hto[bl]e|[bl]e|bswap_|__builtin_bswap)(16|32|64)|^(?:hton|ntoh)(s|l)$")


@predicate
def swap_of_other_width(source: Source, node: Node, value: Node) -> bool:
    """Whether a function that swaps is given a number that is wider than what it swaps."""
    found = SWAPS.search(source.text(node))
    if not found:
        return False
    swapped = {b"s": 16, b"l": 32}.get(found[2] or b"") or int(found[1])
    inner = value
    while inner.type == "parenthesized_expression" and inner.named_children:
        inner = inner.named_children[0]
    text = source.text(inner)
    cast = re.match(rb"\*\s*\(\s*([\w: ]+?)\s*\*\s*\)", text)
    if cast:
        return width(cast[1]) not in (0, swapped)
    if inner.type != "identifier":
        return False
    kinds = declared_types(source, inner)
    # int and long often hold less than they could.
    return bool(kinds) and all(
        re.search(rb"\d", kind) and b"*" not in kind and b"[" not in kind and width(kind) > swapped
        for kind in kinds
    )


@predicate
def shifted_out(source: Source, node: Node) -> bool:
    """Whether a function gives fewer bits than those that bytes are shifted by to make them."""
    function = source.function(node)
    kind = function.child_by_field_name("type") if function is not None else None
    bits = width(source.text(kind)) if kind is not None else 0
    return any(0 < bits <= int(one) for one in re.findall(rb"<<\s*(\d+)\b", source.text(node)))


@predicate
def refuses_big(source: Source, node: Node) -> bool:
    """Whether an ``#error`` is for big-endian machines."""
    around = source.conditionals.around(node.start_byte)
    if not around:
        return False
    branch, words = around[-1], source.words
    if branch.condition is not None:
        text = branch.condition
        big = words.match("big", text) and not words.match("little", text)
        wants = b"BYTE_ORDER" in text or b"defined" in text or b"(" not in text
        negated = re.search(rb"!\s*defined|!=|!\s*\w", text)
        if negated:
            return words.match("little", text) and not words.match("big", text) and (
                b"!=" in text and b"BYTE_ORDER" in text)  # fmt: skip
        named = re.fullmatch(rb"\s*defined\s*\(?\s*(\w+)\s*\)?\s*", text)
        if named and re.search(rb"#\s*define\s+" + named[1] + rb"\b", source.data):
            return False  # The file makes the macro itself, and nobody else may.
        return big and wants
    before = b"\n".join(branch.before)
    return (
        words.match("little", before) and not words.match("big", before)
        and b"!" not in before and len(branch.before) == 1
    )  # fmt: skip


@predicate
def only_big(source: Source, node: Node) -> bool:
    """Whether only big-endian machines compile a place."""
    words = source.words
    for branch in source.conditionals.around(node.start_byte):
        text = branch.condition
        if text is not None and b"!" not in text and b"||" not in text:
            if words.match("big", text) and not (
                words.match("little", text) and b"BYTE_ORDER" not in text
            ):
                return True
        elif text is None and len(branch.before) == 1:
            (before,) = branch.before
            if (
                words.match("little", before)
                and not words.match("big", before)
                and not (re.search(rb"!|\|\||&&", before))
            ):
                return True
    return False


DEFINED = re.compile(rb"^\s*(?:defined\s*\(?\s*)((?:__)?(?:BIG|LITTLE)_ENDIAN(?:__)?)\s*\)?\s*$")


@predicate
def always_defined(source: Source, node: Node) -> bool:
    """Whether a conditional only asks if a macro of ``<endian.h>``, or of some GCCs, is defined."""
    chain = source.conditionals.chain_at(node.start_byte)
    if chain is None or not chain.branches or chain.branches[0].condition is None:
        return False
    conditions = [one.condition for one in chain.branches if one.condition is not None]
    found = [DEFINED.match(one) for one in conditions]
    if not all(found) or not found:
        return False
    names = [one[1] for one in found if one]
    inside = source.data[chain.branches[0].start : chain.branches[0].end]
    if all(name in inside and b"define " + name in inside for name in names):
        return False
    # The project's own macro is another one than the system's.
    if any(re.search(rb"#\s*define\s+" + name + rb"\b", source.data) for name in names):
        return False
    if any(name.endswith(b"__") for name in names):
        # Both asked for, or the compiler too: nothing is taken for granted.
        return names == [b"__BIG_ENDIAN__"] and not source.words.match("asks-compiler", source.data)
    return source.words.match("endian-include", source.data)
