"""C++ on its target: the same tree as elsewhere, and what is broken is marked."""

import tree_sitter_cpp
from tree_sitter import Language, Parser

SOURCE = b"struct A { virtual ~A() = default; };"
TREE = """
(translation_unit (struct_specifier name: (type_identifier) body: (field_declaration_list
(function_definition declarator: (function_declarator declarator: (destructor_name (identifier))
parameters: (parameter_list)) (default_method_clause)))))
"""


def test_the_tree_of_a_small_source() -> None:
    """The tree is the one that the published amd64 wheel gives."""
    language = Language(tree_sitter_cpp.language())
    assert language.abi_version == 14
    parser = Parser(language)
    assert str(parser.parse(SOURCE).root_node).split() == TREE.split()
    assert parser.parse(SOURCE[:-4] + b"((").root_node.has_error
