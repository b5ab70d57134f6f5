"""Templates become Dockerfiles; what they lack is told by template."""

import subprocess

import pytest

from zport import __version__
from zport.errors import DefinitionError
from zport.steps import render


@pytest.fixture
def template(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    render._environment.cache_clear()
    yield (tmp_path / "leaf.Dockerfile.j2").write_text
    render._environment.cache_clear()


def test_values_are_put_in_and_the_text_ends_in_one_newline(template):
    template("# {{ version }}\nFROM {{ image }}\n\n\n")
    text = render.render("leaf.Dockerfile.j2", {"image": "scratch"})
    assert text == f"# {__version__}\nFROM scratch\n"


@pytest.mark.parametrize("value", ["a", "", "$(id)", "a b", "it's", 'a"b\\c', "#x"])
def test_a_word_of_a_command_is_taken_literally(template, value):
    template("RUN printf %s {{ value | word }}")
    text = render.render("leaf.Dockerfile.j2", {"value": value}).removeprefix("RUN ")
    assert subprocess.check_output(["sh", "-c", text], text=True) == value


@pytest.mark.parametrize("kind", ["word", "quoted"])
@pytest.mark.parametrize("value", ["a\nRUN id", "a\n", "\r"])
def test_no_value_begins_an_instruction(template, kind, value):
    template(f"RUN echo {{{{ value | {kind} }}}}")
    with pytest.raises(DefinitionError, match="line break"):
        render.render("leaf.Dockerfile.j2", {"value": value})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FROM {{ image }}", "'image' is undefined"),
        ("FROM {{ step.image }}", "image"),
        ("FROM scratch\n{% for x in %}", ":2"),
        ('{% import "gone.j2" as m %}', "gone.j2"),
    ],
    ids=["name", "attribute", "syntax", "import"],
)
def test_a_template_that_does_not_render_is_named(template, text, told):
    template(text)
    with pytest.raises(DefinitionError) as caught:
        render.render("leaf.Dockerfile.j2", {"step": {}})
    assert told in str(caught.value)
    assert "leaf.Dockerfile.j2" in str(caught.value)


def test_a_template_that_is_absent_is_named(template):
    with pytest.raises(DefinitionError, match=r"none\.Dockerfile\.j2"):
        render.render("none.Dockerfile.j2", {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-O2 -DX='a' & <b>", "\"-O2 -DX='a' & <b>\""),
        ('say "hi"', '"say \\"hi\\""'),
        ("$HOME/x", '"\\$HOME/x"'),
        ("a\\b", '"a\\\\b"'),
    ],
)
def test_a_value_reaches_a_dockerfile_as_it_is(template, value, text):
    template("ENV X={{ value | quoted }}\n")
    assert render.render("leaf.Dockerfile.j2", {"value": value}) == f"ENV X={text}\n"
