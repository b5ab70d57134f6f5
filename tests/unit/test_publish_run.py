"""One publication from its beginning to its end: in which order, and what is told when."""

import io
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from zport.cli import publish as cli
from zport.errors import RegistryError, UsageError
from zport.publish import run
from zport.publish.images import Bundle, Published
from zport.publish.layout import new_layout
from zport.publish.run import Publication, publish

FIXED = "leaf-1.0-20261123"


class Registry:
    """What is done in a registry, in order; ``between`` happens after each push."""

    def __init__(self):
        self.done, self.tags, self.between = [], {}, lambda: None

    def at(self, reference):
        return f"r.example/team/{reference}"

    def resolve(self, tag):
        return self.tags.get(tag)

    def push(self, layout, digest, *, referrers=False):
        self.done.append("push")
        self.between()
        return set()

    def tag(self, digest, tags):
        for tag in tags:
            self.done.append(tag)
            self.tags[tag] = digest


@pytest.fixture
def registries(monkeypatch):
    """A registry for each repository's name, in the place of the real one."""
    found = {}

    def find(where, name):
        return found.setdefault(name, Registry())

    monkeypatch.setattr(run, "find_repository", find)
    monkeypatch.setattr(run, "require_command", lambda name: None)
    return found


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A job of these agents, of which each has one image."""

    def job(*names):
        agents = [SimpleNamespace(name=name, framework=name) for name in names]
        request = SimpleNamespace(agents=agents, targets=[], console=Console(file=io.StringIO()))
        return SimpleNamespace(request=request, agents=[])

    @contextmanager
    def bundle(job, agent, plans, revision=None):
        layout = new_layout(tmp_path / agent.name)
        digest = f"sha256:{agent.name.encode().hex():0<64}"
        image = Published({"digest": f"sha256:{'1' * 64}"}, (), "s390x-key")
        bundled.append(revision)
        yield Bundle(agent, "1.0", Path(layout), (image,), {"digest": digest})

    bundled: list[str | None] = []
    monkeypatch.setattr(run, "bundle", bundle)
    job.revisions = bundled
    return job


PUBLICATION = Publication("r.example/team", "20261123", wheels=False)


def test_tags_come_last(make, registries):
    outcome = publish(make("leaf"), PUBLICATION)[0]
    tags = ["s390x-key", FIXED, "leaf-1.0", "latest"]
    assert registries["leaf"].done == ["push", "push", *tags]
    assert outcome.tags == tuple(tags[1:])


def test_a_tag_that_is_taken_meanwhile_leaves_no_tag_at_all(make, registries):
    there = registries.setdefault("leaf", Registry())
    there.between = lambda: there.tags.update({FIXED: "sha256:other"})
    with pytest.raises(RegistryError, match="never moves") as caught:
        publish(make("leaf"), PUBLICATION)
    assert there.done == ["push", "push"]
    assert "what was pushed here has no tag" in str(caught.value)
    assert "nothing was pushed" not in str(caught.value)


def test_a_tag_that_is_taken_before_is_told_as_that(make, registries):
    registries.setdefault("twig", Registry()).tags = {"twig-1.0-20261123": "sha256:other"}
    with pytest.raises(RegistryError, match="nothing was pushed"):
        publish(make("leaf", "twig"), PUBLICATION)
    assert registries["leaf"].done == []


def test_what_is_published_is_told_before_the_next_one_fails(make, registries):
    def fail():
        raise RegistryError("it is full")

    registries.setdefault("twig", Registry()).between = fail
    job = make("leaf", "twig")
    with pytest.raises(RegistryError, match="it is full"):
        cli.publish_and_tell(job, PUBLICATION)
    said = job.request.console.file.getvalue()
    assert f"published r.example/team/{FIXED}\n" in said
    assert "twig" not in said


def test_a_release_has_the_commit_that_it_was_planned_from(make, registries, monkeypatch):
    monkeypatch.setattr(run, "clean_revision", lambda: "f" * 40)
    publish(make("leaf"), Publication("r.example/team", release=True, wheels=False))
    planned = Publication("r.example/team", release=True, wheels=False, revision="f" * 40)
    publish(make("leaf"), planned)
    assert make.revisions == ["f" * 40] * 2


def test_a_commit_that_came_meanwhile_is_no_release(make, registries, monkeypatch):
    """From before the images are planned until they are pushed, the checkout has one commit."""
    commits = iter(["e" * 40, "f" * 40])
    monkeypatch.setattr(run, "clean_revision", lambda: next(commits))
    job = make("leaf")
    job.missing, job.adopt = list, lambda: None
    monkeypatch.setattr(cli, "make_request", lambda *a, **k: job.request)
    monkeypatch.setattr(cli, "Job", lambda request: job)
    with pytest.raises(UsageError, match=f"at {'f' * 40} now, and what was built is of {'e' * 40}"):
        cli.publish_images("r.example/team", release=True)
    assert registries.get("leaf", Registry()).done == []
