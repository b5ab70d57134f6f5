"""A request of several recipes: one that cannot be planned does not stop the others."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from zport import job as job_module
from zport.errors import BlockedError, BuildError, PatchError, UsageError
from zport.job import Job, Request
from zport.models import load_models
from zport.report.plan import print_left_out
from zport.targets import TARGETS

TARGET = TARGETS["s390x"]


@pytest.fixture
def make(workspace, monkeypatch):
    """A job whose planner knows every recipe, and can plan all but `bad` and `worse`."""

    def plan(planner, recipe, target):
        if recipe in ("bad", "worse"):
            raise BlockedError("no wheel of cython", where=f"recipes/{recipe}")
        planner.wheels[f"wheel-{recipe}"] = f"plan of {recipe}"
        return SimpleNamespace(name=f"wheel-{recipe}")

    def make(*recipes):
        console = Console(file=io.StringIO(), width=200)
        request = Request([TARGET], [], None, workspace, console, test=False, recipes=recipes)
        made = Job(request)
        resolver = SimpleNamespace(recipe=lambda name: name)
        made.__dict__["planner"] = SimpleNamespace(resolver=resolver, wheels={})
        return made

    monkeypatch.setattr(job_module, "plan_wheel", plan)
    return make


def test_the_others_are_planned_and_the_failure_is_kept(make):
    job = make("one", "bad", "two", "worse")
    assert job.wheels == ["plan of one", "plan of two"]
    assert list(job.unplanned) == ["bad", "worse"]
    with pytest.raises(BlockedError, match="no wheel of cython"):
        job.raise_unplanned()
    said = job.request.console.file.getvalue()
    assert "not planned: worse: recipes/worse" in said
    assert "bad" not in said  # it is what the command fails with


def test_one_that_is_asked_for_alone_fails_at_once(make):
    with pytest.raises(BlockedError):
        assert make("bad").wheels


def test_without_failures_nothing_is_raised(make):
    job = make("one")
    assert job.wheels
    job.raise_unplanned()


@pytest.fixture
def emulating(workspace):
    """A job of some models, by a runner that emulates and one that does not."""

    def make(*models, named=("all",)):
        console = Console(file=io.StringIO(), width=200)
        made = Job(Request([TARGET], [], None, workspace, console, models=named))
        agent = SimpleNamespace(agent=SimpleNamespace(framework="onnxruntime"))
        runners = [
            SimpleNamespace(name=name, emulated=name == "qemu") for name in ("qemu", "native")
        ]
        loaded = {model.name: (model, None) for model in load_models(models)}
        made.__dict__.update(agents=[agent], runners=runners, models=loaded)
        return made

    return make


def test_models_that_are_too_heavy_to_be_emulated_are_told(emulating):
    job = emulating("unet3d-128", "keyword-spotting", "bert-large")
    assert job.left_out() == {"qemu": ["unet3d-128", "bert-large"]}
    print_left_out(job)
    said = job.request.console.file.getvalue()
    assert "left out  unet3d-128, bert-large by qemu" in said
    assert "--model unet3d-128" in said


def test_a_heavy_model_that_is_named_is_not_left_out(emulating):
    job = emulating("unet3d-128", "keyword-spotting", named=("unet3d-128",))
    assert job.left_out() == {}
    print_left_out(job)
    assert job.request.console.file.getvalue() == ""


def test_a_run_without_cells_has_not_passed(make):
    with pytest.raises(UsageError, match="no cell is left to run"):
        make().report([])


def test_the_builds_own_error_is_told(make, monkeypatch):
    """Also where what was built cannot be taken over either."""

    def build(missing):
        raise PatchError("it does not apply")

    def adopt(steps):
        raise BuildError("no such image")

    job = make()
    job.__dict__["builder"] = SimpleNamespace(build=build, adopt=adopt)
    job.planner.steps = {}
    monkeypatch.setattr(Job, "missing", lambda job: [])
    monkeypatch.setattr(Job, "prepare", lambda job, missing: None)
    with pytest.raises(PatchError, match="does not apply"):
        job.build()
