"""A scan: what each package's provider means, worst first, and that it is the build's provider."""

import json
from dataclasses import replace

import pytest
import typer
from made_up_index import DEFECTS, Debian, Shelf, file_of, sha256
from typer.testing import CliRunner

from zport import defects, recipes
from zport.cli.scan import scan
from zport.distribution import TRIXIE
from zport.errors import FetchError, ScanError, UsageError
from zport.resolve.requirements import Pin
from zport.scan import facts, scanner
from zport.scan.diff import compare
from zport.scan.documents import as_html, as_json, as_markdown
from zport.scan.model import Edge, Entry, Lock, SourceFacts
from zport.scan.scanner import Scanner, choose_base
from zport.targets import TARGETS

S390X, AMD64 = TARGETS["s390x"], TARGETS["amd64"]


@pytest.fixture
def world(tmp_path, workspace, monkeypatch):
    """A scanner of an index, an archive and defects that are made up."""
    path = tmp_path / "defects.toml"
    path.write_text(DEFECTS)
    monkeypatch.setattr(defects, "load_defects", lambda: defects.load_definition(
        path, defects.Defects).defect)  # fmt: skip
    monkeypatch.setattr(scanner, "KeptIndex", Shelf)
    monkeypatch.setattr(facts, "PythonPackages", Debian)
    monkeypatch.setattr(
        facts.Sources, "read", lambda _, file: SourceFacts(file.filename, "setuptools", ("cffi",))
    )
    return Scanner(workspace)


def lock_of(*texts, edges=(), asked=None):
    entries = [
        Entry(Pin(*text.split("=="), frozenset()), asked=(asked or {}).get(text)) for text in texts
    ]
    return Lock("made up", tuple(entries), tuple(Edge(*edge) for edge in edges))


def only(report):
    (finding,) = report.findings
    return finding


LATE = "late-1.0-cp313-cp313-manylinux2014_s390x.whl"
ALL = ("pure==1.0", "both==1.0", "elsewhere==1.0", "sourced==1.0", "wrong==1.0")


def test_the_worst_comes_first(world):
    report = world.scan(lock_of(*ALL), [S390X])
    assert [(one.name, one.status) for one in report.findings] == [
        ("wrong", "dangerous"),
        ("elsewhere", "blocked"),
        ("sourced", "source"),
        ("both", "published"),
        ("pure", "pure"),
    ]
    assert [one.name for one in report.hindering] == ["wrong", "elsewhere"]


def test_coverage_counts_what_installs_and_is_not_dangerous(world):
    (coverage,) = world.scan(lock_of(*ALL), [S390X]).coverage()
    assert (coverage.total, coverage.now, coverage.ours) == (5, 2, 2)
    assert "2 of 5 installable now (40 %)" in coverage.text


def test_a_wheel_says_its_tags(world):
    assert only(world.scan(lock_of("both==1.0"), [S390X])).origin == (
        "cp313-cp313-manylinux2014_s390x"
    )


def test_what_is_dangerous_says_why_and_how_to_mend_it(world):
    finding = only(world.scan(lock_of("wrong==1.0"), [S390X]))
    assert finding.detail == "2 and 2 is 5 (https://tracker.example/1)"
    assert finding.step == "pin wrong>=2"


def test_a_defect_of_big_endian_machines_is_none_of_others(world):
    assert not defects.defects_of("wrong", "1.0", AMD64)
    assert not defects.defects_of("wrong", "2.0", S390X)


def test_a_source_says_what_it_asks_for(world):
    finding = only(world.scan(lock_of("sourced==1.0"), [S390X]))
    assert finding.origin == "sourced-1.0.tar.gz: setuptools, no compiler, asks for cffi"
    assert finding.step == "zport recipe new sourced==1.0"


def test_a_source_that_is_known_to_refuse_is_blocked(world):
    finding = only(world.scan(lock_of("refusing==1.0"), [S390X]))
    assert (finding.status, finding.step) == ("blocked", "pin refusing>=2")


def test_a_source_that_builds_with_a_variable_says_which(world):
    finding = only(world.scan(lock_of("settable==1.0"), [S390X]))
    assert finding.status == "source"
    assert finding.step == "set USE_SYSTEM=1 and zport recipe new settable==1.0"


def test_a_version_that_the_index_does_not_have_is_told(world):
    finding = only(world.scan(lock_of("pure==9.9"), [S390X]))
    assert (finding.status, finding.detail) == ("blocked", "the index does not have this version")
    assert "check the name" in finding.step


def test_a_wheel_that_comes_later_is_found_by_the_next_scan(world, workspace, monkeypatch):
    lock = Lock("made up", (Entry(Pin("late", "1.0", frozenset({file_of(LATE).sha256}))),))
    assert only(world.scan(lock, [S390X])).status == "blocked"
    monkeypatch.setattr(Shelf, "FILES", (LATE,))
    assert only(Scanner(workspace).scan(lock, [S390X])).status == "published"
    monkeypatch.setattr(Shelf, "FILES", ())
    assert only(Scanner(workspace).scan(lock, [S390X])).status == "published"
    assert only(Scanner(workspace, refresh=True).scan(lock, [S390X])).status == "blocked"


def test_the_distribution_stands_in_where_its_version_is_one_that_was_asked_for(world):
    loose = lock_of("debianized==2.0", asked={"debianized==2.0": ">=1"})
    finding = only(world.scan(loose, [S390X]))
    assert (finding.status, finding.origin) == ("distribution", "python3-debianized 1.5")
    assert 'debianized = "python3-debianized"' in finding.step
    assert finding.provided.kind == "blocked"


def test_the_distribution_does_not_stand_in_for_another_version(world):
    finding = only(world.scan(lock_of("debianized==2.0"), [S390X]))
    assert finding.status == "blocked"
    assert "Debian has 1.5, another version" in finding.detail
    assert finding.step == "pin debianized==1.5 and take python3-debianized"


def test_what_only_a_distributions_package_needs_is_left_out(world):
    lock = lock_of(
        "debianized==2.0", "elsewhere==1.0", "pure==1.0",
        edges=[("debianized==2.0", "elsewhere==1.0"), ("debianized==2.0", "pure==1.0"),
               ("project", "pure==1.0")],
        asked={"debianized==2.0": ""},
    )  # fmt: skip
    report = world.scan(lock, [S390X])
    assert [one.name for one in report.findings] == ["debianized", "pure"]
    assert "needed only by what the distribution brings: elsewhere" in report.notes[0]


def test_who_pulled_a_blocker_in_is_said(world):
    lock = lock_of("pure==1.0", "elsewhere==1.0",
                   edges=[("pure==1.0", "elsewhere==1.0"), ("project", "pure==1.0")])  # fmt: skip
    finding = world.scan(lock, [S390X]).findings[0]
    assert finding.pulled_by == ("pure", "project")


def test_a_cause_comes_before_what_follows_from_it(world):
    lock = lock_of("elsewhere==1.0", "zoo==1.0", "pure==1.0", edges=[
        ("zoo==1.0", "elsewhere==1.0"), ("zoo==1.0", "pure==1.0"), ("project", "zoo==1.0"),
    ])  # fmt: skip
    report = world.scan(lock, [S390X])
    assert [(one.name, one.follows) for one in report.hindering] == [
        ("zoo", ""), ("elsewhere", "zoo"),
    ]  # fmt: skip
    assert report.hindering[1].step.startswith("see zoo")


def test_what_comes_from_no_index_is_source(world):
    lock = Lock("x", (Entry(Pin("leaf", "", frozenset()), source="https://git.example/leaf"),))
    finding = only(world.scan(lock, [S390X]))
    assert (finding.status, finding.origin) == ("source", "https://git.example/leaf")


def test_a_wheel_that_came_after_the_lock_says_to_lock_again(world):
    lock = Lock("x", (Entry(Pin("both", "1.0", frozenset({sha256("older")}))),))
    finding = only(world.scan(lock, [S390X]))
    assert finding.status == "blocked"
    assert "write the lock again" in finding.step


RECIPE = """\
name = "sourced"
version = "{version}"
summary = "x"
{more}
[source]
kind = "pypi"
filename = "sourced-{version}.tar.gz"
sha256 = "{sha256}"
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Writes a recipe of the package that has only a source."""
    folder = tmp_path / "recipes"
    monkeypatch.setattr(recipes, "RECIPES", folder)

    def write(version="1.0", more="", digest="a" * 64):
        (folder / "sourced").mkdir(parents=True)
        text = RECIPE.format(version=version, more=more, sha256=digest)
        (folder / "sourced" / "recipe.toml").write_text(text)

    return write


def test_our_recipe_serves_and_counts(recipe, world):
    recipe()
    report = world.scan(lock_of("sourced==1.0"), [S390X])
    assert (only(report).status, only(report).step) == ("recipe", "zport wheel sourced")
    assert (report.coverage()[0].now, report.coverage()[0].ours) == (0, 1)


def test_a_recipe_that_was_never_built_does_not_count(recipe, world):
    recipe(more='not_run = "nobody tried"')
    report = world.scan(lock_of("sourced==1.0"), [S390X])
    assert only(report).detail == "not built yet: nobody tried"
    assert report.coverage()[0].ours == 0


def test_a_recipe_whose_source_nobody_has_blocks(recipe, world):
    recipe(more='not_run = "out of reach"', digest="0" * 64)
    finding = only(world.scan(lock_of("sourced==1.0"), [S390X]))
    assert finding.status == "blocked"
    assert "not pinned: out of reach" in finding.detail


def test_a_recipe_of_another_version_is_a_way_out(recipe, world):
    recipe(version="2.0")
    finding = only(world.scan(lock_of("sourced==1.0"), [S390X]))
    assert finding.status == "source"
    assert finding.step.startswith("pin sourced==2.0, which has a recipe, or zport recipe new")


def test_recipes_are_for_the_distributions_python(recipe, world, workspace):
    recipe()
    other = Scanner(workspace, replace(TRIXIE, python=(3, 12)))
    finding = only(other.scan(lock_of("sourced==1.0"), [S390X]))
    assert finding.status == "source"
    assert "our recipe makes a wheel for Python 3.13" in finding.detail


def test_two_scans_are_compared(world):
    before = world.scan(lock_of("both==1.0", "elsewhere==1.0"), [AMD64])
    after = world.scan(lock_of("elsewhere==1.0", "pure==1.0"), [S390X])
    found = [(one.name, one.change) for one in compare(before, after).differences]
    assert found == [("elsewhere", "worse"), ("pure", "added"), ("both", "removed")]


def test_documents_hold_every_package_and_nothing_breaks_out_of_them(world):
    lock = Lock("<b>|x", (Entry(Pin("leaf", "", frozenset()), source="<script>|`"),))
    report = world.scan(lock, [S390X])
    assert "<script>" not in as_html(report)
    assert "&lt;script&gt;" in as_html(report)
    row = as_markdown(report).strip().splitlines()[-1]
    assert row.replace("\\|", "").count("|") == 8
    record = json.loads(as_json(report))
    assert record["packages"][0]["status"] == "source"
    assert record["passed"] is True


@pytest.mark.parametrize(("base", "python"), [("sid", None), ("trixie", "2.7"), ("none", "three")])
def test_an_unknown_base_or_python_is_refused(base, python):
    with pytest.raises(UsageError) as caught:
        choose_base(base, python)
    assert caught.value.next_step


def test_another_python_takes_no_packages_of_the_distribution():
    assert choose_base("trixie", None) == (TRIXIE, True)
    assert choose_base("trixie", "3.13") == (TRIXIE, True)
    assert choose_base("trixie", "3.12") == (replace(TRIXIE, python=(3, 12)), False)
    assert choose_base("none", None) == (TRIXIE, False)


@pytest.fixture
def command(world, tmp_path):
    """Runs the command line on a list of pins."""
    app = typer.Typer()
    app.command()(scan)

    def run(pins, *options):
        path = tmp_path / "pins.txt"
        path.write_text("\n".join(pins))
        return CliRunner().invoke(
            app, [str(path), "--no-deps", "--build-folder", str(tmp_path / "b"), *options]
        )

    return run


def test_the_exit_status_tells_whether_something_hinders(command):
    assert command(["pure==1.0", "sourced==1.0"]).exit_code == 0
    failed = command(["pure==1.0", "elsewhere==1.0", "wrong==1.0"])
    assert isinstance(failed.exception, ScanError)
    assert failed.exception.exit_code == 12
    assert "1 dangerous, 1 blocked: wrong==1.0, elsewhere==1.0" in str(failed.exception)


def test_the_table_lists_what_needs_a_step_and_counts_the_others(command):
    said = command(["pure==1.0", "sourced==1.0"]).stdout
    assert "next: zport recipe new sourced==1.0" in said
    assert "pure==1.0" not in said
    assert "1 source only, 1 pure Python" in said
    assert "pure==1.0" in command(["pure==1.0"], "-v").stdout


def test_several_targets_are_told_apart(command):
    said = command(["elsewhere==1.0"], "--arch", "amd64,s390x", "--format", "json").stdout
    packages = json.loads(said)["packages"]
    assert {one["target"]: one["status"] for one in packages} == {
        "s390x": "blocked", "amd64": "published",
    }  # fmt: skip


def test_the_difference_to_another_target_or_list(command, tmp_path):
    assert "worse" in command(["elsewhere==1.0"], "--diff", "amd64").stdout
    other = tmp_path / "other.txt"
    other.write_text("both==1.0\n")
    said = command(["pure==1.0"], "--diff", str(other), "--format", "json").stdout
    changes = [one["change"] for one in json.loads(said)["diff"]["differences"]]
    assert changes == ["added", "removed"]
    assert isinstance(command(["pure==1.0"], "--diff", "s390x").exception, UsageError)


def test_an_archive_that_does_not_answer_is_a_note(command, monkeypatch):
    def refuse(*_):
        raise FetchError("no route")

    monkeypatch.setattr(Debian, "versions", refuse)
    assert "the distribution was not asked: no route" in command(["sourced==1.0"]).stdout
