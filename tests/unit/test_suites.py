"""Outcomes of a suite: read from JUnit, compared, explained."""

import pytest

from zport.errors import BuildError, DefinitionError
from zport.suites import outcomes
from zport.suites.outcomes import (
    Difference,
    KnownDifference,
    Outcomes,
    compare,
    known_differences,
    read_outcomes,
)

JUNIT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="a.T" name="good" time="0.1"/>
<testcase classname="a.T" name="bad"><failure message="1 != 2&#10;more">trace</failure></testcase>
<testcase classname="a.T" name="broken"><error>no message here
second line</error></testcase>
<testcase classname="" name="left"><skipped message="not today"/></testcase>
</testsuite></testsuites>"""


def test_outcomes_are_read_by_name(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(JUNIT)
    read = read_outcomes(path)
    assert read.tests == {
        "a.T::good": "passed", "a.T::bad": "failed", "a.T::broken": "error", "left": "skipped",
    }  # fmt: skip
    assert read.messages == {
        "a.T::bad": "1 != 2", "a.T::broken": "no message here", "left": "not today",
    }  # fmt: skip
    assert read.counts["failed"] == 1


@pytest.mark.parametrize("content", [None, "", "<testsuite>", "no xml"])
def test_a_suite_that_left_nothing_whole_is_an_error(tmp_path, content):
    path = tmp_path / "junit.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BuildError, match="left no results"):
        read_outcomes(path)


def test_every_outcome_that_differs_counts(tmp_path):
    here = Outcomes({"same": "passed", "bad": "failed", "left": "skipped", "new": "passed"},
                    {"bad": "wrong number"})  # fmt: skip
    there = Outcomes({"same": "passed", "bad": "passed", "left": "passed", "gone": "failed"}, {})
    known = (KnownDifference(tests="le*", kind="platform", cause="needs it"),)
    assert compare(here, there, known, "1.0") == [
        Difference("bad", "failed", "passed", "wrong number"),
        Difference("gone", "absent", "failed", ""),
        Difference("left", "skipped", "passed", "", known[0]),
        Difference("new", "passed", "absent", ""),
    ]


def test_a_cause_holds_for_the_versions_that_it_names():
    here, there = Outcomes({"t": "failed"}, {}), Outcomes({"t": "passed"}, {})
    known = (KnownDifference(tests="t", kind="defect", cause="x", version="1.*"),)
    assert compare(here, there, known, "1.2")[0].known
    assert not compare(here, there, known, "2.0")[0].known


def test_known_differences_are_read_and_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(outcomes, "KNOWN", tmp_path)
    assert known_differences("leaf") == ()
    (tmp_path / "leaf.toml").write_text('[[difference]]\ntests = "*"\nkind = "test"\ncause = "c"\n')
    assert known_differences("leaf")[0].cause == "c"
    (tmp_path / "leaf.toml").write_text('[[difference]]\ntests = "*"\nkind = "luck"\ncause = "c"\n')
    with pytest.raises(DefinitionError, match=r"difference\.0\.kind"):
        known_differences("leaf")


def test_every_known_difference_of_the_project_is_readable():
    for path in outcomes.KNOWN.glob("*.toml"):
        assert known_differences(path.stem)
