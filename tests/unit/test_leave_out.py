"""What an agent leaves out of the distribution's packages: resolved without, and said so."""

import subprocess

import pytest

from zport.agents import Agent
from zport.debian.leave_out import LeaveOut, closure_without
from zport.debian.packages import Closure, DebianPackage
from zport.definitions import load_definition
from zport.errors import DefinitionError
from zport.steps.render import _environment
from zport.targets import TARGETS

HOST = TARGETS["amd64"]
DEPENDS = {
    "app": "lib (>= 1), tests | lib, helper:any",
    "helper": "group (= 1) | other",
    "tests": "many",
    "group": "shell",
}
AGENT = """\
name = "tiny"
framework = "tiny"
summary = "a small agent"
requirements = ["app"]

[distribution]
app = "app"
"""


def package(name: str) -> DebianPackage:
    needs = f"Depends: {DEPENDS[name]}\n" if name in DEPENDS else ""
    stanza = f"Package: {name}\n{needs}Filename: pool/{name}.deb\nDescription: x"
    return DebianPackage(name, "1", "all", name, 1, "file:x", stanza)


class Archive:
    """An archive that resolves as apt does: what is installed asks for nothing here."""

    def closure(self, architectures, names, installed=""):
        found: dict[str, DebianPackage] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name in found or f"Package: {name}\n" in installed:
                continue
            found[name] = package(name)
            for clause in DEPENDS.get(name, "").split(","):
                todo += [clause.split("|")[0].split("(")[0].split(":")[0].strip()] * bool(clause)
        return Closure(tuple(found[name] for name in sorted(found)), 1, ())


def closure(**packages: str) -> Closure:
    return closure_without(Archive(), HOST, ["app"], "", LeaveOut(packages=packages))


def names(closure: Closure) -> list[str]:
    return [package.name for package in closure.packages]


def test_nothing_left_out_is_the_archives_answer():
    assert closure() == Archive().closure(["amd64"], ["app"])


def test_what_only_a_left_out_package_asks_for_is_left_out_too():
    assert names(closure(tests="why")) == ["app", "group", "helper", "lib", "shell"]
    assert names(closure(tests="why", group="why")) == ["app", "helper", "lib"]


def test_the_others_no_longer_ask_for_it_in_the_index():
    index = closure(tests="why", group="why").index()
    assert "Depends: lib (>= 1), helper:any\n" in index
    assert index.count("Depends:") == 1
    assert "Filename: ./app_1_all.deb\n" in index


def test_a_package_that_this_target_does_not_ask_for_may_be_named():
    assert closure(elsewhere="why") == closure()


def test_what_is_asked_for_by_name_cannot_be_left_out():
    with pytest.raises(DefinitionError, match=r"leave_out\.packages\.app"):
        closure(app="why")


def test_dpkg_is_told_the_paths_with_their_reasons():
    options = LeaveOut(files={"/usr/lib/x/tests/*": "tests"}).dpkg_options({})
    assert options.splitlines()[1:] == ["# tests", "path-exclude=/usr/lib/x/tests/*"]


def test_what_no_agent_has_stands_first_and_an_agents_own_reason_counts():
    options = LeaveOut(files={"/b": "mine"}).dpkg_options({"/a": "all", "/b": "all"})
    assert options.splitlines()[1:] == ["# all", "path-exclude=/a", "# mine", "path-exclude=/b"]


def test_what_dpkg_leaves_out_goes_from_wheels_too(tmp_path):
    gone = ["usr/lib/py3/x/tests/a.py", "usr/lib/py3/x/deep/tests/b/c.py", "usr/lib/py3/it's.h"]
    kept = ["usr/lib/py3/x/tests.py", "usr/lib/py3/x/core.py", "usr/lib/other/its.h"]
    for name in gone + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patterns = ["/usr/lib/py*/x/*tests/*", "/usr/lib/py3/it's.*"]
    macro = '{% import "macros.j2" as m %}{{ m.leave_out(root, patterns) }}'
    text = _environment().from_string(macro).render(root=tmp_path, patterns=patterns)
    subprocess.run(["sh", "-ec", text.removeprefix("RUN ")], check=True)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {*kept, "usr", "usr/lib", "usr/lib/py3", "usr/lib/py3/x", "usr/lib/other"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param('[leave_out.packages]\napp = "x"', "provides a requirement", id="required"),
        pytest.param('[leave_out.packages]\n"A b" = "x"', "leave_out.packages", id="name"),
        pytest.param('[leave_out.packages]\nlib = ""', "at least 1", id="no reason"),
        pytest.param('[leave_out.files]\n"usr/*" = "x"', "leave_out.files", id="relative"),
        pytest.param('[leave_out.commands]\n"a;b" = "x"', "leave_out.commands", id="command"),
        pytest.param('[leave_out.package]\nlib = "x"', "did you mean packages", id="unknown"),
    ],
)
def test_a_bad_entry_is_refused(tmp_path, text, told):
    path = tmp_path / "tiny.toml"
    path.write_text(f"{AGENT}{text}\n")
    with pytest.raises(DefinitionError, match=told):
        load_definition(path, Agent)


def test_the_version_of_an_image_is_that_of_a_requirement(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(f'version_of = "App"\n{AGENT}')
    assert load_definition(path, Agent).versioned == "app"
    path.write_text(f'version_of = "lib"\n{AGENT}')
    with pytest.raises(DefinitionError, match="version_of"):
        load_definition(path, Agent)
