"""zport trace for real: an image of two machines, and the flame graph in a real Chromium."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.integration.conftest import AGENT, ROOT
from tests.unit.otlp import parse_otlp
from zport.trace.spans import Trace, read_trace
from zport.trace.table import EMULATED

MODEL = "ppocr-direction"
PATIENCE = 1800
DESKTOP, PHONE = (1280, 860), (390, 844)
SIDES = {"s390x": "big", "amd64": "little"}
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Buildah and binfmt need root")


def zport_trace(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``zport trace`` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "zport", "trace", *arguments, "--agent", AGENT, "--engine",
         "buildah"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def said() -> str:
    """What a trace of a small model on both machines prints."""
    done = zport_trace(
        MODEL, "--arch", ",".join(SIDES), "--iterations", "1", "--warmup", "0", "--level", "full"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def folder(target: str) -> Path:
    return ROOT / "build" / "traces" / f"{MODEL}-{AGENT}-{target}-full"


def operators(trace: Trace) -> list[Any]:
    return [span for span in trace.spans if span.operator]


@pytest.mark.parametrize("target", SIDES)
def test_a_trace_of_every_level(said: str, target: str) -> None:
    text = (folder(target) / "trace.otlp.json").read_text()
    assert len(parse_otlp(text).resource_spans) == 1
    trace = read_trace(folder(target) / "trace.otlp.json")
    assert trace.resource["host.arch"] == target
    assert trace.resource["zport.byte_order"] == SIDES[target]
    assert trace.resource["zport.framework.name"] == "onnxruntime"
    assert trace.emulated == (target == "s390x")
    assert {"APPLICATION_TRACE", "MODEL_TRACE", "FRAMEWORK_TRACE", "ML_LIBRARY_TRACE",
            "SYSTEM_LIBRARY_TRACE"} <= set(trace.runs)  # fmt: skip
    # Where the kernel gives no counters of the processor, that is said.
    assert ("HARDWARE_TRACE" in trace.runs) != ("HARDWARE_TRACE" in trace.not_run)


@pytest.mark.parametrize("target", SIDES)
def test_operators_lie_in_their_predict_calls(said: str, target: str) -> None:
    trace = read_trace(folder(target) / "trace.otlp.json")
    calls = [
        span for span in trace.spans
        if span.level == "MODEL_TRACE" and span.run == "FRAMEWORK_TRACE"
    ]  # fmt: skip
    assert len(calls) == 2
    for call in calls:
        inside = trace.children[call.identity]
        assert len(inside) > 100 and all(one.operator for one in inside)
        time = sum(one.duration for one in inside)
        assert 0 < time <= call.duration
        assert all(call.start <= one.start and one.end <= call.end for one in inside)
    assert {"Conv", "MaxPool", "Softmax"} <= {span.operator for span in operators(trace)}
    [softmax, _] = [span for span in operators(trace) if span.operator == "Softmax"]
    assert softmax.attributes["zport.outputs"] == ["float[1,2]"]


def test_both_sides_are_told_and_the_emulated_one_is_marked(said: str) -> None:
    told = " ".join(said.split())
    emulated = told.index(f"{MODEL} in {AGENT} on s390x (qemu) · ")
    native = told.index(f"{MODEL} in {AGENT} on amd64 (native) · ")
    assert told.count(EMULATED) == 1
    assert emulated < told.index(EMULATED) < native
    for one in (told[emulated:native], told[native:]):
        for text in ("FRAMEWORK_TRACE operators", "SYSTEM_LIBRARY_TRACE minor-faults", "Conv "):
            assert text in one


@pytest.mark.parametrize("target", SIDES)
def test_chromes_trace(said: str, target: str) -> None:
    made = json.loads((folder(target) / "trace.chrome.json").read_text())
    trace = read_trace(folder(target) / "trace.otlp.json")
    assert sum(one["ph"] == "X" for one in made["traceEvents"]) == len(trace.spans) - 1


def test_a_level_that_is_none() -> None:
    done = zport_trace(MODEL, "--level", "kernel")
    assert done.returncode == 2
    assert "expected full or one of application" in done.stderr and "Traceback" not in done.stderr


def opened(browser: Browser, size: tuple[int, int], look: str, complaints: list[str]) -> Page:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=look  # type: ignore[arg-type]
    )  # fmt: skip
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.extend(
        [request.url] if not request.url.startswith("file:") else []
    ))  # fmt: skip
    page.goto(f"file://{folder('s390x')}/flame.html")
    page.wait_for_selector(".frame")
    return page


@pytest.mark.parametrize(
    ("size", "look"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")]
)
def test_the_page_is_whole_and_accessible(
    browser: Browser, said: str, tmp_path: Path, size: tuple[int, int], look: str
) -> None:
    """Nothing is wider than the window, axe finds no violation, and the console is empty."""
    complaints: list[str] = []
    page = opened(browser, size, look, complaints)
    page.screenshot(path=tmp_path / f"flame-{size[0]}-{look}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert EMULATED in page.locator("header").inner_text()
    assert complaints == []


def test_the_flame_graph_is_worked(browser: Browser, said: str) -> None:
    complaints: list[str] = []
    page = opened(browser, DESKTOP, "light", complaints)
    frames, details = page.locator(".frame"), page.locator("#details")
    assert frames.first.inner_text() == "run at FRAMEWORK_TRACE"
    everything = frames.count()
    width = "element => element.getBoundingClientRect().width"
    conv = page.locator(".frame", has_text="Conv").filter(has_not_text="@").first
    narrow = conv.evaluate(width)
    conv.click()
    assert conv.evaluate(width) > 1.1 * narrow
    assert "Conv · FRAMEWORK_TRACE · " in details.inner_text()
    assert frames.count() < everything
    for _ in range(3):
        page.keyboard.press("Escape")
    assert frames.count() == everything
    page.get_by_label("Find").fill("conv")
    assert page.locator(".frame.found").count() > 10
    assert "in their names" in details.inner_text()
    page.get_by_label("Find").fill("softmax")  # too narrow to be drawn, and found all the same
    assert "2 frames have “softmax” in their names" in details.inner_text()
    page.get_by_label("Find").fill("nothing of that name")
    assert page.locator(".frame.found").count() == 0
    page.locator("#run").select_option("APPLICATION_TRACE")
    assert {"load", "predict"} <= set(frames.all_inner_texts())
    assert complaints == []
