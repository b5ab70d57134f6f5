"""C on its target: the same tree as elsewhere, and what is broken is marked."""

import tree_sitter_c
from tree_sitter import Language, Parser

SOURCE = b"int f(int x) { return x << 2; }"
TREE = """
(translation_unit (function_definition type: (primitive_type) declarator: (function_declarator
declarator: (identifier) parameters: (parameter_list (parameter_declaration
type: (primitive_type) declarator: (identifier)))) body: (compound_statement (return_statement
(binary_expression left: (identifier) right: (number_literal))))))
"""


def test_the_tree_of_a_small_source() -> None:
    """The tree is the one that the published amd64 wheel gives."""
    language = Language(tree_sitter_c.language())
    assert language.abi_version == 15
    parser = Parser(language)
    assert str(parser.parse(SOURCE).root_node).split() == TREE.split()
    assert parser.parse(SOURCE[:-4] + b"((").root_node.has_error
