"""Every rule's own examples, and that its queries and words are what they should be."""

from functools import partial

import pytest

from zport.audit.auditor import audit
from zport.audit.files import File
from zport.audit.inputs import Input
from zport.audit.languages import SUFFIXES
from zport.audit.predicates import PREDICATES
from zport.audit.rules import Pattern, load_rules, patterns
from zport.audit.words import RULES, load_words
from zport.errors import DefinitionError

ENDINGS = {"c": ".c", "cpp": ".cpp", "python": ".py", "cython": ".pyx"}
EXAMPLES = [
    pytest.param(rule, kind, example, id=f"{rule.id}-{kind}{number}")
    for rule in load_rules().values()
    for kind in ("bad", "good")
    for number, example in enumerate(getattr(rule, kind))
]


def files_of(example):
    path = example.path or "src/module" + ENDINGS[example.language]
    return iter([File(path, example.code.encode())])


@pytest.mark.parametrize(("rule", "kind", "example"), EXAMPLES)
def test_a_rule_finds_its_bad_examples_and_not_its_good_ones(rule, kind, example):
    report = audit(Input("example", partial(files_of, example)), severity="note")
    found = [one for one in report.findings if one.rule == rule.id]
    if kind == "bad":
        assert found
    else:
        assert [one for one in found if one.severity != "note"] == []


@pytest.mark.parametrize("rule", load_rules().values(), ids=list(load_rules()))
def test_every_query_compiles_and_asks_what_there_is(rule):
    for match in rule.match:
        assert "@finding" in match.query
        for language in match.languages or rule.languages:
            query = Pattern(rule, match, language).query
            for number in range(query.pattern_count):
                for name in asked(match.query):
                    plain = name.removeprefix("not-")
                    assert name in PREDICATES or plain in PREDICATES or name in BUILT_IN, number


BUILT_IN = {"eq?", "not-eq?", "match?", "not-match?", "any-of?", "not-any-of?"}


def asked(query):
    return {
        word[2:].split()[0]
        for word in query.split("\n")
        for word in [word.strip()]
        if word.startswith("(#")
    }


def test_every_list_of_words_that_a_query_names_is_there():
    words = load_words()
    for rule in load_rules().values():
        for match in rule.match:
            for line in match.query.splitlines():
                name = line.strip().removeprefix("(#").split("?")[0].removeprefix("not-")
                if line.strip().startswith("(#") and name in WITH_WORDS:
                    assert line.split('"')[1] in words, (rule.id, line)


WITH_WORDS = {"words", "near", "beside", "within-function", "path", "file", "base", "declared",
              "assigned", "under"}  # fmt: skip


def test_all_languages_have_rules():
    assert {language for language in SUFFIXES.values() if patterns(language)} == set(ENDINGS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id = 1", "id"),
        ("", "field required"),
        ("id = [", "not valid TOML"),
    ],
)
def test_a_rule_that_is_none_says_where(text, told, tmp_path):
    (tmp_path / "broken.toml").write_text(text)
    with pytest.raises(DefinitionError) as caught:
        load_rules(tmp_path)
    assert "broken.toml" in str(caught.value)
    assert told in str(caught.value)


def test_a_rule_is_named_as_its_file(tmp_path):
    text = (RULES / "native-struct.toml").read_text()
    (tmp_path / "other.toml").write_text(text)
    with pytest.raises(DefinitionError, match="its id is native-struct"):
        load_rules(tmp_path)


def test_a_query_that_is_none_says_which_rule():
    rule = load_rules()["native-struct"]
    broken = rule.match[0].model_copy(update={"query": "(nonsense) @finding"})
    with pytest.raises(DefinitionError, match=r"native-struct\.toml"):
        _ = Pattern(rule, broken, "python").query
