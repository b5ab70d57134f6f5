"""The plan: its keys change with exactly what they stand on, and its Dockerfiles hang together."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from zport import agents, recipes
from zport.agents import load_agents
from zport.debian.packages import Closure, DebianPackage
from zport.distribution import TRIXIE
from zport.errors import BlockedError, DefinitionError
from zport.plan import planner as planner_module
from zport.plan import wheel as plan_wheel_module
from zport.plan.origin import Origin, Root
from zport.plan.planner import Planner
from zport.plan.wheel import plan_wheel
from zport.recipes import load_recipe
from zport.resolve.providers import Provided
from zport.sources.pypi import IndexFile
from zport.steps import render
from zport.steps.step import Step, step_inputs
from zport.targets import TARGETS

PROJECT = Path(planner_module.__file__).resolve().parents[2]
HOST, S390X, ARM64 = TARGETS["amd64"], TARGETS["s390x"], TARGETS["arm64"]
PATCH = "Description: x\nForwarded: no\n{gate}--- a/leaf.c\n+++ b/leaf.c\n"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Packages:
    """An archive in which every name is one package without dependencies."""

    date = 1_700_000_000

    def closure(self, architectures, names, installed=""):
        packages = []
        for name in names:
            plain, _, architecture = name.partition(":")
            architecture = architecture or architectures[0]
            stanza = f"Package: {plain}\nArchitecture: {architecture}\nFilename: pool/{plain}.deb\n"
            packages.append(
                DebianPackage(plain, "1.0", architecture, sha256(stanza), 10, "file:x", stanza)
            )
        return Closure(tuple(packages), self.date, ())

    def sources(self):
        return "deb [signed-by=keyring] mirror trixie main\n"


class Providers:
    """The decisions of a resolver. What is named in ``blocked`` has no provider."""

    def __init__(self, *blocked: str) -> None:
        self.blocked = blocked

    def resolve(self, agent, target):
        pure = IndexFile("pure-thing", "3.0", "pure_thing-3.0-py3-none-any.whl", sha256("pure"))
        provided = [
            Provided("leaf", "1.2", "recipe"),
            Provided("numpy", "", "distribution", package="python3-numpy"),
            Provided("pure-thing", "3.0", "pure", file=pure),
        ]
        return [
            Provided(one.name, one.version, "blocked", reason=f"no wheel of {one.name}")
            if one.name in self.blocked
            else one
            for one in provided
        ]

    def recipe_of(self, name, version):
        return load_recipe(f"{name}=={version}")

    def applies(self, pin, target):
        return True

    def provide(self, pin, target):
        if pin.name in recipes.recipe_names():
            return Provided(pin.name, pin.version, "recipe")
        return self.wheel(pin, target)

    def wheel(self, pin, target):
        if pin.name in self.blocked:
            return Provided(pin.name, pin.version, "blocked", reason=f"no wheel of {pin.text}")
        name = f"{pin.name}-{pin.version}-py3-none-any.whl"
        file = IndexFile(pin.name, pin.version, name, sha256(name))
        return Provided(pin.name, pin.version, "pure", file=file)


@pytest.fixture
def project(tmp_path, fixtures, monkeypatch):
    """A small project with the real templates, to change in a test."""
    folder = tmp_path / "project"
    shutil.copytree(fixtures / "project", folder)
    shutil.copytree(PROJECT / "dockerfiles", folder / "dockerfiles")
    code = folder / "agent" / "zport_agent"
    (code / "backends").mkdir(parents=True)
    (code / "__main__.py").write_text("print('agent')\n")
    (code / "backends" / "__init__.py").write_text("")
    (folder / "patches" / "leaf").mkdir(parents=True)
    monkeypatch.setattr(agents, "AGENTS", folder / "agents")
    monkeypatch.setattr(recipes, "RECIPES", folder / "recipes")
    monkeypatch.setattr(recipes, "PATCHES", folder / "patches")
    monkeypatch.setattr(planner_module, "PROJECT", folder)
    monkeypatch.setattr(plan_wheel_module, "PROJECT", folder)
    lock = folder / "dockerfiles/toolchain/requirements.lock"
    monkeypatch.setattr(planner_module, "TOOLCHAIN_LOCK", lock)
    for module in (planner_module, render):
        monkeypatch.setattr(module, "TEMPLATES", folder / "dockerfiles")
    render._environment.cache_clear()
    yield folder
    render._environment.cache_clear()


def planner(mode=None, roots=None, blocked=()):
    return Planner(HOST, TRIXIE, Packages(), Providers(*blocked), Origin(roots or {}), mode)


def steps(targets=(S390X, ARM64, HOST), **options) -> dict[str, Step]:
    """The steps of the small agent's images."""
    planned = planner(**options)
    for target in targets:
        for agent in load_agents("tiny"):
            planned.agent(agent, target)
    return planned.steps


def keys(**options) -> dict[str, str]:
    return {name: step.key for name, step in steps(**options).items()}


def change(path: Path, find: str, put: str) -> None:
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, put))


WHEELS = {f"wheel-leaf-{name}" for name in ("s390x", "arm64", "amd64")}
AGENTS = {f"agent-tiny-{name}" for name in ("s390x", "arm64", "amd64")}
BASES = {f"base-{name}" for name in ("s390x", "arm64", "amd64")}
TOOLCHAINS = {f"toolchain-{name}" for name in ("s390x", "arm64", "amd64")}
EVERYTHING = WHEELS | AGENTS | BASES | TOOLCHAINS | {"builder-amd64"}


def test_the_plan_has_these_steps(project):
    assert set(steps()) == EVERYTHING


def test_the_same_project_has_the_same_keys(project):
    assert keys() == keys()


def write_patch(gate):
    def write(project):
        (project / "patches/leaf/0001-x.patch").write_text(PATCH.format(gate=gate))

    return write


def edit(path, find, put):
    return lambda project: change(project / path, find, put)


def append(path):
    def write(project):
        assert (project / path).is_file()
        with (project / path).open("a") as file:
            file.write("# changed\n")

    return write


@pytest.mark.parametrize(
    ("alter", "changed"),
    [
        pytest.param(
            write_patch("X-Zport-Targets: big-endian\n"),
            {"wheel-leaf-s390x", "agent-tiny-s390x"},
            id="patch for one target",
        ),
        pytest.param(write_patch(""), WHEELS | AGENTS, id="patch"),
        pytest.param(write_patch("X-Zport-Versions: >=2\n"), set(), id="patch for later"),
        pytest.param(
            edit("recipes/leaf/recipe.toml", 'LEAF = "1"', 'LEAF = "2"'),
            WHEELS | AGENTS,
            id="recipe",
        ),
        pytest.param(
            edit("recipes/leaf/recipe.toml", sha256("leaf-source"), "1" * 64),
            WHEELS | AGENTS,
            id="source",
        ),
        pytest.param(append("recipes/leaf/test_leaf.py"), WHEELS | AGENTS, id="test of a recipe"),
        pytest.param(append("agent/zport_agent/__main__.py"), AGENTS, id="agent's code"),
        pytest.param(
            edit("agents/tiny.toml", "a small agent", "another"), AGENTS, id="agent's definition"
        ),
        pytest.param(append("dockerfiles/agent.Dockerfile.j2"), AGENTS, id="agent template"),
        pytest.param(
            append("dockerfiles/wheel.Dockerfile.j2"), WHEELS | AGENTS, id="wheel template"
        ),
        pytest.param(
            append("dockerfiles/base.Dockerfile.j2"), BASES | WHEELS | AGENTS, id="base template"
        ),
        pytest.param(
            append("dockerfiles/toolchain/compile-wheel"),
            TOOLCHAINS | WHEELS | AGENTS,
            id="script of the toolchain",
        ),
        pytest.param(
            append("dockerfiles/builder/install-wheels"), EVERYTHING, id="script of the builder"
        ),
    ],
)
def test_a_change_changes_the_keys_that_stand_on_it_and_no_other(project, alter, changed):
    before = keys()
    alter(project)
    after = keys()
    assert {name for name in after if after[name] != before[name]} == changed


def test_the_date_of_the_archive_counts(project, monkeypatch):
    before = keys()
    monkeypatch.setattr(Packages, "date", Packages.date + 1)
    after = keys()
    assert all(after[name] != before[name] for name in WHEELS | AGENTS | BASES)


@pytest.mark.parametrize("mode", [None, "emulated"])
def test_a_dockerfile_names_the_images_of_its_needs_by_key_and_no_other(project, mode):
    planned = steps(mode=mode)
    for step in planned.values():
        named = set(re.findall(r"localhost/[^\s\"]+", step.dockerfile))
        assert named == {planned[need].image for need in step.needs}, step.name
        assert step.image.endswith(step.key)


@pytest.mark.parametrize("mode", [None, "emulated"])
def test_needs_come_before_what_needs_them(project, mode):
    seen: set[str] = set()
    for name, step in steps(mode=mode).items():
        assert set(step.needs) <= seen, name
        seen.add(name)


@pytest.mark.parametrize("mode", [None, "emulated"])
@pytest.mark.parametrize("pulled", [False, True])
def test_every_from_says_its_platform(project, mode, pulled):
    roots = {t.name: Root(f"mirror/debian@sha256:{t.name}", "") for t in TARGETS.values()}
    platforms = {target.oci for target in TARGETS.values()}
    for step in steps(mode=mode, roots=roots if pulled else None).values():
        lines = [line for line in step.dockerfile.splitlines() if line.startswith("FROM")]
        assert lines
        for line in lines:
            match = re.match(r"FROM --platform=(\S+) ", line)
            assert match, line
            assert match[1] in platforms
        assert re.match(rf"FROM --platform={step.target.oci} ", lines[-1]), step.name


def test_everything_that_a_dockerfile_takes_from_its_context_is_there(project):
    for step in steps().values():
        present = {file.path.split("/")[0] for file in step.context}
        sources = re.findall(r"--mount=type=bind,source=([^/,]+)", step.dockerfile)
        sources += re.findall(r"^(?:COPY|ADD) (?!--from)(\S+?)/? ", step.dockerfile, re.MULTILINE)
        assert {source.rstrip("/") for source in sources} <= present, step.name


def test_a_recipe_without_a_script_takes_none(project):
    change(project / "recipes/leaf/recipe.toml", 'script = "test_leaf.py"\n', "")
    step = plan_wheel(planner(), load_recipe("leaf"), S390X)
    assert "test_leaf" not in step.dockerfile
    assert not re.search(r"^COPY test/", step.dockerfile, re.MULTILINE)


def test_a_recipe_builds_what_it_shares_with_another(project):
    leaf, twig = project / "recipes/leaf", project / "recipes/twig"
    shutil.copytree(leaf, twig)
    change(twig / "recipe.toml", 'name = "leaf"', 'name = "twig"\nshares = "leaf"')
    for folder, files in {leaf: ("below.txt", "both.txt"), twig: ("both.txt", "own.txt")}.items():
        (folder / "overlay").mkdir()
        for name in files:
            (folder / "overlay" / name).write_text(folder.name)
    write_patch("")(project)
    step = plan_wheel(planner(), load_recipe("twig"), S390X)
    shared = {file.path: file.source for file in step.context if file.path.startswith("recipe/")}
    assert shared["recipe/overlay/below.txt"] == leaf / "overlay/below.txt"
    assert shared["recipe/overlay/both.txt"] == twig / "overlay/both.txt"
    assert shared["recipe/overlay/own.txt"] == twig / "overlay/own.txt"
    assert [path for path in shared if path.startswith("recipe/patches/")]


def test_a_version_that_is_not_pinned_is_not_built(project):
    later = project / "recipes/leaf/2.0/recipe.toml"
    shutil.copytree(project / "recipes/leaf", later.parent)
    change(later, 'version = "1.2"', 'version = "2.0"\nnot_run = "no source here"')
    assert plan_wheel(planner(), load_recipe("leaf==2.0"), S390X).name == "wheel-leaf-2.0-s390x"
    sha256 = load_recipe("leaf==2.0").source.sha256
    change(later, sha256, "0" * 64)
    with pytest.raises(BlockedError, match="is not pinned yet"):
        plan_wheel(planner(), load_recipe("leaf==2.0"), S390X)


def test_cross_compilation_happens_on_the_host(project):
    planned = planner()
    step = plan_wheel(planned, load_recipe("leaf"), S390X)
    toolchain = planned.steps["toolchain-s390x"]
    assert toolchain.target == HOST
    assert f"FROM --platform={HOST.oci} {toolchain.image} AS build" in step.dockerfile
    assert step.target == S390X


def test_emulation_puts_the_compiler_on_the_target(project):
    planned = planner(mode="emulated")
    step = plan_wheel(planned, load_recipe("leaf"), S390X)
    toolchain = planned.steps["toolchain-s390x-emulated"]
    assert toolchain.target == S390X
    assert f"FROM --platform={S390X.oci} {toolchain.image} AS build" in step.dockerfile
    assert step.name == "wheel-leaf-s390x-emulated"
    assert step.image != plan_wheel(planner(), load_recipe("leaf"), S390X).image


def test_a_wheel_for_the_host_is_native_in_any_mode(project):
    wheels = [
        plan_wheel(planner(mode=mode), load_recipe("leaf"), HOST) for mode in (None, "emulated")
    ]
    assert wheels[0].key == wheels[1].key
    assert wheels[0].summary.endswith("native")


def test_a_recipe_that_must_be_native_is_blocked_elsewhere(project):
    change(project / "recipes/leaf/recipe.toml", "[build]", '[build]\nmode = "native"')
    assert plan_wheel(planner(), load_recipe("leaf"), HOST)
    with pytest.raises(BlockedError, match="leaf builds only on s390x"):
        plan_wheel(planner(), load_recipe("leaf"), S390X)
    assert plan_wheel(planner(mode="emulated"), load_recipe("leaf"), S390X)


def test_a_requirement_without_a_provider_blocks_the_agent(project):
    with pytest.raises(BlockedError, match="no wheel of pure-thing") as caught:
        planner(blocked=["pure-thing"]).agent(load_agents("tiny")[0], S390X)
    assert "agent tiny on s390x" in str(caught.value)


def test_a_build_requirement_without_a_wheel_blocks_the_recipe(project):
    with pytest.raises(BlockedError, match=r"setuptools==80\.0") as caught:
        plan_wheel(planner(blocked=["setuptools"]), load_recipe("leaf"), S390X)
    assert "recipes/leaf/build-requirements.lock" in str(caught.value)


def test_a_pulled_root_is_pinned_by_its_digest(project):
    def based_on(digest):
        return planner(roots={"s390x": Root(f"debian@sha256:{digest}", "")}).base(S390X)

    one, other = based_on("1" * 64), based_on("2" * 64)
    assert f"debian@sha256:{'1' * 64}" in one.dockerfile
    assert one.context == ()
    assert one.key != other.key


def test_the_distributions_packages_get_the_versions_of_the_archive(project):
    planned = planner().agent(load_agents("tiny")[0], S390X)
    assert {one.name: one.version for one in planned.provided}["numpy"] == "1.0"


def test_the_inputs_of_a_step_tell_what_changed(project):
    before = step_inputs(steps()["agent-tiny-s390x"])
    (project / "agent/zport_agent/__main__.py").write_text("print('new')\n")
    after = step_inputs(steps()["agent-tiny-s390x"])
    assert {name for name in after if after[name] != before[name]} == {
        "agent/zport_agent/__main__.py"
    }


def test_recipes_that_need_each_other_are_named(project):
    """The plan follows every edge, so it finds what no graph of links shows."""
    leaf, twig = project / "recipes/leaf", project / "recipes/twig"
    shutil.copytree(leaf, twig)
    change(twig / "recipe.toml", 'name = "leaf"', 'name = "twig"')
    pin = f"{{}}==1.2 --hash=sha256:{sha256('any')}\n"
    (leaf / "test-requirements.lock").write_text(pin.format("twig"))
    (twig / "build-requirements.lock").write_text(pin.format("leaf"))
    planned = planner(mode="emulated")
    with pytest.raises(DefinitionError, match="leaf -> twig -> leaf") as caught:
        plan_wheel(planned, load_recipe("leaf"), S390X)
    assert "recipes/twig/recipe.toml" in str(caught.value)
    assert planned.being_planned == {}
