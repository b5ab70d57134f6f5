"""MarkupSafe on its target: that it is the compiled one, and what it escapes."""

import unittest

import markupsafe
from markupsafe import Markup, escape


class Escaping(unittest.TestCase):
    """Strings of each width that Python stores: one, two and four bytes a character."""

    def test_the_compiled_functions_are_used(self) -> None:
        from markupsafe import _speedups

        assert markupsafe._escape_inner is _speedups._escape_inner

    def test_every_width(self) -> None:
        for text in ("plain", "größer", "λ∑", "🜁🜂"):
            assert escape(text) == text
            assert escape(f"<{text}>&'\"") == f"&lt;{text}&gt;&amp;&#39;&#34;"
        assert escape("<" * 1000) == "&lt;" * 1000

    def test_markup_is_left_alone(self) -> None:
        assert escape(Markup("<b>")) == "<b>"
        assert Markup("<i>%s</i>") % "<ß>" == "<i>&lt;ß&gt;</i>"


if __name__ == "__main__":
    unittest.main()
