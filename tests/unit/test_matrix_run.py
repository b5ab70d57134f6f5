"""Which cell runs where and when: with runners that serve batches in this process."""

import io
import json
import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from rich.console import Console

from zport.engines import TIMED_OUT
from zport.errors import EngineError
from zport.matrix.cells import AGENT_SAYS_NO
from zport.matrix.run import CellRunner
from zport.progress import Progress


@dataclass
class MadeUp:
    """A runner that writes what a container would; `dies` are cells that end their container."""

    name: str = "native"
    jobs: int = 1
    pace: float = 1
    memory: int = 1 << 30
    remote: bool = False
    emulated: bool = False
    dies: tuple[str, ...] = ()
    seconds: float = 0
    served: list[list[str]] = field(default_factory=list)
    stopped: bool = False

    def serve(self, batch, log):
        plan = json.loads((batch.folder / "cells.json").read_text())
        began = []
        self.served.append(began)
        claims = batch.out / "claims"
        claims.mkdir(exist_ok=True)
        for cell in plan["cells"]:
            try:
                (claims / cell["name"]).touch(exist_ok=False)
            except FileExistsError:
                continue
            began.append(cell["name"])
            until = time.monotonic() + self.seconds
            while time.monotonic() < until:
                if batch.stopped:
                    self.stopped = True
                    return 0
                time.sleep(0.01)
            if cell["name"] in self.dies:
                return 139
            part = batch.out / f"{cell['name']}.part"
            part.mkdir()
            (part / "served.json").write_text(
                json.dumps({"commands": [{"verb": "predict", "status": 0, "seconds": 0.1}]})
            )
            (part / "outputs.npz").touch()
            (part / "result.json").write_text('{"inputs": []}')
            part.rename(batch.out / cell["name"])
        return 0


@pytest.fixture
def cell(tmp_path):
    """Makes a cell, of a model whose files have some size."""

    def make(name, size=1, *, gflop=None, runner="native", image="image", reference=False):
        files = tmp_path / "files" / name
        files.mkdir(parents=True, exist_ok=True)
        (files / "graph").write_bytes(b"x" * size)
        manifest = SimpleNamespace(extension=lambda: SimpleNamespace(gflop=gflop))
        step = SimpleNamespace(name="agent", image=image)
        return SimpleNamespace(
            name=name, title=f"{name}-key", runner=runner, files=files, is_reference=reference,
            model=SimpleNamespace(name=name, folder=files, manifest=manifest),
            target=SimpleNamespace(name="t"),
            agent=SimpleNamespace(step=step, agent=SimpleNamespace(framework="f")),
            verbs=("predict",), flags=(), label=name,
        )  # fmt: skip

    return make


@pytest.fixture
def runner(workspace):
    return CellRunner(workspace, Progress(Console(file=io.StringIO()), workspace, "test"))


def names(runs):
    return [run.cell.name for run in runs]


def test_one_container_serves_all_cells_largest_first(cell, runner):
    made_up, came = MadeUp(), []
    runs = runner.run([cell("small"), cell("large", 9)], [made_up], came.append)
    assert made_up.served == [["large", "small"]]
    assert names(runs) == ["small", "large"]
    assert sorted(names(came)) == ["large", "small"]


def test_a_known_cell_is_not_run_again(cell, runner):
    made_up, cells = MadeUp(), [cell("one"), cell("two")]
    runner.run(cells[:1], [made_up])
    came = []
    runner.run(cells, [made_up], came.append)
    assert made_up.served == [["one"], ["two"]]
    assert sorted(names(came)) == ["one", "two"]


@pytest.fixture
def again(cell, workspace):
    """Runs a cell whose record is changed before; the names of the cells that were served."""
    one = cell("one")
    one.verbs = ("predict", "bench")
    record = workspace.results / "cells" / one.title / "run.json"

    def run(patience=1, memory=1 << 30, **changed):
        if changed:
            record.write_text(json.dumps(json.loads(record.read_text()) | changed))
        made_up = MadeUp(memory=memory)
        progress = Progress(Console(file=io.StringIO()), workspace, "test")
        CellRunner(workspace, progress, patience).run([one], [made_up])
        return [name for batch in made_up.served for name in batch]

    assert run() == ["one"]
    return run


@pytest.mark.parametrize("verb", ["predict", "bench"])
def test_a_cell_that_ran_out_of_less_time_than_it_has_now_is_run_again(again, verb):
    assert again(**{verb: TIMED_OUT}) == []
    assert again(memory=1 << 40) == []
    assert again(patience=10) == ["one"]
    assert again(patience=10) == []


@pytest.mark.parametrize("verb", ["predict", "bench"])
@pytest.mark.parametrize("status", [137, -9, -6, 70, 6])
def test_a_cell_that_failed_with_less_memory_than_it_has_now_is_run_again(again, verb, status):
    assert again(**{verb: status}) == []
    assert again(memory=1 << 29, patience=10) == []
    assert again(memory=1 << 31) == ["one"]
    assert again(memory=1 << 31) == []


def test_what_loadgen_calls_invalid_stays_so(again):
    assert again(bench=AGENT_SAYS_NO) == []
    assert again(memory=1 << 40, patience=10) == []


def test_a_container_that_dies_takes_one_cell_with_it(cell, runner):
    made_up = MadeUp(dies=("bad",))
    runs = runner.run([cell("good"), cell("bad", 5), cell("first", 9)], [made_up])
    assert made_up.served == [["first", "bad"], ["good"]]
    assert [run.failure for run in runs] == [None, "crash", None]
    assert "died with it: ended by SIGSEGV" in runs[1].reason


def test_no_container_at_all_is_an_error_and_nothing_is_kept(cell, runner, workspace):
    class Refusing(MadeUp):
        def serve(self, batch, log):
            return 125

    with pytest.raises(EngineError, match="no container of image began"):
        runner.run([cell("one")], [Refusing()])
    assert not list((workspace.results / "cells").glob("*"))


def test_an_engine_that_fails_does_not_undo_what_others_did(cell, runner):
    class Refusing(MadeUp):
        def serve(self, batch, log):
            raise EngineError("no connection", where=self.name)

    here, there = cell("here"), cell("there", runner="ssh://far")
    with pytest.raises(EngineError, match="no connection"):
        runner.run([here, there], [MadeUp(), Refusing("ssh://far", remote=True)])
    assert runner.known(here)
    assert not runner.known(there)


def test_the_references_image_comes_first(cell, runner):
    made_up = MadeUp()
    cells = [cell("a", image="z390"), cell("b", image="reference", reference=True)]
    runner.run(cells, [made_up])
    assert made_up.served == [["b"], ["a"]]


def test_two_runs_over_the_same_cells_run_each_once(cell, workspace):
    cells = [cell(f"cell{number}") for number in range(6)]
    made_up = MadeUp(seconds=0.05)

    def run(mine):
        CellRunner(workspace, Progress(Console(quiet=True), workspace, "t")).run(mine, [made_up])

    both = [threading.Thread(target=run, args=(mine,)) for mine in (cells, cells[::-1])]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    began = [name for batch in made_up.served for name in batch]
    assert sorted(began) == sorted(cell.name for cell in cells)


def test_stop_ends_a_batch_and_keeps_nothing_of_the_cell_in_work(cell, runner):
    made_up = MadeUp(seconds=60)
    threading.Timer(0.5, runner.stop).start()
    assert runner.run([cell("slow")], [made_up]) == []
    assert made_up.stopped


def test_costly_models_come_first(cell, runner):
    made_up = MadeUp()
    runner.run([cell("large", 9), cell("costly", gflop=3.0), cell("cheap", gflop=0.1)], [made_up])
    assert made_up.served == [["costly", "cheap", "large"]]


def test_limits_grow_with_the_runner_the_cost_and_patience(cell, workspace):
    runner = CellRunner(workspace, Progress(Console(quiet=True), workspace, "t"), patience=2)
    assert runner.limit(cell("small"), MadeUp()) == 1200
    assert runner.limit(cell("small"), MadeUp(pace=6)) == 7200
    assert runner.limit(cell("costly", gflop=30.0), MadeUp()) == 2400
