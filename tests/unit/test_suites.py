"""Suites: planned, run by an engine, outcomes read from JUnit, compared, explained."""

import io
import json
import re
import shutil
import subprocess
import tarfile
from types import SimpleNamespace

import pytest
from rich.console import Console
from test_plan import planner, project  # noqa: F401 - a fixture

from zport import recipes
from zport.cli import suites as command
from zport.cli.suites import chosen_suites, judge_all, with_reference
from zport.engines import TIMED_OUT
from zport.errors import BuildError, DefinitionError, UsageError, VerdictError
from zport.progress import Progress
from zport.recipes import Suite, load_recipe
from zport.suites import outcomes, run
from zport.suites.outcomes import (
    Difference,
    KnownDifference,
    Outcomes,
    compare,
    known_differences,
    read_outcomes,
    unmatched,
)
from zport.suites.plan import SuitePlan, plan_suite
from zport.suites.run import EMULATION, SuiteRunner
from zport.targets import TARGETS

HOST, S390X = TARGETS["amd64"], TARGETS["s390x"]

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


def read(tmp_path, *cases):
    path = tmp_path / "junit.xml"
    path.write_text(f"<testsuite>{''.join(cases)}</testsuite>")
    return read_outcomes(path)


def case(name, file="a.py", inside=""):
    return f'<testcase classname=".T" name="{name}" file="{file}">{inside}</testcase>'


def test_tests_of_one_name_in_two_files_are_two_and_others_keep_their_names(tmp_path):
    found = read(tmp_path, case("t"), case("t", "b.py", "<failure>x</failure>"), case("other"))
    assert found.tests == {"a.py::.T::t": "passed", "b.py::.T::t": "failed", ".T::other": "passed"}
    assert found.messages == {"b.py::.T::t": "x"}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_outcomes_of_one_test_the_worst_counts(tmp_path, order):
    insides = ["<error>teardown</error>", "<failure>1</failure>", "<skipped>2</skipped>", ""]
    for worst in range(4):
        found = read(tmp_path, *[case("t", "a.py", one) for one in insides[worst:]][::order])
        assert found.tests == {".T::t": ("error", "failed", "skipped", "passed")[worst]}
        assert found.messages.get(".T::t") == ("teardown", "1", "2", None)[worst]


def test_every_outcome_that_differs_counts():
    here = Outcomes({"same": "passed", "bad": "failed", "left": "skipped", "new": "passed"},
                    {"bad": "wrong number"})  # fmt: skip
    there = Outcomes({"same": "passed", "bad": "passed", "left": "passed", "gone": "failed"}, {})
    known = (KnownDifference(tests="le*", kind="platform", cause="needs it"),)
    assert compare("s390x", here, there, known, "1.0") == [
        Difference("s390x", "bad", "failed", "passed", "wrong number"),
        Difference("s390x", "gone", "absent", "failed", ""),
        Difference("s390x", "left", "skipped", "passed", "", known[0]),
        Difference("s390x", "new", "passed", "absent", ""),
    ]


@pytest.mark.parametrize(
    ("limits", "explains"),
    [
        ({}, True),
        ({"version": "1.*"}, True),
        ({"version": "2.*"}, False),
        ({"targets": ("arm64", "s390x")}, True),
        ({"targets": ("arm64",)}, False),
        ({"outcomes": ("error", "failed")}, True),
        ({"outcomes": ("skipped",)}, False),
    ],
)
def test_a_cause_explains_no_more_than_it_says(limits, explains):
    here, there = Outcomes({"t": "failed"}, {}), Outcomes({"t": "passed"}, {})
    known = (KnownDifference(tests="t", kind="defect", cause="x", **limits),)
    differences = compare("s390x", here, there, known, "1.2")
    assert bool(differences[0].known) == explains


def test_a_known_difference_that_matched_nothing_is_found():
    used, stale, elsewhere = (
        KnownDifference(tests="t", kind="test", cause="x"),
        KnownDifference(tests="gone", kind="test", cause="x", targets=("s390x", "arm64")),
        KnownDifference(tests="gone", kind="test", cause="x", targets=("arm64",)),
    )
    differences = [Difference("s390x", "t", "failed", "passed", "", used)]
    known = (used, stale, elsewhere)
    assert unmatched(known, differences, ["s390x", "amd64"]) == [stale]
    assert unmatched(known, [], ["s390x", "arm64"]) == [used, stale, elsewhere]


def test_known_differences_are_read_and_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(outcomes, "KNOWN", tmp_path)
    assert known_differences("leaf") == ()
    (tmp_path / "leaf.toml").write_text('[[difference]]\ntests = "*"\nkind = "test"\ncause = "c"\n')
    assert known_differences("leaf")[0].cause == "c"
    (tmp_path / "leaf.toml").write_text('[[difference]]\ntests = "*"\nkind = "luck"\ncause = "c"\n')
    with pytest.raises(DefinitionError, match=r"difference\.0\.kind"):
        known_differences("leaf")
    (tmp_path / "leaf.toml").write_text(
        '[[difference]]\ntests = "*"\nkind = "test"\ncause = "c"\ntargets = ["s390"]\n'
    )
    with pytest.raises(DefinitionError, match=r"difference\.0\.targets: .*no target 's390'"):
        known_differences("leaf")


def test_every_known_difference_of_the_project_is_readable():
    for path in outcomes.KNOWN.glob("*.toml"):
        assert known_differences(path.stem)


def test_what_is_known_explains_what_was_recorded():
    for path in outcomes.KNOWN.glob("*.toml"):
        record = json.loads(path.with_suffix(".json").read_text())
        for one in record["differences"]:
            here = Outcomes({one["test"]: one["outcome"]}, {})
            there = Outcomes({one["test"]: one["reference"]}, {})
            known = known_differences(path.stem)
            assert compare("s390x", here, there, known, record["version"])[0].known, one["test"]


class FakeEngine:
    """Instead of running an image, leaves what the image's name stands for and its status."""

    def __init__(self, **runs):
        self.runs = runs
        self.asked = []

    def run(self, image, target, command, mounts, log, seconds):
        self.asked.append((image, seconds))
        status, junit = self.runs[image.partition("/")[0]]
        if junit is not None:
            (mounts[0].source / "junit.xml").write_text(junit)
        return status


PASSED = f"<testsuite>{case('t')}</testsuite>"
FAILED = f"<testsuite>{case('t', inside='<failure>x</failure>')}{case('u')}</testsuite>"
SKIPPED = f"<testsuite>{case('t', inside='<skipped>x</skipped>')}</testsuite>"


def suite_plan(name="leaf", target=HOST):
    recipe = SimpleNamespace(name=name, title=name, version="1.2")
    step = SimpleNamespace(name=f"suite-{name}-{target.name}", key="k", image=f"{name}/k")
    suite = Suite(pytest=("tests",), seconds=10)
    return SuitePlan(name, recipe, suite, target, step, f"{name}-1.2-{target.name}.whl")


def suite_runner(workspace, engine):
    progress = Progress(Console(quiet=True), workspace, "run")
    return SuiteRunner(workspace, engine, progress, HOST, 2)


@pytest.mark.parametrize(("status", "junit"), [(0, PASSED), (1, FAILED)])
def test_a_suite_that_ran_is_kept_and_not_run_again(workspace, status, junit):
    engine = FakeEngine(leaf=(status, junit))
    first = suite_runner(workspace, engine).run([suite_plan()])
    assert first[0].outcomes.counts["passed"] == 1
    assert first[0].outcomes.counts["failed"] == status
    assert suite_runner(workspace, engine).run([suite_plan()]) == first
    assert engine.asked == [("leaf/k", 10)]


def test_a_suite_is_run_again_by_another_emulator(workspace, monkeypatch):
    engine = FakeEngine(leaf=(0, PASSED))
    for version in ("7.2", "7.2", "9.0"):
        monkeypatch.setattr(run, "emulator_version", lambda target, version=version: version)
        suite_runner(workspace, engine).run([suite_plan(), suite_plan(target=S390X)])
    assert sorted(engine.asked) == [("leaf/k", 10), *[("leaf/k", 10 * EMULATION)] * 2]


@pytest.mark.parametrize(
    ("status", "junit", "said"),
    [
        (0, None, "left no results"),
        (0, SKIPPED, "no test passed: 0 failed, 1 were skipped"),
        (1, "<testsuite/>", "no test passed"),
        (2, PASSED, "pytest could not collect: status 2"),
        (3, PASSED, "pytest broke: status 3"),
        (4, None, "pytest does not take these arguments: status 4"),
        (5, "<testsuite/>", "no test was selected: status 5"),
        (137, PASSED, "pytest did not end well: status 137"),
        (TIMED_OUT, PASSED, f"did not end within {10 * EMULATION} s"),
    ],
)
def test_a_suite_in_which_nothing_ran_does_not_pass_and_is_not_kept(workspace, status, junit, said):
    engine = FakeEngine(leaf=(status, junit))
    for _ in range(2):
        with pytest.raises(BuildError, match=said) as raised:
            suite_runner(workspace, engine).run([suite_plan(target=S390X)])
        assert raised.value.log == workspace.logs / "run" / "suite-leaf-s390x.log"
    assert len(engine.asked) == 2
    assert not list((workspace.results / "suites").iterdir())


def fake_job(workspace, engine, *names):
    console = Console(file=io.StringIO(), width=120)
    return SimpleNamespace(
        request=SimpleNamespace(workspace=workspace, engine=engine, jobs=1, console=console),
        progress=Progress(console, workspace, "run"),
        host=HOST,
        suites={name: [suite_plan(name, S390X), suite_plan(name, HOST)] for name in names},
    )


def test_a_suite_that_fails_does_not_stop_those_after_it(workspace, tmp_path, monkeypatch):
    for module in (outcomes, command):
        monkeypatch.setattr(module, "KNOWN", tmp_path / "known")
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "good.toml").write_text(
        '[[difference]]\ntests = "gone"\nkind = "test"\ncause = "c"\n'
    )
    engine = FakeEngine(bad=(5, None), good=(0, PASSED))
    job = fake_job(workspace, engine, "bad", "good")
    with pytest.raises(VerdictError, match="not judged: bad") as raised:
        judge_all(job, record=True)
    assert raised.value.log
    assert raised.value.next_step
    said = job.request.console.file.getvalue()
    assert "no test was selected: status 5" in said
    assert "warning: known, but nothing like it differs: gone" in said
    assert not (tmp_path / "known" / "bad.json").exists()
    record = json.loads((tmp_path / "known" / "good.json").read_text())
    assert record["unmatched"] == ["gone"]
    assert record["targets"]["s390x"]["wheel"] == "good-1.2-s390x.whl"
    assert record["targets"]["amd64"]["image"] == "good/k"
    judge_all(fake_job(workspace, engine, "good"), record=False)


def test_what_differs_without_a_cause_is_told(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(outcomes, "KNOWN", tmp_path)
    engine = FakeEngine(odd=(1, FAILED))
    job = fake_job(workspace, engine, "odd")
    job.suites["odd"][1].step.image = "native/k"
    engine.runs["native"] = (0, PASSED)
    with pytest.raises(VerdictError, match="without a known cause: odd"):
        judge_all(job, record=False)
    assert ".T::t: failed on s390x, passed on the reference" in job.request.console.file.getvalue()


@pytest.mark.parametrize("arch", ["s390x", "s390x,amd64", "amd64,s390x"])
def test_the_reference_always_runs(arch):
    assert set(with_reference(arch).split(",")) == {"s390x", "amd64"}


@pytest.mark.parametrize("arch", ["amd64", "", "s391x"])
def test_targets_that_compare_with_nothing_are_refused(arch):
    with pytest.raises(UsageError):
        with_reference(arch)


SUITE = '\n[suite]\npytest = ["my tests"]\nfiles = ["my tests", "$(touch x).py"]\n'


def test_a_named_recipe_without_a_suite_is_refused(project):  # noqa: F811
    assert chosen_suites([]) == []
    with pytest.raises(UsageError, match="leaf names no suite"):
        chosen_suites(["leaf"])
    with pytest.raises(UsageError, match="unknown recipe"):
        chosen_suites(["loaf"])
    with (recipes.RECIPES / "leaf" / "recipe.toml").open("a") as file:
        file.write(SUITE)
    assert chosen_suites([]) == chosen_suites(["leaf", "Leaf"]) == ["leaf"]
    shutil.copytree(recipes.RECIPES / "leaf", recipes.RECIPES / "leaf" / "2.0")
    later = recipes.RECIPES / "leaf" / "2.0" / "recipe.toml"
    later.write_text(later.read_text().replace('version = "1.2"', 'version = "2.0"', 1))
    assert chosen_suites(["leaf==2.0", "leaf==1.2"]) == ["leaf==2.0", "leaf"]


PATCH = """Description: x
Forwarded: no
X-Zport-Targets: s390x
--- a/my tests/test_a.py\t
+++ b/my tests/test_a.py\t
@@ -1 +1 @@
-old
+new
"""


def test_the_tests_are_those_of_the_patched_source(project, tmp_path):  # noqa: F811
    leaf = project / "recipes" / "leaf"
    with (leaf / "recipe.toml").open("a") as file:
        file.write(SUITE)
    (leaf / "overlay" / "my tests").mkdir(parents=True)
    (leaf / "overlay" / "my tests" / "conftest.py").write_text("laid over\n")
    (project / "patches" / "leaf" / "0001-new.patch").write_text(PATCH)
    for target, content in ((S390X, "new\n"), (HOST, "old\n")):
        plan = plan_suite(planner(), load_recipe("leaf"), target)
        assert plan.wheel.startswith(f"localhost/zport/wheel-leaf:1.2-{target.name}-")
        suite = run_files_stage(plan, tmp_path / target.name)
        assert (suite / "my tests" / "test_a.py").read_text() == content
        assert (suite / "my tests" / "conftest.py").read_text() == "laid over\n"
        assert sorted(path.name for path in suite.iterdir()) == ["$(touch x).py", "my tests"]


def test_the_distributions_package_is_tested_in_the_wheels_place(project):  # noqa: F811
    leaf = project / "recipes" / "leaf"
    with (leaf / "recipe.toml").open("a") as file:
        file.write(SUITE)
    assert chosen_suites([], distribution=True) == []
    with pytest.raises(UsageError, match="no package of Debian's"):
        chosen_suites(["leaf"], distribution=True)
    with (leaf / "recipe.toml").open("a") as file:
        file.write('distribution = ["python3-leaf"]\n')
    assert chosen_suites([], distribution=True) == ["leaf"]
    plan = plan_suite(planner(), load_recipe("leaf"), S390X, distribution=True)
    assert plan.title == plan.subject == "leaf-debian"
    assert plan.wheel == "python3-leaf 1.0"
    assert "python3-leaf" in plan.step.dockerfile
    wheel = plan_suite(planner(), load_recipe("leaf"), S390X)
    assert wheel.title == "leaf"
    assert wheel.step.name != plan.step.name
    assert wheel.step.image.split(":")[0] != plan.step.image.split(":")[0]
    assert "python3-leaf" not in wheel.step.dockerfile


def test_a_recipes_own_tests_lie_where_pytest_starts(project):  # noqa: F811
    leaf = project / "recipes" / "leaf"
    with (leaf / "recipe.toml").open("a") as file:
        file.write('[suite]\npytest = ["."]\nown = "suite"\npackages = ["python3-leaf"]\n')
    with pytest.raises(DefinitionError, match="no tests in suite"):
        plan_suite(planner(), load_recipe("leaf"), S390X)
    (leaf / "suite").mkdir()
    (leaf / "suite" / "test_own.py").write_text("old")
    first = plan_suite(planner(), load_recipe("leaf"), S390X).step
    assert "COPY own/ /suite/" in first.dockerfile
    assert "python3-leaf" in first.dockerfile
    assert "own/test_own.py" in {file.path for file in first.context}
    (leaf / "suite" / "test_own.py").write_text("new")
    second = plan_suite(planner(), load_recipe("leaf"), S390X).step
    assert second.key != first.key
    assert second.needs == first.needs  # the wheel is not built anew


def run_files_stage(plan, root):
    """What the Dockerfile's stage of files does, with its folders in another place."""
    for file in plan.step.context:
        if file.path.startswith(("recipe/", "bin/")):
            path = root / file.path.replace("bin/", "tools/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if not hasattr(file.source, "filename"):
                text = file.source if isinstance(file.source, str) else file.source.read_text()
                path.write_text(text)
            path.touch()
            path.chmod(file.mode)
    with tarfile.open(root / "recipe" / "leaf-1.2.tar.gz", "w:gz") as tar:
        for name in ("my tests/test_a.py", "$(touch x).py", "other.py"):
            member = tarfile.TarInfo(f"leaf-1.2/{name}")
            member.size = 4
            tar.addfile(member, io.BytesIO(b"old\n"))
    run = re.search(r"^RUN --mount=type=bind,source=recipe.*?[^\\]$", plan.step.dockerfile,
                    re.MULTILINE | re.DOTALL)  # fmt: skip
    shell = re.sub(r"RUN |--mount=\S+ ", "", run[0])
    shell = re.sub(r"/(tools|recipe|source|suite)\b(?=[/ ])", rf"{root}/\1", shell)
    (root / "suite").mkdir()
    subprocess.run(["sh", "-euc", shell], check=True, cwd=root, timeout=60)
    return root / "suite"


def test_a_suite_of_the_installed_package_needs_no_source(project):  # noqa: F811
    with (recipes.RECIPES / "leaf" / "recipe.toml").open("a") as file:
        file.write('\n[suite]\npytest = ["--pyargs", "leaf.tests"]\n')
    step = plan_suite(planner(), load_recipe("leaf"), S390X).step
    assert not [file for file in step.context if file.path.startswith(("recipe/", "bin/"))]
    assert "/tools" not in step.dockerfile
