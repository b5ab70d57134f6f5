"""Python on its target: the same tree as elsewhere, and what is broken is marked."""

import tree_sitter_python
from tree_sitter import Language, Parser

SOURCE = b"def f(x):\n    return x << 2\n"
TREE = """
(module (function_definition name: (identifier) parameters: (parameters (identifier))
body: (block (return_statement (binary_operator left: (identifier) right: (integer))))))
"""


def test_the_tree_of_a_small_source() -> None:
    """The tree is the one that the published amd64 wheel gives."""
    language = Language(tree_sitter_python.language())
    assert language.abi_version == 14
    parser = Parser(language)
    assert str(parser.parse(SOURCE).root_node).split() == TREE.split()
    assert parser.parse(SOURCE[:-4] + b"((").root_node.has_error
