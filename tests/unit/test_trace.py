"""zport trace on the host: reading a trace, adding it up, its views, and sending it."""

import io
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from loopback import Handler, Server
from otlp import parse_otlp
from rich.console import Console
from zport_agent.trace.spans import Recorder, write_otlp

from zport.agents import load_agents
from zport.errors import FetchError, ResultsError, UsageError
from zport.trace.chrome import chrome_trace
from zport.trace.export import send_trace, traces_url
from zport.trace.flame import flame_data, flame_page
from zport.trace.run import Settings, find_model
from zport.trace.spans import Trace, read_trace
from zport.trace.summary import (
    counted,
    level_totals,
    operator_totals,
    profiling_cost,
    reasons,
)
from zport.trace.table import EMULATED, print_trace

HOSTILE = "</script><b>& 'conv' \"1\""
RESOURCE: dict[str, Any] = {
    "host.arch": "s390x", "zport.byte_order": "big", "zport.emulated": False,
    "zport.framework.name": "onnxruntime", "zport.framework.version": "1.21.0",
    "zport.model.name": "small", "zport.model.version": "1", "zport.threads": 1,
}  # fmt: skip
Write = Callable[..., Path]


def record() -> Recorder:
    """Three runs with made-up times: a Loop of 60 with a Conv of 40 inside, a Conv of 30."""
    recorder = Recorder()
    not_run = ["HARDWARE_TRACE: no counter: none"]
    root: dict[str, Any] = {"iterations": 1, "warmup": 0, "not_run": not_run}
    with recorder.span("small", **root):
        for level, cost in (("APPLICATION_TRACE", 100), ("MODEL_TRACE", 100),
                            ("FRAMEWORK_TRACE", 150), ("ML_LIBRARY_TRACE", 100)):  # fmt: skip
            with recorder.span(f"run at {level}", run=level) as run:
                if level == "ML_LIBRARY_TRACE":
                    run.attributes["zport.unavailable"] = ["cycles: gone", "instructions: gone"]
                _run(recorder, level, cost)
    return recorder


def _run(recorder: Recorder, level: str, cost: int) -> None:
    base = recorder.now()

    def timed(start: int, end: int, name: str, own: str, **attributes: Any) -> Any:
        opened = recorder.span(name, level=own, run=level, **attributes)
        span = opened.__enter__()
        return opened, span, base + start, base + end

    def close(opened: Any, span: Any, start: int, end: int) -> None:
        opened.__exit__(None, None, None)
        span.start, span.end = start, end

    close(*timed(0, 10, "load", "APPLICATION_TRACE"))
    predict = timed(20, 20 + cost, "predict", "APPLICATION_TRACE", iteration=0)
    if level != "APPLICATION_TRACE":
        call = timed(20, 20 + cost, "onnxruntime predict", "MODEL_TRACE")
        if level == "FRAMEWORK_TRACE":
            loop = timed(25, 85, HOSTILE, level, operator="Loop")
            close(*timed(30, 70, "inner", level, operator="Conv"))
            close(*loop)
            close(*timed(90, 120, "outer", level, operator="Conv", inputs=["float[1]"]))
        if level == "ML_LIBRARY_TRACE":
            inside = timed(20, 120, "counted", level)
            inside[1].attributes["zport.counter.user-time"] = 80
            close(*inside)
        close(*call)
    close(*predict)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the trace above, with other facts if given."""

    def written(**more: Any) -> Path:
        recorder = record()
        path = tmp_path / "trace.otlp.json"
        facts = RESOURCE | {f"zport.{key}": value for key, value in more.items()}
        write_otlp(path, recorder, facts)
        return path

    return written


@pytest.fixture
def trace(write: Write) -> Trace:
    return read_trace(write())


def test_what_the_agent_writes_is_read(write: Write) -> None:
    trace = read_trace(write(emulated=True))
    assert trace.emulated and trace.resource["zport.threads"] == 1
    assert list(trace.runs) == [
        "APPLICATION_TRACE", "MODEL_TRACE", "FRAMEWORK_TRACE", "ML_LIBRARY_TRACE",
    ]  # fmt: skip
    assert trace.not_run == {"HARDWARE_TRACE": "no counter: none"}
    [outer] = [span for span in trace.spans if span.name == "outer"]
    assert (outer.operator, outer.level, outer.duration) == ("Conv", "FRAMEWORK_TRACE", 30)
    assert outer.attributes["zport.inputs"] == ["float[1]"]


Change = Callable[[dict[str, Any]], None]


def _spans(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["resourceSpans"][0]["scopeSpans"][0]["spans"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.clear(), "resourceSpans"),
        (lambda d: d["resourceSpans"].clear(), "not a trace"),
        (lambda d: d["resourceSpans"][0]["scopeSpans"][0]["spans"].clear(), "it has no spans"),
        (lambda d: _spans(d)[1].update(parentSpanId="00"), "its parent does not come before it"),
        (lambda d: _spans(d)[1].pop("parentSpanId"), "the first span alone has no parent"),
        (lambda d: _spans(d)[2].update(spanId=_spans(d)[1]["spanId"]), "another's too"),
        (lambda d: _spans(d)[1].update(endTimeUnixNano="7"), "ends before it begins"),
        (lambda d: _spans(d)[1].update(startTimeUnixNano="soon"), "invalid literal"),
        (lambda d: _spans(d)[1].pop("spanId"), "spanId"),
        (lambda d: _spans(d)[1]["attributes"].append({"key": "a", "value": {"kv": 1}}), "a kv"),
        (lambda d: _spans(d)[1].update(attributes=3), "not a trace"),
    ],
)
def test_files_that_are_no_trace(write: Write, change: Change, said: str) -> None:
    path = write()
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=said) as raised:
        read_trace(path)
    assert str(path) in str(raised.value) and "next: trace again" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000])
def test_files_that_are_no_json_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trace"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match="not a trace"):
        read_trace(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="No such file"):
        read_trace(tmp_path / "none")


def test_time_per_level_is_from_the_levels_own_run(trace: Trace) -> None:
    found = [(one.level, one.name, one.run, one.count, one.total) for one in level_totals(trace)]
    assert found == [
        ("APPLICATION_TRACE", "load", "APPLICATION_TRACE", 1, 10),
        ("APPLICATION_TRACE", "predict", "APPLICATION_TRACE", 1, 100),
        ("MODEL_TRACE", "onnxruntime predict", "MODEL_TRACE", 1, 100),
        ("FRAMEWORK_TRACE", "operators", "FRAMEWORK_TRACE", 3, 90),
    ]


def test_time_inside_an_operator_is_not_its_own(trace: Trace) -> None:
    found = [(one.name, one.count, one.total, one.share) for one in operator_totals(trace)]
    assert found == [("Conv", 2, 70, 70 / 90), ("Loop", 1, 20, 20 / 90)]


def test_what_profiling_costs(trace: Trace, write: Write) -> None:
    assert profiling_cost(trace) == 1.5
    assert profiling_cost(read_trace(write(emulated=True))) is None


def test_what_was_counted_and_what_not(trace: Trace) -> None:
    [one] = counted(trace)
    assert (one.name, one.level, one.mean, one.is_time) == (
        "user-time", "ML_LIBRARY_TRACE", 80, True,
    )  # fmt: skip
    assert reasons(trace) == [
        ("ML_LIBRARY_TRACE", "cycles, instructions", "gone"),
        ("HARDWARE_TRACE", "whole run", "no counter: none"),
    ]


def test_the_table(write: Write) -> None:
    for emulated in (False, True):
        console = Console(file=io.StringIO(), width=120)
        print_trace(console, read_trace(write(emulated=emulated)), "onnxruntime on s390x (qemu)")
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert "small in onnxruntime on s390x (qemu) · onnxruntime 1.21.0 · big-endian" in text
        assert "Conv          2     0.000      0.000  77.8%" in text
        assert "not run   HARDWARE_TRACE: whole run: no counter: none" in text
        assert (EMULATED in text) == emulated
        assert ("takes 1.50 times as long" in text) != emulated


def test_chromes_trace(trace: Trace) -> None:
    made = json.loads(json.dumps(chrome_trace(trace, "onnxruntime on s390x (qemu)")))
    assert made["displayTimeUnit"] == "ms" and made["otherData"]["host.arch"] == "s390x"
    events = made["traceEvents"]
    names = {one["args"]["name"] for one in events if one["ph"] == "M"}
    assert {"small in onnxruntime on s390x (qemu)", "run at FRAMEWORK_TRACE"} <= names
    complete = [one for one in events if one["ph"] == "X"]
    assert len(complete) == len(trace.spans) - 1 and len(events) == len(complete) + 5
    for one in complete:
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"} == set(one)
        assert one["ts"] >= 0 and one["dur"] >= 0
    [outer] = [one for one in complete if one["name"] == "outer"]
    assert (outer["cat"], outer["dur"]) == ("FRAMEWORK_TRACE", 0.03)
    assert outer["args"] == {
        "level": "FRAMEWORK_TRACE", "run": "FRAMEWORK_TRACE", "operator": "Conv",
        "inputs": ["float[1]"],
    }  # fmt: skip
    threads = {one["args"]["run"]: one["tid"] for one in complete}
    assert len(set(threads.values())) == 4


def test_chromes_trace_says_that_it_is_emulated(write: Write) -> None:
    made = chrome_trace(read_trace(write(emulated=True)), "a side")
    assert EMULATED in made["traceEvents"][0]["args"]["name"]


def test_frames_of_the_flame_graph(trace: Trace) -> None:
    data = flame_data(trace)
    assert data["first"] == "FRAMEWORK_TRACE" and len(data["runs"]) == 4
    run = data["runs"]["FRAMEWORK_TRACE"]
    assert run["time"] == 160

    def brief(frame: dict[str, Any]) -> Any:
        return (frame["name"], frame["time"], [brief(one) for one in frame["frames"]])

    inner: Any = ("Conv", 40, [("inner", 40, [])])
    operators = [("Loop", 60, [(HOSTILE, 60, [inner])]), ("Conv", 30, [("outer", 30, [])])]
    assert [brief(frame) for frame in run["frames"]] == [
        ("predict", 150, [("onnxruntime predict", 150, operators)]),
        ("load", 10, []),
    ]


def test_the_page_takes_no_name_for_markup(write: Write) -> None:
    for emulated in (False, True):
        page = flame_page(read_trace(write(emulated=emulated)), "onnxruntime on s390x")
        assert page.count("</script>") == 2 and "<b>" not in page
        assert (f"This run was {EMULATED}" in page) == emulated
        assert "default-src &#39;none&#39;" in page
        assert "http://" not in page and "https://" not in page


class Collector(Handler):
    """Takes traces as a collector does: parses the body with OpenTelemetry's own definition."""

    def do_POST(self) -> None:  # noqa: N802 - the name that the server calls
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        self.server.files[self.path] = body
        self.server.asked.append((self.path, kind))
        if self.server.script:
            self.server.script.popleft()(self, body)
        else:
            parse_otlp(body.decode())
            answer(200, b'{"partialSuccess":{}}')(self, body)


def answer(code: int, content: bytes) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    def send(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return send


@pytest.fixture
def collector() -> Iterator[Server]:
    server = Server()
    server.RequestHandlerClass = Collector
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_collector_takes_the_trace(collector: Server, write: Write) -> None:
    path = write()
    send_trace(path, traces_url(collector.url("/")))
    assert collector.asked == [("/v1/traces", "application/json")]
    request = parse_otlp(collector.files["/v1/traces"].decode())
    names = [span.name for span in request.resource_spans[0].scope_spans[0].spans]
    assert HOSTILE in names and len(names) == len(read_trace(path).spans)


@pytest.mark.parametrize(
    ("code", "content", "said"),
    [
        (400, b"bad data", "refused: 400 Bad Request: bad data"),
        (503, b"", "refused: 503"),
        (307, b"", "refused: 307"),
        (200, b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}',
         "rejected 3 spans: too old"),
    ],
)  # fmt: skip
def test_a_collector_that_does_not(
    collector: Server, write: Write, code: int, content: bytes, said: str
) -> None:
    collector.script.append(answer(code, content))
    path = write()
    with pytest.raises(FetchError, match=said) as raised:
        send_trace(path, traces_url(collector.url("/v1/traces")))
    assert f"the trace is in {path}" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"thanks", b'{"partialSuccess": null}'])
def test_any_answer_of_success_will_do(collector: Server, write: Write, content: bytes) -> None:
    collector.script.append(answer(200, content))
    send_trace(write(), traces_url(collector.url("")))
    assert len(collector.asked) == 1


def test_nobody_listens(write: Write) -> None:
    server = Server()
    url = server.url("")
    server.server_close()
    with pytest.raises(FetchError, match="check that a collector listens there"):
        send_trace(write(), traces_url(url))


def test_addresses() -> None:
    assert traces_url("http://c:4318") == traces_url("http://c:4318/") == "http://c:4318/v1/traces"
    assert traces_url("https://c/own/v1/traces") == "https://c/own/v1/traces"
    for bad in ("c:4318", "grpc://c:4317", "", "http://"):
        with pytest.raises(UsageError, match="is no address"):
            traces_url(bad)


def test_models_that_cannot_be_traced(tmp_path: Path) -> None:
    [agent] = load_agents("onnxruntime-debian")
    assert find_model("silero-vad", agent).name == "silero-vad"
    with pytest.raises(UsageError, match=r"has no manifest\.yml"):
        find_model(str(tmp_path), agent)
    with pytest.raises(UsageError, match="unknown model"):
        find_model("silero-vat", agent)
    with pytest.raises(UsageError, match="runs another"):
        find_model("silero-vad", agent.model_copy(update={"framework": "another"}))


def test_levels() -> None:
    assert Settings("FRAMEWORK_TRACE", 3, 1, 2).flags == [
        "--level", "framework", "--iterations", "3", "--warmup", "1", "--threads", "2",
    ]  # fmt: skip
    assert Settings("Full", 3, 1, 1).name == "full"
    with pytest.raises(UsageError, match="expected full or one of"):
        Settings("kernel", 3, 1, 1).check()
