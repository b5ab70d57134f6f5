"""One file as the rules see it: parsed, with the function and the conditions around each node."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from tree_sitter import Node, Tree

from zport.audit.conditionals import Conditionals
from zport.audit.cython import as_python
from zport.audit.languages import HAS_PREPROCESSOR, Language, parser
from zport.audit.words import Words

DEFINE = re.compile(
    rb"^[ \t]*#[ \t]*define[ \t]+(\w+(?:\([^)\n]*\))?)((?:[^\n\\]|\\.|\\\r?\n)*)",
    re.MULTILINE | re.DOTALL,
)
NOT_LINE_END = re.compile(rb"[^\n]")
COMMENTS = {
    "c": re.compile(rb"/\*.*?\*/|//[^\n]*", re.DOTALL),
    "python": re.compile(rb"(?m)^\s*#[^\n]*|\s#[^\n'\"]*$|(?s:^\s*[rRuU]?(\"\"\"|\'\'\').*?\1)"),
}
HEAD = re.compile(rb"\b(\w+)\s*\([^;{}]*\)\s*(?:const\s*)?\{")
AROUND = 8
"""Lines before and after a statement outside of functions that say something about it."""
LONG = 6000
"""Bytes of a function beyond which its other end says nothing about a place."""
FUNCTIONS = ("function_definition", "lambda_expression")
CLASSES = ("class_specifier", "struct_specifier", "class_definition")


@dataclass
class View:
    """A parsed text with the file's own offsets: what was put out of the parser's way is blank."""

    text: bytes
    tree: Tree


@dataclass
class Source:
    """A file of a known language, as bytes. ``path`` is relative, with slashes."""

    path: str
    language: Language
    data: bytes
    words: Words
    _stripped: dict[tuple[int, int], bytes] = field(default_factory=dict, repr=False)

    @cached_property
    def code(self) -> View:
        """The file itself."""
        text = as_python(self.data) if self.language == "cython" else self.data
        return View(text, parser(self.language).parse(text))

    @cached_property
    def macros(self) -> View | None:
        """The bodies of the preprocessor's macros as statements, and nothing else.

        The grammars keep a body as one text, and many a load through a cast is in one.
        """
        if self.language not in HAS_PREPROCESSOR or not self._defines[0]:
            return None
        text = bytearray(NOT_LINE_END.sub(b" ", self.data))
        for _, end, body in self._defines[1]:
            text[body:end] = re.sub(rb"##?|\\(?=\r?\n)", lambda m: b" " * len(m[0]),
                                    self.data[body:end])  # fmt: skip
            if end < len(text):
                text[end : end + 1] = b";"
        whole = bytes(text)
        return View(whole, parser(self.language).parse(whole))

    @cached_property
    def conditionals(self) -> Conditionals:
        return Conditionals(self.data if self.language in HAS_PREPROCESSOR else b"", self.words)

    @cached_property
    def _defines(self) -> tuple[list[int], list[tuple[int, int, int]]]:
        found = [(m.start(), m.end(), m.start(2)) for m in DEFINE.finditer(self.data)]
        return [start for start, _, _ in found], found

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer(b"\n", self.data))]

    def line(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return bisect_right(self._line_starts, offset)

    def column(self, offset: int) -> int:
        """The byte in its line, from 1."""
        return offset - self._line_starts[self.line(offset) - 1] + 1

    def lines(self, first: int, last: int) -> bytes:
        """The text of some lines, both ends included."""
        starts = self._line_starts
        return self.data[
            starts[max(first, 1) - 1] : [*starts, len(self.data)][min(last, len(starts))]
        ]

    def text(self, node: Node) -> bytes:
        """A node's text as the file has it."""
        return self.data[node.start_byte : node.end_byte]

    def function(self, node: Node) -> Node | None:
        """The function that a node is in: the outermost, for inner ones share its names."""
        found = None
        outer: Node | None = node
        while outer is not None:
            if outer.type in FUNCTIONS:
                found = outer
            elif outer.type in CLASSES and found is not None:
                break
            outer = outer.parent
        return found

    def extent(self, node: Node) -> tuple[int, int]:
        """Where the text that decides about a node begins and ends: function, macro, statement."""
        function = self.function(node)
        if function is not None:
            return function.start_byte, function.end_byte
        start = node.start_byte
        macro = self._macro(start)
        if macro:
            return macro[:2]
        if self.language in HAS_PREPROCESSOR:
            # A macro that the grammar cannot read may hide the function: its braces are at the
            # beginning of a line.
            before = self.data.rfind(b"\n}", 0, start) + 1
            after = self.data.find(b"\n}", start)
            return before, after + 2 if after >= 0 else len(self.data)
        statement = node
        while statement.parent is not None and statement.parent.parent is not None:
            statement = statement.parent
        if statement.type in CLASSES:
            return statement.start_byte, statement.end_byte
        starts, line = self._line_starts, self.line(start)
        last = min(line + AROUND, len(starts))
        return starts[max(line - AROUND, 1) - 1], [*starts, len(self.data)][last]

    def scope(self, node: Node) -> bytes:
        """The text that decides about a node."""
        start, end = self.extent(node)
        return self.data[start:end]

    def code_of_scope(self, node: Node) -> bytes:
        """As :meth:`scope`, without comments; of a long function what is not far from the node."""
        start, end = self.extent(node)
        if end - start > LONG:
            start, end = (
                max(start, node.start_byte - LONG // 2),
                min(end, node.end_byte + LONG // 2),
            )
        if (start, end) not in self._stripped:
            self._stripped[start, end] = self._comments.sub(b" ", self.data[start:end])
        return self._stripped[start, end]

    @cached_property
    def whole_code(self) -> bytes:
        """The whole file without comments."""
        return self._comments.sub(b" ", self.data)

    @property
    def _comments(self) -> re.Pattern[bytes]:
        return COMMENTS["c" if self.language in HAS_PREPROCESSOR else "python"]

    def function_name(self, node: Node) -> bytes:
        """The name of the function or macro that a node is in, or nothing."""
        function = self.function(node)
        if function is not None:
            name = function.child_by_field_name("name")
            name = name or function.child_by_field_name("declarator")
            return self.text(name).partition(b"(")[0].strip(b" *&") if name is not None else b""
        macro = self._macro(node.start_byte)
        if macro:
            text = self.data[macro[0] : macro[1]].partition(b"define")[2]
            return re.split(rb"[\s(]", text.strip(), maxsplit=1)[0]
        if self.language not in HAS_PREPROCESSOR:
            return b""
        head = self.data[self.extent(node)[0] : node.start_byte]
        named = HEAD.search(head)
        return named[1] if named else b""

    def _macro(self, offset: int) -> tuple[int, int, int] | None:
        """Where the macro's definition that an offset is in begins, ends, and has its body."""
        starts, found = self._defines
        place = bisect_right(starts, offset) - 1
        if self.language in HAS_PREPROCESSOR and place >= 0 and offset < found[place][1]:
            return found[place]
        return None

    def conditions(self, node: Node) -> Iterator[bytes]:
        """The conditions of the statements and expressions around a node."""
        inner, outer = node, node.parent
        while outer is not None:
            if outer.type in (
                "if_statement",
                "elif_clause",
                "conditional_expression",
                "while_statement",
                "switch_statement",
                "assert_statement",
            ):
                condition = outer.child_by_field_name("condition")
                if condition is None:  # Python's x if condition else y has no names for its parts.
                    yield self.text(outer)
                elif condition.start_byte != inner.start_byte:
                    yield self.text(condition)
            inner, outer = outer, outer.parent
