"""lxml on its target: encodings of both byte orders, XPath's numbers, XSLT, HTML."""

import unittest

from lxml import etree, html, objectify

TEXT = "<?xml version='1.0' encoding='{}'?><a>größer λ 🜁<b n='1.5'/><b n='2.25'/></a>"
STYLE = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/>
<xsl:template match="/"><xsl:value-of select="sum(//@n) * 2"/></xsl:template>
</xsl:stylesheet>"""


class Trees(unittest.TestCase):
    """One document, in every encoding that carries it."""

    def test_encodings(self) -> None:
        for name, codec in (
            ("UTF-8", "utf-8"),
            ("UTF-16LE", "utf-16-le"),
            ("UTF-16BE", "utf-16-be"),
        ):
            root = etree.fromstring(TEXT.format(name).encode(codec))
            assert root.text == "größer λ 🜁", name
            written = etree.tostring(root, encoding=name)
            assert "größer λ 🜁" in written.decode(codec), name

    def test_byte_order_mark(self) -> None:
        for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
            root = etree.fromstring(mark + TEXT.format("UTF-16").encode(codec))
            assert root.text == "größer λ 🜁", codec

    def test_python_strings(self) -> None:
        """Python's own strings of one, two and four bytes a character are parsed in place."""
        for text in ("plain", "größer", "λ∑", "🜁"):
            assert etree.fromstring(f"<a>{text}</a>").text == text
            assert html.fromstring(f"<p>{text}</p>").text == text

    def test_numbers(self) -> None:
        root = etree.fromstring(TEXT.format("UTF-8").encode())
        assert root.xpath("sum(b/@n)") == 3.75
        assert root.xpath("count(b[@n > 2])") == 1
        assert str(etree.XSLT(etree.fromstring(STYLE))(root)) == "7.5"

    def test_objects(self) -> None:
        root = objectify.fromstring("<a><n>7</n><x>0.5</x></a>")
        assert root.n + 1 == 8
        assert root.x * 4 == 2.0

    def test_html(self) -> None:
        page = html.fromstring("<html><body><p class=x>1<br>2<a href=y>3</body></html>")
        assert page.text_content() == "123"
        assert [link for _, _, link, _ in page.iterlinks()] == ["y"]


if __name__ == "__main__":
    unittest.main()
