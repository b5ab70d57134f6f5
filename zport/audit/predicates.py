"""What a query asks and a tree cannot tell: the named predicates of ``porting/rules/``.

A predicate is written ``(#name? @capture "argument")`` in a query; ``not-`` before any name turns
its answer round. Each function here is one; it gets the file, the captured node and the arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from tree_sitter import Node

from zport.audit.languages import HAS_PREPROCESSOR
from zport.audit.source import Source

Predicate = Callable[..., bool]
PREDICATES: dict[str, Predicate] = {}
BASE = re.compile(rb"[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*)*")
WRAPPERS = (
    "parenthesized_expression", "cast_expression", "pointer_expression", "subscript_expression",
    "unary_operator", "unary_expression", "update_expression", "subscript",
)  # fmt: skip
ASSIGNMENTS = 4000
"""Bytes before a use in which its assignment is looked for."""
NATIVE_CODES = re.compile(rb"[hHiIlLqQedf]")
STRUCT = re.compile(rb"[<>!=@]?(?:\s*\d*[xcbB?hHiIlLqQnNefdspP])*\s*")
ASSIGNED = 1000
"""Bytes of an assigned expression that are looked at."""
BRACKETS = re.compile(rb"[()\[\]{};\n]")
END = rb"\s*[=,;){(:]"
ENDS = {"cython": rb"(?:\s*[=,;){(:]|[ \t]*(?=\r?\n))"}
"""What stands behind a variable's name where it is declared; in Cython the line may end there."""
MEMORY_VIEW = re.compile(rb"\[\s*:[:,1\s]*\]")
ORDER_NAME = re.compile(
    rb"\{(?:\w+\.)*_?(?i:e|en|end|endian\w*|bo|(?:byte)?_?order|byteorder|prefix|mark)\}"
)
"""What a format begins with where its order is put in: ``f"{endian}I"``."""
FORMAT = re.compile(rb"^[rRbBfFuU]*('''|\"\"\"|'|\")(.*?)\1", re.DOTALL)


def predicate(function: Predicate) -> Predicate:
    """Make a function a predicate: its name with hyphens and a question mark."""
    PREDICATES[function.__name__.replace("_", "-") + "?"] = function
    return function


def answer(
    source: Source, name: str, arguments: Sequence[tuple[str, str]], captures: dict[str, list[Node]]
) -> bool:
    """What a predicate says of a match. Raises :class:`KeyError` for one that is not known."""
    turned = name.startswith("not-") and name not in PREDICATES
    ask = PREDICATES[name.removeprefix("not-") if turned else name]
    nodes = captures.get(arguments[0][0], [])
    if not nodes:  # An optional capture that is not there has no property.
        return turned
    values = [
        captures.get(text, [None])[0] if kind == "capture" else text
        for text, kind in arguments[1:]
    ]  # fmt: skip
    return ask(source, nodes[0], *values) is not turned


class Asked:
    """The predicates about one file, as tree-sitter calls them."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(
        self, predicate: str, args: list[tuple[str, Literal["capture", "string"]]],
        pattern_index: int, captures: dict[str, list[Node]],
    ) -> bool:  # fmt: skip
        """Whether a match keeps a predicate."""
        return answer(self._source, predicate, args, captures)


@predicate
def words(source: Source, node: Node, name: str) -> bool:
    """Whether the node's text has a word of a list."""
    return source.words.match(name, source.text(node))


@predicate
def near(source: Source, node: Node, name: str) -> bool:
    """Whether the function around the node has a word of a list."""
    return source.words.match(name, source.code_of_scope(node))


@predicate
def beside(source: Source, node: Node, name: str) -> bool:
    """Whether the node's line, or one of the two before or after it, has a word of a list."""
    first, last = source.line(node.start_byte), source.line(node.end_byte)
    return source.words.match(name, source.lines(first - 2, last + 2))


@predicate
def within_function(source: Source, node: Node, name: str) -> bool:
    """Whether the name of the function around the node is of a list."""
    return source.words.match(name, source.function_name(node))


@predicate
def path(source: Source, _: Node, name: str) -> bool:
    """Whether the file's path is of a list."""
    return source.words.match(name, b"/" + source.path.encode("utf-8", "surrogateescape"))


@predicate
def file(source: Source, _: Node, name: str) -> bool:
    """Whether the file has a word of a list anywhere."""
    return source.words.match(name, source.data)


@predicate
def base(source: Source, node: Node, name: str) -> bool:
    """Whether the variable that an expression starts from is named as in a list."""
    return source.words.match(name, base_of(source, node))


@predicate
def declared(source: Source, node: Node, name: str) -> bool:
    """Whether the declared type of an expression's variable is of a list."""
    return source.words.match(name, declared_type(source, node))


@predicate
def assigned(source: Source, node: Node, name: str) -> bool:
    """Whether an expression, or what its variable was last assigned, has a word of a list."""
    return source.words.match(name, source.text(node)) or source.words.match(
        name, assigned_text(source, node)
    )


@predicate
def native_format(source: Source, node: Node) -> bool:
    """Whether a format of ``struct`` takes the machine's order for a number of several bytes."""
    found = FORMAT.match(source.text(node))
    if not found or ORDER_NAME.match(found[2]):
        return False
    text = re.sub(rb"%(?:\(\w+\))?[dsiu]|\{[^}]*\}", b"1", found[2].strip())
    if not STRUCT.fullmatch(text):
        return False
    # Who writes @ asks for the machine's order; n, N, P are sizes and addresses of this process.
    # Who writes = wants no padding: that is right towards programs of this machine alone.
    if text[:1] == b"=" and source.words.match("local-protocol", source.whole_code):
        return False
    return text[:1] not in b"<>!@" and bool(NATIVE_CODES.search(text))


@predicate
def under(source: Source, node: Node, name: str) -> bool:
    """Whether a condition of the preprocessor around the node has a word of a list."""
    return source.conditionals.decided_by(node.start_byte, name)


def base_of(source: Source, node: Node) -> bytes:
    """The variable or field that an expression reads from: ``buf`` of ``(buf + 4)[1]``."""
    while True:
        if node.type in WRAPPERS:
            inner = (
                node.child_by_field_name("argument")
                or node.child_by_field_name("value")
                or node.child_by_field_name("operand")
                or next(iter(node.named_children), None)
            )
        elif node.type in ("binary_expression", "binary_operator"):
            inner = node.child_by_field_name("left")
        elif node.type in ("call_expression", "call"):
            return _called(source, node)
        else:
            break
        if inner is None:
            break
        node = inner
    found = BASE.search(source.text(node))
    return found[0] if found else b""


def _called(source: Source, node: Node) -> bytes:
    """The object of ``buffer.data()``, or a call's own text."""
    function = node.child_by_field_name("function")
    text = source.text(function) if function is not None else b""
    arguments = node.child_by_field_name("arguments")
    if b"_cast<" in text and arguments is not None and arguments.named_children:
        return base_of(source, arguments.named_children[0])
    return re.sub(rb"(\.|->)(data|begin|c_str|get|front)$", b"", text)


def declared_type(source: Source, node: Node) -> bytes:
    """The text before a variable's name where its function declares it, or nothing."""
    kinds = declared_types(source, node)
    return kinds[-1] if kinds else b""


def declared_types(source: Source, node: Node) -> list[bytes]:
    """As :func:`declared_type`, of all declarations of that name before its use."""
    name = base_of(source, node)
    if not re.fullmatch(rb"\w+", name):
        return []
    pattern = re.compile(
        rb"((?:(?:unsigned|signed|long|short)\s+)*"
        rb"(?:[\w:]+(?:<[^<>;()]*>)?\s+|[\w:]+(?:<[^<>;()]*>)?(?=\s*[*&]))(?:const\s+)?"
        rb"(?:[*&]\s*(?:const\s+|restrict\s+|__restrict\s+|__restrict__\s+)?)*)"
        rb"\b" + name + rb"\s*((?:\[[^\]]*\])?)" + ENDS.get(source.language, END)
    )  # fmt: skip
    scope = source.data[source.extent(node)[0] : node.end_byte]
    if source.language == "cython":
        scope = MEMORY_VIEW.sub(b"* ", scope)
    return [
        found[1].strip() + found[2]
        for found in pattern.finditer(scope)
        if found[1][:1].isalpha()
        and found[1].split()[:1] not in ([b"return"], [b"sizeof"], [b"else"], [b"case"])
    ]


def assigned_text(source: Source, node: Node) -> bytes:
    """What was last assigned to an expression's variable in its function, before it."""
    name = base_of(source, node).partition(b".")[0]
    if not re.fullmatch(rb"\w+", name):
        return b""
    start = source.extent(node)[0]
    if source.function(node) is None:
        start = max(0, node.start_byte - ASSIGNMENTS)
    before = source.data[start : _statement_start(node)]
    found = None
    for found in re.finditer(rb"\b" + name + rb"(?:\s*:[^=\n]+)?\s*(?:=(?!=)|\bin\b)\s*", before):  # noqa: B007
        pass
    if found is None:
        return b""
    rest = before[found.end() : found.end() + ASSIGNED]
    return rest[: _expression_end(rest, source.language in HAS_PREPROCESSOR)]


def _expression_end(text: bytes, goes_on: bool) -> int:
    """Where an expression ends: with its line, unless a bracket is open or the language goes on."""
    depth = 0
    for found in BRACKETS.finditer(text):
        mark = found[0]
        if mark in b"([{":
            depth += 1
        elif depth and mark in b")]}":
            depth -= 1
        elif mark == b";" or not (depth or (goes_on and mark == b"\n")):
            return found.start()
    return len(text)


def _statement_start(node: Node) -> int:
    """Where the assignment that a node is on the right of begins: it is not its own origin."""
    inner, outer = node, node.parent
    while outer is not None and not outer.type.endswith(("statement", "block", "definition")):
        left = outer.child_by_field_name("left") or outer.child_by_field_name("declarator")
        if outer.type in ASSIGNING and left is not None and left != inner:
            return outer.start_byte
        inner, outer = outer, outer.parent
    return node.start_byte


ASSIGNING = ("assignment", "assignment_expression", "init_declarator")
