"""Tracing in the agent: the tree of spans, its file as OpenTelemetry reads it, what is refused."""

import contextlib
import ctypes
import errno
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp import parse_otlp
from zport_agent import backends
from zport_agent.backends import OperatorRun
from zport_agent.cli import main
from zport_agent.errors import UnsupportedError
from zport_agent.trace import perf
from zport_agent.trace.counters import Counters, difference
from zport_agent.trace.levels import COUNTED, LEVELS, parse_levels
from zport_agent.trace.operators import place_operators, read_onnxruntime
from zport_agent.trace.perf import SOFTWARE, Count, open_counters, reason
from zport_agent.trace.spans import Recorder, Span

MARGIN = 100_000
"""ns by which two readings of the clock may differ here."""
Trace = Callable[..., tuple[int, str]]
Write = Callable[[Any], Path]


@pytest.fixture
def trace(
    document: dict[str, Any], write: Write, files: Path, tmp_path: Path, capsys: Any
) -> Trace:
    """Runs the verb on the model of two inputs; gives the exit code and what was said."""
    model = write(document)

    def run(*more: str) -> tuple[int, str]:
        folders = ["--model", str(model), "--files", str(files), "--out", str(tmp_path / "out")]
        code = main(["trace", *folders, *more])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def profiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doubling backend gets a profiler: each call is a Loop with two Adds inside."""
    module = sys.modules["doubler_backend"]
    recorder = Recorder()

    class Profiled(module.Doubler):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.ran: list[OperatorRun] = []

        @contextlib.contextmanager
        def profile(self, path: Path, threads: int) -> Iterator[list[OperatorRun]]:
            self.load(path, threads)
            told: list[OperatorRun] = []
            yield told
            told += self.ran

        def predict(self, inputs: Any) -> Any:
            start = recorder.now() + MARGIN
            answer = super().predict(inputs)
            self.ran += [
                OperatorRun("first", "Add", start + 1, 2, {"zport.inputs": ["float32[3]"]}),
                OperatorRun("around", "Loop", start, 10),
                OperatorRun("second", "Add", start + 4, 3),
            ]
            while recorder.now() < start + MARGIN:
                pass
            return answer

    monkeypatch.setattr(module, "Doubler", Profiled)


def spans_of(path: Path) -> list[dict[str, Any]]:
    return list(
        json.loads((path / "out" / "trace.otlp.json").read_text())["resourceSpans"][0][
            "scopeSpans"
        ][0]["spans"]
    )


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def tree(spans: list[dict[str, Any]], parent: str | None = None) -> list[Any]:
    """Names and what is inside them, in order of time."""
    inside = sorted(
        (one for one in spans if one.get("parentSpanId") == parent),
        key=lambda one: int(one["startTimeUnixNano"]),
    )
    return [(one["name"], tree(spans, one["spanId"])) for one in inside]


def test_every_level_has_a_run_of_its_own(trace: Trace, profiled: None, tmp_path: Path) -> None:
    code, said = trace("--iterations", "2", "--warmup", "1")
    assert code == 0, said
    spans = spans_of(tmp_path)
    [(root, runs)] = tree(spans)
    assert root == "doubler"
    ran = [level for level in LEVELS if f"run at {level}" in dict(runs)]
    assert ran[:5] == list(LEVELS[:5])
    assert ("HARDWARE_TRACE" in ran) != ("not run: HARDWARE_TRACE" in said)
    stages = ["load", *["preprocess", "predict", "postprocess"] * 4]
    for name, inside in runs:
        assert [stage for stage, _ in inside] == stages, name
    calls = {
        name: [inner for stage, inner in inside if stage == "predict"] for name, inside in runs
    }
    assert calls["run at APPLICATION_TRACE"] == [[]] * 4
    assert calls["run at MODEL_TRACE"] == [[("numpy predict", [])]] * 4
    operators: Any = [("around", [("first", []), ("second", [])])]
    assert calls["run at FRAMEWORK_TRACE"] == [[("numpy predict", operators)]] * 4
    for level in COUNTED[:2]:
        assert calls[f"run at {level}"] == [[("numpy predict", [("counted", [])])]] * 4


def test_spans_know_their_level_and_run_and_lie_in_their_parents(
    trace: Trace, profiled: None, tmp_path: Path
) -> None:
    assert trace()[0] == 0
    spans = spans_of(tmp_path)
    by_identity = {span["spanId"]: span for span in spans}
    assert len(by_identity) == len(spans)
    for span in spans[1:]:
        parent, own = by_identity[span["parentSpanId"]], attributes(span)
        assert int(parent["startTimeUnixNano"]) <= int(span["startTimeUnixNano"])
        assert int(span["endTimeUnixNano"]) <= int(parent["endTimeUnixNano"])
        assert own["zport.run"] in LEVELS
        if not span["name"].startswith("run at "):
            # A run goes no deeper than its level; counters are read with no profiler on.
            assert LEVELS.index(own["zport.level"]) <= LEVELS.index(own["zport.run"])
            assert own["zport.level"] in (*LEVELS[:2], own["zport.run"])
    [user_time, *_] = [
        own for own in map(attributes, spans) if own.get("zport.level") == COUNTED[0]
    ]
    assert int(user_time["zport.counter.user-time"]) >= 0


def test_opentelemetry_reads_the_file(trace: Trace, profiled: None, tmp_path: Path) -> None:
    assert trace("--level", "framework", "--iterations", "1", "--emulated")[0] == 0
    text = (tmp_path / "out" / "trace.otlp.json").read_text()
    assert text.count("\n") == 1 and text.endswith("\n")  # a file of JSON lines, too
    [of_resource] = parse_otlp(text).resource_spans
    facts = {one.key: one.value for one in of_resource.resource.attributes}
    assert facts["service.name"].string_value == "zport-agent"
    assert facts["host.arch"].string_value
    assert facts["zport.byte_order"].string_value == sys.byteorder
    assert facts["zport.framework.name"].string_value == "numpy"
    assert facts["zport.model.version"].string_value == "1.0"
    assert facts["zport.emulated"].bool_value is True
    assert facts["zport.threads"].int_value == 1
    [of_scope] = of_resource.scope_spans
    first = next(span for span in of_scope.spans if span.name == "first")
    assert (len(first.trace_id), len(first.span_id), first.kind) == (16, 8, 1)
    assert first.end_time_unix_nano - first.start_time_unix_nano == 2
    shapes = next(one.value for one in first.attributes if one.key == "zport.inputs")
    assert [one.string_value for one in shapes.array_value.values] == ["float32[3]"]
    assert len({span.trace_id for span in of_scope.spans}) == 1


def test_a_backend_without_a_profiler(trace: Trace, tmp_path: Path) -> None:
    code, said = trace("--level", "framework")
    assert code == 6 and "numpy has no profiler" in said
    assert list((tmp_path / "out").iterdir()) == []
    code, said = trace("--level", "full")
    assert code == 0 and "not run: FRAMEWORK_TRACE: numpy has no profiler" in said
    spans = spans_of(tmp_path)
    assert "FRAMEWORK_TRACE: numpy" in json.dumps(attributes(spans[0])["zport.not_run"])
    assert not any("FRAMEWORK_TRACE" in span["name"] for span in spans)


def test_one_level_alone(trace: Trace, tmp_path: Path) -> None:
    assert trace("--level", "APPLICATION_TRACE", "--iterations", "1", "--warmup", "0")[0] == 0
    [(_, [(run, stages)])] = tree(spans_of(tmp_path))
    assert run == "run at APPLICATION_TRACE" and len(stages) == 7
    named = [attributes(span).get("zport.input") for span in spans_of(tmp_path)]
    assert named == [None, None, None, *["a.npy"] * 3, *["b.npy"] * 3]


def test_what_fails_leaves_no_trace(
    trace: Trace, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trace("--level", "model")[0] == 0
    (files / "graph.bin").write_bytes(b"changed")
    assert trace("--level", "model")[0] == 4
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("level", ["kernel", "NO_TRACE", "", "full trace"])
def test_levels_that_are_none(trace: Trace, level: str) -> None:
    code, said = trace("--level", level)
    assert code == 2 and "--level: expected full or one of application, model" in said


@pytest.mark.parametrize("flags", [("--iterations", "0"), ("--warmup", "-1"), ("--threads", "x")])
def test_numbers_that_are_none(trace: Trace, flags: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as ended:
        trace(*flags)
    assert ended.value.code == 2


def test_levels_by_name() -> None:
    assert parse_levels("ML-library") == parse_levels("ML_LIBRARY_TRACE") == ("ML_LIBRARY_TRACE",)
    assert parse_levels("full") == parse_levels("FULL_TRACE") == LEVELS


def call(start: int, end: int) -> Span:
    return Span("predict", None, start, end)


def test_operators_outside_the_calls_are_of_the_warm_up() -> None:
    ran = [OperatorRun("a", "Add", start, 2) for start in (5, 10, 12, 19, 20, 31)]
    calls = [call(10, 20), call(30, 40)]
    placed = place_operators(ran, calls, run="R")
    assert [(span.start, span.parent) for span in placed] == [
        (10, calls[0].identity), (12, calls[0].identity), (19, calls[0].identity),
        (31, calls[1].identity),
    ]  # fmt: skip
    assert placed[0].attributes == {"zport.run": "R", "zport.operator": "Add"}


def test_operators_in_no_call_at_all() -> None:
    with pytest.raises(UnsupportedError, match="was the clock set meanwhile"):
        place_operators([OperatorRun("a", "Add", 500, 2)], [call(10, 20)])
    assert place_operators([], [call(10, 20)]) == []


EVENT = {
    "cat": "Node", "pid": 1, "tid": 1, "dur": 7, "ts": 5, "ph": "X", "name": "conv1_kernel_time",
    "args": {"op_name": "Conv", "provider": "CPUExecutionProvider",
             "input_type_shape": [{"float": [1, 3]}, {"float": []}], "output_type_shape": []},
}  # fmt: skip


def test_the_profile_of_onnxruntime(tmp_path: Path) -> None:
    session = {"cat": "Session", "name": "model_run", "dur": 9, "ts": 4, "args": {}}
    fence = EVENT | {"name": "conv1_fence_before"}
    path = tmp_path / "profile.json"
    path.write_text(json.dumps([session, fence, EVENT]))
    [one] = read_onnxruntime(path, 1_000_000)
    assert (one.name, one.operator, one.start, one.duration) == ("conv1", "Conv", 1_005_000, 7000)
    assert one.attributes["zport.inputs"] == ["float[1,3]", "float[]"]
    assert one.attributes["zport.provider"] == "CPUExecutionProvider"


@pytest.mark.parametrize(
    "content",
    ["", "[{", "3", '["text"]', '[{"cat": "Node", "name": "a_kernel_time"}]',
     json.dumps([EVENT | {"args": {}}]), json.dumps([EVENT | {"ts": "soon"}]),
     json.dumps([EVENT | {"args": {"op_name": "A", "input_type_shape": [{}]}}])],
)  # fmt: skip
def test_a_profile_that_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "profile.json"
    path.write_text(content)
    with pytest.raises(UnsupportedError, match="profile cannot be read"):
        read_onnxruntime(path, 0)


def test_counters_that_took_turns_are_scaled() -> None:
    before = {"whole": Count(5, 10, 10), "half": Count(0, 0, 0), "never": Count(0, 0, 0)}
    after = {"whole": Count(8, 30, 30), "half": Count(50, 20, 10), "never": Count(0, 20, 0)}
    assert difference(before, after) == {"whole": 3, "half (estimated)": 100}
    assert difference({"time": Count(3)}, {"time": Count(9)}) == {"time": 6}


def test_why_a_counter_cannot_be_had() -> None:
    assert "no perf_event_open" in reason(errno.ENOSYS, "2")
    assert "no such counter" in reason(errno.ENOENT, "2")
    assert "perf_event_paranoid is 3" in reason(errno.EACCES, "3")
    assert "seccomp" in reason(errno.EPERM, "2")
    assert reason(errno.EMFILE, "2") == "Too many open files"


def test_an_architecture_whose_system_call_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    counters = open_counters(SOFTWARE)
    assert counters.descriptors == {} and set(counters.unavailable) == set(SOFTWARE)
    assert "no perf_event_open" in counters.unavailable["task-clock"]


def test_flags_are_bits_as_the_compiler_lays_them_out() -> None:
    """The first bit of a C bit field is the lowest on little-endian machines, else the highest."""
    layout = perf._Attributes
    assert ctypes.sizeof(layout) == 64  # PERF_ATTR_SIZE_VER0
    flags = bytes(layout(disabled=1, exclude_kernel=1))[40:48]
    first, sixth = (0, 5) if sys.byteorder == "little" else (63, 58)
    assert int.from_bytes(flags, sys.byteorder) == 1 << first | 1 << sixth


def test_the_kernels_own_counters() -> None:
    """For real, where this kernel permits it."""
    counters = open_counters(SOFTWARE)
    try:
        name = next((name for name in counters.descriptors if name.startswith("task-clock")), None)
        if name is None:
            pytest.skip(counters.unavailable["task-clock"])
        before = counters.read()
        assert math.factorial(3000) > 0
        after = counters.read()
    finally:
        counters.close()
    assert 0 < difference(before, after)[name] < 10_000_000_000


def test_what_is_counted_at_a_level() -> None:
    counters = Counters("SYSTEM_LIBRARY_TRACE")
    try:
        assert {"system-time", "minor-faults", "major-faults"} <= set(counters.read())
    finally:
        counters.close()
    assert all(counters.unavailable.values())


def test_a_machine_without_hardware_counters(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOENT, "none")

    monkeypatch.setattr(perf, "_open", refuse)
    code, said = trace("--level", "hardware")
    assert code == 6 and "the machine has no such counter" in said
    assert not (tmp_path / "out" / "trace.otlp.json").exists()
    assert trace("--level", "system_library")[0] == 0
    run = attributes(spans_of(tmp_path)[1])
    assert "task-clock: the machine has no such counter" in json.dumps(run["zport.unavailable"])


def test_backends_without_a_profiler_are_known() -> None:
    module = sys.modules["doubler_backend"]
    assert not isinstance(module.Doubler(), backends.Profiling)


def test_a_profile_that_cannot_be_read_spoils_its_own_level_alone(
    trace: Trace, profiled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: Any, **__: Any) -> list[Span]:
        raise UnsupportedError("the profile cannot be read")

    monkeypatch.setattr("zport_agent.trace.run.place_operators", unreadable)
    assert trace("--level", "framework") == (6, "zport-agent: the profile cannot be read\n")
    monkeypatch.setattr(
        "zport_agent.trace.run.place_operators",
        lambda ran, *_, **__: unreadable() if ran else [],
    )
    code, said = trace()
    assert code == 0 and "not run: FRAMEWORK_TRACE: the profile cannot be read" in said
    [(_, runs)] = tree(spans_of(tmp_path))
    assert [name for name, _ in runs][:3] == [
        "run at APPLICATION_TRACE", "run at MODEL_TRACE", "run at ML_LIBRARY_TRACE",
    ]  # fmt: skip
