"""The scheduler: what is built, in which order, and what a failure stops."""

import io
import json
import threading
from dataclasses import replace

import pytest
from rich.console import Console

from zport.errors import BuildError, HostError
from zport.progress import Progress
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index
from zport.steps.bake import write_bake
from zport.steps.build import Builder, last_build, missing_steps, why_build
from zport.steps.step import ContextFile, Step, step_key
from zport.targets import TARGETS

TARGET = TARGETS["s390x"]


def step(name: str, *needs: str, key: str = "0001") -> Step:
    context = (ContextFile.text("folder/file", "text"), ContextFile.text("tool", "#!/bin/sh\n"))
    return Step(
        name, f"the {name}", "base", TARGET, "base.Dockerfile.j2", "localhost/test", name, 7,
        needs, f"# {name}\nFROM scratch\n", context, key,
    )  # fmt: skip


def plan(**needs: str) -> dict[str, Step]:
    """Steps by name, each with the names it needs."""
    return {name: step(name, *needed.split()) for name, needed in needs.items()}


class Recorder:
    """An engine that builds nothing and notes what it is asked for."""

    name = "recorder"

    def __init__(self, failures: dict[str, Exception] | None = None, meet: int = 0) -> None:
        self.failures = failures or {}
        self.built: list[str] = []
        self.present: set[str] = set()
        self.texts: dict[str, str] = {}
        self._meeting = threading.Barrier(meet, timeout=10) if meet else None

    def images(self):
        return set(self.present)

    def build(self, context, image, target, epoch, log):
        if self._meeting:
            self._meeting.wait()
        self.built.append(context.name)
        self.texts[context.name] = (context / "Dockerfile").read_text()
        assert (context / "folder/file").read_text() == "text"
        assert (target, epoch) == (TARGET, 7)
        if context.name in self.failures:
            raise self.failures[context.name]
        self.present.add(image)


@pytest.fixture
def screen():
    return io.StringIO()


@pytest.fixture
def build(workspace, screen):
    def build(engine, steps, jobs=2):
        progress = Progress(Console(file=screen, width=100), workspace, "run")
        Builder(workspace, engine, Fetcher(workspace, Index()), progress, jobs).build(
            list(steps.values())
        )

    return build


CHAIN = plan(base="", tools="", wheel="base tools", image="base wheel", other="base")


@pytest.mark.parametrize(
    ("wanted", "present", "missing"),
    [
        (["image"], [], ["base", "tools", "wheel", "image"]),
        (["image"], ["base"], ["tools", "wheel", "image"]),
        (["image"], ["wheel"], ["base", "image"]),
        (["image"], ["wheel", "base"], ["image"]),
        (["image"], ["image"], []),
        (["image", "other"], ["image"], ["base", "other"]),
        (["other", "image"], [], ["base", "other", "tools", "wheel", "image"]),
        ([], [], []),
    ],
)
def test_only_what_is_missing_and_needed_is_built(wanted, present, missing):
    images = {CHAIN[name].image for name in present}
    assert [one.name for one in missing_steps(CHAIN, wanted, images)] == missing


def test_an_image_of_another_key_is_not_present():
    old = step("base", key="0000").image
    assert [one.name for one in missing_steps(CHAIN, ["base"], {old})] == ["base"]


def test_steps_are_built_after_their_needs(build):
    engine = Recorder()
    build(engine, CHAIN)
    assert sorted(engine.built) == sorted(CHAIN)
    for one in CHAIN.values():
        assert all(engine.built.index(need) < engine.built.index(one.name) for need in one.needs)
    assert engine.texts["wheel"] == "# wheel\nFROM scratch\n"


def test_steps_that_do_not_depend_are_built_side_by_side(build):
    engine = Recorder(meet=2)
    build(engine, plan(one="", two=""), jobs=2)
    assert sorted(engine.built) == ["one", "two"]


def test_one_job_builds_one_at_a_time(build):
    engine = Recorder(meet=1)
    build(engine, CHAIN, jobs=1)
    assert sorted(engine.built) == sorted(CHAIN)


def test_a_step_that_another_process_built_meanwhile_is_not_built_again(build):
    engine = Recorder()
    engine.present.add(CHAIN["base"].image)
    build(engine, CHAIN)
    assert "base" not in engine.built


def test_a_failure_stops_what_needs_it_and_nothing_else(build, screen):
    engine = Recorder({"tools": BuildError("broken", where="tools", next_step="mend it")})
    with pytest.raises(BuildError, match="broken") as caught:
        build(engine, CHAIN)
    assert sorted(engine.built) == ["base", "other", "tools"]
    assert "not tried because of it: wheel, image" in str(caught.value)
    assert "mend it" in str(caught.value)
    lines = screen.getvalue().splitlines()
    assert [line for line in lines if "failed" in line] == [
        line for line in lines if "the tools" in line
    ]


def test_a_failure_that_stops_nothing_says_so_by_silence(build):
    with pytest.raises(BuildError) as caught:
        build(Recorder({"image": BuildError("broken")}), CHAIN)
    assert "not tried" not in str(caught.value)


def test_of_two_failures_one_is_raised_and_neither_counts_as_untried(build):
    failures = {"base": BuildError("first"), "tools": HostError("second")}
    with pytest.raises((BuildError, HostError)) as caught:
        build(Recorder(failures), CHAIN)
    assert "failed too" in str(caught.value)
    assert {"first", "second"} == {m for m in ("first", "second") if m in str(caught.value)}
    assert "not tried because of it: wheel, image, other" in str(caught.value)


def test_a_failed_step_is_built_again_by_the_next_run(build):
    engine = Recorder({"wheel": BuildError("broken")})
    with pytest.raises(BuildError):
        build(engine, CHAIN)
    engine.failures.clear()
    engine.built.clear()
    build(engine, {name: CHAIN[name] for name in ("wheel", "image")})
    assert engine.built == ["wheel", "image"]


def test_a_defect_of_zport_keeps_its_traceback(build):
    with pytest.raises(ZeroDivisionError):
        build(Recorder({"base": ZeroDivisionError()}), CHAIN)


def test_every_finished_step_has_its_line(build, screen):
    build(Recorder(), CHAIN)
    lines = screen.getvalue().splitlines()
    assert len(lines) == len(CHAIN)
    assert all("done" in line for line in lines)


def test_why_a_step_is_built_is_told(build, workspace):
    one = step("base")
    assert why_build(workspace, one) == "new"
    build(Recorder(), {"base": one})
    assert last_build(workspace, one)["key"] == one.key
    assert why_build(workspace, one) == "its image is gone"
    files = (ContextFile.text("folder/file", "changed"), one.context[1])
    other = Step(**{**one.__dict__, "context": files, "key": "0002"})
    assert why_build(workspace, other) == "changed: folder/file"


@pytest.fixture
def patched():
    """A step whose context has a patch with some text; its Dockerfile is always the same."""

    def make(text: str) -> Step:
        one = step("wheel")
        context = (*one.context, ContextFile.text("patches/0001.patch", text))
        return replace(one, context=context, key=step_key(one.dockerfile, [*context]))

    return make


def test_a_bake_file_names_no_key_over_another_context(build, patched, workspace):
    def baked(one: Step) -> str:
        """The patch in the context of what the bake file calls by the step's key."""
        written = write_bake({"wheel": one}, ["wheel"], workspace, Fetcher(workspace, Index()))
        target = json.loads(written.read_text())["target"]["wheel"]
        assert target["tags"] == [one.image]
        return (written.parent / target["context"] / "patches/0001.patch").read_text()

    old, new = patched("old"), patched("new")
    assert baked(old) == "old"
    assert baked(new) == "new"
    build(Recorder(), {"wheel": new})
    assert baked(old) == "old"
    assert sorted(path.name for path in (workspace.plan / "wheel").iterdir()) == [
        "Dockerfile", "folder", "patches", "tool",
    ]  # fmt: skip


def test_a_context_that_is_right_stays_and_one_that_is_lost_is_written_again(patched, workspace):
    one, folder = patched("text"), workspace.plan / "wheel"

    def bake_it() -> int:
        write_bake({"wheel": one}, ["wheel"], workspace, Fetcher(workspace, Index()))
        return folder.stat().st_ino

    assert bake_it() == bake_it()
    folder.rename(workspace.root / "away")
    bake_it()
    assert (folder / "patches/0001.patch").read_text() == "text"
