"""Predicates about Python."""

from __future__ import annotations

import re
from itertools import pairwise

from tree_sitter import Node

from zport.audit.predicates import assigned_text, base_of, declared_type, predicate
from zport.audit.source import Source

KEYWORD = re.compile(rb"\bdtype\s*=\s*([A-Za-z_]\w*)|,\s*([A-Za-z_]\w*)\s*[,)]")


@predicate
def assigned_dtype(source: Source, node: Node) -> bool:
    """Whether what a call takes as its dtype is made with an explicit order, or of single bytes.

    A parameter of what reads a file is taken for one, or in a file that names an order anywhere; so
    is what comes from another module.
    """
    found = KEYWORD.search(source.text(node))
    name = (found[1] or found[2]) if found else b""
    if not name:
        return False
    parameter = _parameter(source, node, name)
    if parameter and (
        b".read" in source.text(node) or source.words.match("names-order", source.whole_code)
    ):
        return True
    if re.search(rb"\bimport\b\s*(?:\([^)]*|[^\n]*)\b" + name + rb"\b", source.data):
        return name != b"dtype"  # NumPy's own, over which a variable of that name is put.
    made = re.compile(
        rb"(?m)^[ \t]*"
        + name
        + rb"[ \t]*(?::[^=\n]+)?=(?!=)\s*(\{[^}]*\}|[^\n]*(?:\n[ \t]+[^\n]*){0,4})"
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
def decided_by_content(source: Source, node: Node) -> bool:
    """Whether a condition on an array's own numbers decides about what happens to it."""
    name = re.escape(source.text(node))
    return any(re.search(rb"(?<![\w.])" + name + rb"\s*\[", one) for one in source.conditions(node))


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
    pattern = (rb"(?<![\w.])" + re.escape(name) + rb"\.(?:fromfile|tofile|(?:frombytes|fromstring)"
               rb"\((?![^\n]*(?:astype|tobytes|\.data\b)))")  # fmt: skip
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


ZERO = re.compile(rb"^\*?\s*[(\[]*\s*0(\.0*)?\s*,?\s*[)\]]*\s*(\*\s*[\w.()]+\s*\)?)?$")


@predicate
def packs_nothing(source: Source, node: Node) -> bool:
    """Whether all that is packed is zero, or a number of this process alone, such as a hash."""
    arguments = node.child_by_field_name("arguments")
    values = arguments.named_children[1:] if arguments is not None else []
    if b"unpack" in source.text(node).partition(b"(")[0] or not values:
        return False
    return all(
        ZERO.match(source.text(one)) or source.words.match("process-local", source.text(one))
        for one in values
    )


@predicate
def only_size(source: Source, node: Node) -> bool:
    """Whether nothing but the size of a ``Struct`` is asked for."""
    parent = node.parent
    name = parent.child_by_field_name("attribute") if parent is not None else None
    return name is not None and source.text(name) == b"size"


@predicate
def packed_with_mark(source: Source, node: Node) -> bool:
    """Whether data are packed by a module that asks for the order of such data elsewhere.

    The format then has a mark of its order, and the machine's is as good as the other.
    """
    name = source.text(node).partition(b"(")[0].rpartition(b".")[2]
    return name in (b"pack", b"pack_into") and (
        source.words.match("decides-order", source.whole_code) or both_orders(source, node)
    )


NATIVE_TEXT = re.compile(rb"[\"'](?:\d*[xcbB?hHiIlLqQefds]){2,}[\"']")
ORDERED_TEXT = re.compile(rb"[\"'][<>!](?:\d*[xcbB?hHiIlLqQefds])*[\"']")


@predicate
def native_parameter(source: Source, node: Node) -> bool:
    """Whether a format is its function's parameter, and the file's formats have no order."""
    function = source.function(node)
    name = re.escape(source.text(node))
    parameters = function.child_by_field_name("parameters") if function is not None else None
    if parameters is None or not re.search(rb"\b" + name + rb"\b", source.text(parameters)):
        return False
    code = source.whole_code
    return bool(NATIVE_TEXT.search(code)) and not ORDERED_TEXT.search(code)


@predicate
def names_format(source: Source, node: Node) -> bool:
    """Whether a name is that of a format that ``struct`` is called with in the file."""
    name = source.text(node).rpartition(b".")[2]
    used = (
        rb"\b(?:(?:un)?pack(?:_from|_into)?|Struct)\(\s*(?:\w+\.)*" + re.escape(name) + rb"\s*[,)]"
    )
    return re.search(used, source.whole_code) is not None


@predicate
def both_orders(source: Source, _: Node) -> bool:
    """Whether a file has marks of either order that formats are put together with."""
    code = source.whole_code
    return all(re.search(rb"[\"']" + order, code) for order in (rb"<[%{\"']", rb">[%{\"']"))


@predicate
def only_order(source: Source, node: Node) -> bool:
    """Whether nothing else in a function names an order: the array has the machine's."""
    start, end = source.extent(node)
    rest = source.data[start : node.start_byte] + source.data[node.end_byte : end]
    rest = re.sub(rb"\.dtype\s*==[^\n]*", b"", rest)
    return not source.words.match("explicit-dtype", rest)


def _parameter(source: Source, node: Node, name: bytes) -> bool:
    function = source.function(node)
    parameters = function.child_by_field_name("parameters") if function is not None else None
    return parameters is not None and bool(
        re.search(rb"\b" + name + rb"\b", source.text(parameters))
    )


@predicate
def native_dtype(source: Source, node: Node) -> bool:
    """Whether what a call takes as its dtype is made in the machine's order.

    ``node`` are the call's arguments. The dtype is a variable, of the function or the module, or a
    parameter that the file's callers give such dtypes for.
    """
    found = DTYPE.search(source.text(node))
    name = (found[1] or found[2]) if found else b""
    if not name or re.search(name + rb"[^\n]*\.newbyteorder\(", source.whole_code):
        return False
    made = _made(name, source.scope(node)) or _made(name, source.data)
    if made:
        return _native(source, b"\n".join(made))
    title = source.function_name(node)
    if not title or not _parameter(source, node, name):
        return False
    calls = re.findall(rb"\b" + title + rb"\([^\n]*", source.whole_code)
    return _native(source, b"\n".join(calls)) and not source.words.match(
        "byte-dtype", b"\n".join(calls)
    )


DTYPE = re.compile(
    rb"\bdtype\s*=\s*(?:self\.|cls\.)?([A-Za-z_]\w*)\s*[,)]|"
    rb"^\(\s*[^,()]+(?:\([^()]*\))?\s*,\s*(?:self\.|cls\.)?([A-Za-z_]\w*)\s*[,)]"
)


def _made(name: bytes, text: bytes) -> list[bytes]:
    return re.findall(rb"(?m)^[ \t]*(?:self\.)?" + name + rb"[ \t]*(?::[^=\n]+)?=(?!=)\s*"
                      rb"([^\n]*(?:\n[ \t]+[^\n]*){0,4})", text)  # fmt: skip


def _native(source: Source, text: bytes) -> bool:
    words = source.words
    return words.match("native-dtype", text) and not words.match("explicit-dtype", text)


ORDERED_FIELD = re.compile(rb"['\"]\(?[<>!]|newbyteorder|byteorder|endian")
NATIVE_FIELD = re.compile(rb"['\"]\(?\d*\)?[iuf][248]['\"]")


@predicate
def native_table(source: Source, node: Node) -> bool:
    """Whether a list of fields lays out a record of a file, all in the machine's order.

    It is one of a module or class, has three fields or more, and texts, bytes or padding between
    numbers whose width is written out, as a format's description has them.
    """
    if source.function(node) is not None:
        return False
    text = source.text(node)
    fields = [one for one in node.named_children if one.type == "tuple"]
    return (
        len(fields) >= MANY
        and len(NATIVE_FIELD.findall(text)) * 2 >= len(fields)
        and not ORDERED_FIELD.search(text)
        and source.words.match("record-field", text)
    )


MANY = 3


@predicate
def first_native_field(source: Source, node: Node) -> bool:
    """Whether a field of a list is the first in the machine's order."""
    before = node.parent.named_children if node.parent is not None else []
    first = next((one for one in before if NATIVE_FIELD.search(source.text(one))), None)
    return first == node


def names_of_table(source: Source, node: Node) -> list[str]:
    """A name, and those of the dtypes that its file makes of it."""
    name = re.escape(source.text(node).rpartition(b".")[2])
    made = re.findall(rb"(?m)^[ \t]*(\w+)\s*=\s*(?:\w+\.)?dtype\(\s*" + name + rb"\b", source.data)
    return list(dict.fromkeys(one.decode("utf-8", "replace") for one in (name, *made)))


OPPOSITE = re.compile(
    rb"pack(?:_into)?\(\s*[\"']([<>!])([^\"']+)[\"'].*unpack(?:_from)?\(\s*[\"']([<>!])\2[\"']",
    re.DOTALL,
)


@predicate
def packed_turned(source: Source, node: Node) -> bool:
    """Whether numbers are unpacked and packed again in the other order: swapped, that is."""
    found = OPPOSITE.search(source.text(node))
    return found is not None and (found[1] == b"<") != (found[3] == b"<")


@predicate
def ordered_formats(source: Source, _: Node) -> bool:
    """Whether the file has formats of ``struct`` that say their order."""
    return ORDERED_CALL.search(source.whole_code) is not None


ORDERED_CALL = re.compile(rb"pack(?:_from|_into)?\(\s*[\"'][<>!]\d*[hHiIlLqQefd]")


@predicate
def ordered_little(source: Source, node: Node) -> bool:
    """Whether a format of ``struct`` says little-endian for a number of several bytes."""
    return re.match(rb"^[rbf]?[\"']<[^\"']*[hHiIlLqQefd]", source.text(node)) is not None


@predicate
def wire_number(source: Source, node: Node) -> bool:
    """Whether a number may have the order of a wire still, as far as where it comes from tells."""
    words, text = source.words, source.text(node)
    if node.type != "attribute":
        return words.match("wire-number", source.code_of_scope(node))
    if words.match("wire-number", text) or words.match("wire-structure", source.whole_code):
        return True
    name = re.escape(text.rpartition(b".")[2])
    taken = re.search(rb"\." + name + rb"\b[^=\n]*=(?!=)[^\n]*", source.whole_code)
    return taken is not None and words.match("wire-number", taken[0])


@predicate
def filled_from_file(source: Source, node: Node) -> bool:
    """Whether a buffer is filled by ``readinto`` or its like in the function around."""
    name = re.escape(source.text(node))
    return re.search(rb"\.(?:readinto1?|recv_into)\(\s*(?:memoryview\()?" + name + rb"\b",
                     source.scope(node)) is not None  # fmt: skip


@predicate
def viewed_as_number(source: Source, node: Node) -> bool:
    """Whether an array of bytes is seen as wider numbers later in its function."""
    name = re.escape(source.text(node))
    rest = source.data[node.end_byte : source.extent(node)[1]]
    found = re.search(rb"(?<![\w.])" + name + rb"\.view\(([^)\n]*)", rest)
    return found is not None and not (
        source.words.match("byte-view", found[1]) or source.words.match("explicit-dtype", found[1])
    )


@predicate
def given_to_kernel(source: Source, node: Node) -> bool:
    """Whether a buffer is what ``ioctl`` of the same function fills."""
    name = re.escape(source.text(node))
    return re.search(rb"\bioctl\([^\n]*\b" + name + rb"\b", source.scope(node)) is not None


BIT_FIELD = rb"\(\s*[\"']\w+[\"']\s*,\s*[\w.]+\s*,\s*\d+\s*\)"


@predicate
def lays_over_bits(source: Source, node: Node) -> bool:
    """Whether a member of a ctypes union is a structure of the file that has bit-fields."""
    members = set(re.findall(rb",\s*(\w+)\s*[,)]", source.text(node)))
    inside = rb"\s*\([^)]*Structure\)\s*:(?:(?!\nclass\s).)*?" + BIT_FIELD
    return any(
        re.search(rb"class\s+" + name + inside, source.whole_code, re.DOTALL) for name in members
    )


@predicate
def only_temporary(source: Source, node: Node) -> bool:
    """Whether what is written in a function goes to a temporary file that is not put anywhere."""
    scope, words = source.code_of_scope(node), source.words
    return words.match("temporary", scope) and not words.match("puts-in-place", scope)


@predicate
def reversed_bytes(source: Source, node: Node) -> bool:
    """Whether the bytes of a number that is written out count upwards from its lowest."""
    found = re.fullmatch(rb"0[xX]([0-9a-fA-F]{4}|[0-9a-fA-F]{8}|[0-9a-fA-F]{16})[uUlL]*",
                         source.text(node))  # fmt: skip
    if not found:
        return False
    numbers = list(bytes.fromhex(found[1].decode()))
    steps = {before - after for before, after in pairwise(numbers)}
    return len(steps) == 1 and steps <= {1, 0x11}
