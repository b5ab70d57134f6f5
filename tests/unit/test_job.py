"""A request of several recipes: one that cannot be planned does not stop the others."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from zport import job as job_module
from zport.errors import BlockedError
from zport.job import Job, Request
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
