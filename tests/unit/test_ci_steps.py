"""What a workflow's tasks run: a share of the plan, with the registry as the cache of steps."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console
from test_plan import HOST, S390X, planner, project  # noqa: F401 - project is a fixture

from zport.agents import load_agents
from zport.errors import EngineError, HostError, UsageError
from zport.job import Job, Request
from zport.plan.scope import Scope, find_scope, write_scope
from zport.steps.step import Step
from zport.targets import TARGETS
from zport.workflows.cache import StepCache, check_place
from zport.workflows.steps import build_steps
from zport.workspace import write_json

PLACE = "registry.example.org/team"


class Store:
    """An engine's store beside a registry: names of images, nothing in them."""

    def __init__(self, *here: str, there: tuple[str, ...] = (), refusal: str = "manifest unknown"):
        self.here, self.there, self.refusal = set(here), set(there), refusal
        self.pushed: list[str] = []

    def images(self):
        return set(self.here)

    def pull(self, reference, target):
        if reference not in self.there:
            raise EngineError(self.refusal)
        self.here.add(reference)
        return f"{reference}@pinned"

    def tag(self, image, name):
        assert image in self.here
        self.here.add(name)

    def remove(self, images):
        self.here -= set(images)

    def push(self, image, reference):
        assert image in self.here
        self.there.add(reference)
        self.pushed.append(reference)


def step(name, *needs):
    return Step(
        name, name, "base", HOST, "", f"localhost/zport/{name}", "1", 0, needs, key="k" * 16
    )


STEPS = {one.name: one for one in (step("root"), step("wheel", "root"), step("agent", "wheel"))}


def make_cache(store):
    return StepCache(PLACE, store, Console(file=io.StringIO(), width=200))


def there(*names):
    return tuple(f"{PLACE}/cache:{name}-1-{'k' * 16}" for name in names)


def test_a_step_that_is_there_needs_nothing_else():
    store = Store(there=there("root", "wheel", "agent"))
    assert [one.name for one in make_cache(store).restore(STEPS, ["agent"])] == ["agent"]
    assert store.here == {STEPS["agent"].image}


def test_what_is_not_there_brings_what_it_is_made_of():
    store = Store(there=there("root", "wheel"))
    assert [one.name for one in make_cache(store).restore(STEPS, ["agent"])] == ["wheel"]


def test_what_is_here_is_not_asked_for():
    store = Store(STEPS["wheel"].image, there=there("root"))
    assert make_cache(store).restore(STEPS, ["agent"]) == []


def test_what_was_restored_is_not_pushed_again():
    store = Store(STEPS["agent"].image, there=there("wheel"))
    cache = make_cache(store)
    cache.restore(STEPS, ["wheel"])
    saved = cache.save([STEPS["wheel"], STEPS["agent"]])
    assert [one.name for one in saved] == ["agent"]
    assert store.pushed == list(there("agent"))


def test_a_registry_that_does_not_answer_is_told_and_stops_nothing():
    cache = make_cache(Store(refusal="connection refused"))
    assert cache.restore(STEPS, ["root"]) == []
    assert "warning   connection refused" in cache.console.file.getvalue()
    silent = make_cache(Store())
    silent.restore(STEPS, ["root"])
    assert silent.console.file.getvalue() == ""


@pytest.mark.parametrize("place", ["", "registry", "Registry.org/Team", "r.org/a b", "r.org/a:tag"])
def test_a_place_without_a_namespace_is_refused(place):
    with pytest.raises(UsageError, match="REGISTRY/NAMESPACE") as caught:
        check_place(place, "--cache")
    assert caught.value.where == "--cache"


def test_a_registry_with_a_port_is_a_place():
    assert check_place("127.0.0.1:5000/team/zport", "--cache") == "127.0.0.1:5000/team/zport"


@pytest.fixture
def job(project, workspace):  # noqa: F811
    """A job of the small project, all of whose images are here."""
    agents = load_agents("tiny")
    store = Store()
    made = Job(Request([S390X, HOST], agents, store, workspace, Console(file=io.StringIO())))
    made.__dict__["planner"] = planner()
    made.__dict__["models"] = {}
    _ = made.wanted
    store.here = {one.image for one in made.planner.steps.values()}
    made.__dict__["builder"] = SimpleNamespace(build=lambda steps: None, adopt=lambda steps: None)
    made.planner.wheels.clear()
    return made


def test_an_unknown_step_gets_the_nearest_name(job):
    with pytest.raises(UsageError, match="unknown step 'base-s391x'") as caught:
        build_steps(job, ["base-s391x"], None)
    assert f"did you mean base-{S390X.name}?" in caught.value.next_step


def test_nothing_is_built_that_is_here(job):
    build_steps(job, [f"agent-tiny-{S390X.name}"], None)
    assert "1 of 1 are here, 0 built" in job.request.console.file.getvalue()


def test_another_machine_s_share_is_not_built_here(job):
    name = f"agent-tiny-{S390X.name}"
    job.request.engine.here.discard(job.planner.steps[name].image)
    other = TARGETS["riscv64"]
    job.scope = Scope(other, (S390X, HOST))
    with pytest.raises(HostError, match=f"{name} not in the cache, and planned .* {other.name}"):
        build_steps(job, [name], None)


def test_who_has_the_locks_plans_the_same(workspace):
    scope = Scope(HOST, (HOST, S390X))
    write_scope(workspace, scope)
    assert find_scope(workspace, S390X, [S390X]) == scope
    assert scope.all == [HOST, S390X]


def test_a_scope_is_for_its_own_targets_only(workspace):
    arm64 = TARGETS["arm64"]
    assert find_scope(workspace, HOST, [S390X]) == Scope(HOST, (S390X,))
    write_scope(workspace, Scope(HOST, (S390X,)))
    assert find_scope(workspace, S390X, [arm64]) == Scope(S390X, (arm64,))


def test_a_scope_of_an_unknown_architecture_is_refused(workspace):
    write_json(workspace.locks / "scope.json", {"machine": "vax", "targets": [HOST.name]})
    with pytest.raises(UsageError, match="vax"):
        find_scope(workspace, HOST, [HOST])


def test_the_plan_is_that_of_the_scope_s_machine(workspace):
    write_scope(workspace, Scope(S390X, (S390X, HOST)))
    made = Job(Request([HOST], [], None, workspace, Console(file=io.StringIO())))
    assert made.archive.architectures == sorted([HOST.debian, S390X.debian])
    made = Job(replace(made.request, base="bootstrap"))
    assert made.planner.host == S390X
