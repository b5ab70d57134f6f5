"""The page in a real Chromium: what a reader sees, clicks, types, prints and downloads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from made_up_results import HOSTILE, write_run
from playwright.sync_api import Browser, Locator, Page

from zport.report.page import write_page
from zport.results import open_results
from zport.workspace import Workspace, write_json

FRAGMENTS = ("#verdict=differs", "#view=changes", "#view=packages", "#view=images",
             "#view=benchmarks&kind=emulated")  # fmt: skip
DESKTOP, PHONE = (1280, 860), (390, 844)
LOOKS = [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")]
MANY = 10_000
PATIENCE = 120_000
"""Milliseconds: a machine that compiles beside the test is slow."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with two runs of 400 cells, and a sweep."""
    workspace = Workspace(tmp_path_factory.mktemp("report"))
    write_run(workspace, 1, 400)
    write_run(workspace, 2, 400)
    with open_results(workspace) as store:
        for threads in (1, 2, 4):
            store.add_bench(2, {
                "model": "swept", "agent": "onnxruntime", "target": "s390x", "runner": "ssh://z16",
                "emulated": False, "scenario": "Offline", "valid": True, "threads": threads,
                "metric": {"name": "result", "unit": "samples/s", "value": 100.0 * threads},
            })  # fmt: skip
    return write_page(workspace)


@pytest.fixture(scope="module")
def small_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every part, and as little of each as axe, which is slow, can do with."""
    workspace = Workspace(tmp_path_factory.mktemp("small"))
    for number in (1, 2):
        write_run(workspace, number, 60)
    write_json(workspace.root / "builds" / "base-s390x.json", {"key": "k", "seconds": 9.3})
    return write_page(workspace)


@pytest.fixture(scope="module")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with as many cells as it has to stand."""
    workspace = Workspace(tmp_path_factory.mktemp("large"))
    write_run(workspace, 1, MANY)
    return write_page(workspace)


class Opened:
    """A page that was opened, with all that it complained about and asked for."""

    def __init__(self, browser: Browser, size: tuple[int, int] = DESKTOP, look: str = "light"):
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=look, accept_downloads=True
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: Path, fragment: str = "") -> Page:
        # An address that differs after # alone would not load the file again.
        self.page.goto("about:blank")
        self.page.goto(f"file://{path}{fragment}")
        self.page.wait_for_selector(".view")
        return self.page

    def close(self) -> None:
        self.context.close()
        assert self.said == []
        local = ("file:", "data:", "about:", "blob:")
        assert [url for url in self.asked if not url.startswith(local)] == []


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """A page on a desktop; at the end nothing was complained about."""
    one = Opened(browser)
    yield one
    one.close()


def cells(page: Page) -> Locator:
    return page.locator("button.cell:not(.dim)")


def details(page: Page) -> Locator:
    return page.locator("dialog[open]")


@pytest.mark.parametrize(("size", "look"), LOOKS)
def test_every_view_is_whole_and_accessible(
    browser: Browser, small_report: Path, tmp_path: Path, size: tuple[int, int], look: str
) -> None:
    """Nothing is wider than the window, axe finds no violation, and the console is empty."""
    opened = Opened(browser, size, look)
    axe = Axe()
    for fragment in FRAGMENTS:
        page = opened.open(small_report, fragment)
        page.screenshot(path=tmp_path / f"{fragment.strip('#')}-{size[0]}-{look}.png")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, fragment
        found = axe.run(page)
        assert found.violations_count == 0, f"{fragment}: {found.generate_report()}"
    opened.close()


@pytest.mark.parametrize(("size", "look"), LOOKS)
def test_details_are_whole_and_accessible(
    browser: Browser, small_report: Path, size: tuple[int, int], look: str
) -> None:
    opened = Opened(browser, size, look)
    page = opened.open(small_report, "#verdict=differs")
    cells(page).first.click()
    assert "QLinearConv" in details(page).inner_text()
    assert page.evaluate("document.querySelector('dialog').scrollWidth - innerWidth") <= 0
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    opened.close()


def test_no_name_and_no_log_is_taken_for_markup(opened: Opened, report: Path) -> None:
    page = opened.open(report, "#verdict=differs,crash,timeout")
    assert page.title() == "zport report"
    assert page.locator("script").count() == 3
    page.locator(f"tr:has-text({json.dumps(HOSTILE)}) button.cell:not(.dim)").first.click()
    assert HOSTILE in details(page).locator("h2").inner_text()
    assert f"line 99 of {HOSTILE}" in details(page).locator("pre").inner_text()
    assert page.title() == "zport report"


def test_filters_show_what_they_say(opened: Opened, report: Path) -> None:
    page = opened.open(report)
    assert "400 cells of 20 models" in page.locator(".count").inner_text()
    page.locator(".chip[data-verdict=differs]").click()
    shown = cells(page)
    differing = shown.count()
    assert 0 < differing < 100
    assert set(shown.evaluate_all("all => all.map(e => e.dataset.verdict)")) == {"differs"}
    assert page.locator(".chip[data-verdict=differs]").get_attribute("aria-pressed") == "true"
    page.get_by_label("Target").select_option("s390x")
    assert 0 < cells(page).count() < differing
    assert all(
        "|s390x|" in one for one in cells(page).evaluate_all("a => a.map(e => e.dataset.cell)")
    )
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Search").fill("bert-1")
    assert page.locator("tbody th").all_inner_texts()[0].startswith("bert-1")
    page.get_by_label("Search").fill("no such model")
    assert "No cell fits" in page.locator(".empty").inner_text()


def test_a_link_shows_the_same_again(opened: Opened, report: Path) -> None:
    page = opened.open(report)
    page.locator(".chip[data-verdict=differs]").click()
    page.get_by_label("Order").select_option("error")
    cells(page).nth(2).click()
    before = details(page).inner_text()
    fragment = page.evaluate("location.hash")
    page = opened.open(report, fragment)
    assert details(page).inner_text() == before
    assert page.get_by_label("Order").input_value() == "error"
    assert set(cells(page).evaluate_all("a => a.map(e => e.dataset.verdict)")) == {"differs"}


def test_back_closes_what_was_opened(opened: Opened, report: Path) -> None:
    page = opened.open(report)
    page.get_by_role("link", name="Packages").click()
    page.get_by_role("button", name="pandas").click()
    assert "c_high" in details(page).inner_text()
    page.go_back()
    assert details(page).count() == 0
    page.go_back()
    assert page.locator("table.matrix").count() == 1


def test_the_matrix_is_worked_by_keyboard_alone(opened: Opened, report: Path) -> None:
    page = opened.open(report)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.locator("button.cell[tabindex='0']").focus()
    first = page.evaluate("document.activeElement.dataset.cell")
    for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.dataset.cell") == first
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    assert details(page).count() == 1
    title = details(page).locator("h2").inner_text()
    page.get_by_role("button", name="← before").focus()
    for _ in range(20):
        page.keyboard.press("Enter")
    assert details(page).locator("h2").inner_text() != title
    page.keyboard.press("Escape")
    assert details(page).count() == 0
    assert page.evaluate("location.hash") == ""
    assert page.evaluate("document.activeElement.className").startswith("cell")
    assert page.locator("button.cell[tabindex='0']").count() == 1


def test_more_rows_come_when_the_keys_reach_the_end(opened: Opened, large_report: Path) -> None:
    page = opened.open(large_report)
    rows = page.locator("tbody tr").count()
    assert rows < MANY / 20
    page.keyboard.press("/")
    page.locator("tbody tr").last.locator("button").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("tbody tr").count() > rows


def test_changes_lead_to_their_cells(opened: Opened, report: Path) -> None:
    page = opened.open(report, "#view=changes")
    assert "own result before" in page.locator("h2").first.inner_text()
    page.locator("section:has-text('Worse') button.link").first.click()
    text = details(page).inner_text()
    assert "before: pass" in text
    assert "run 1" in text


def download(page: Page, name: str) -> str:
    page.locator(".menu summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    page.keyboard.press("Escape")
    page.locator(".menu summary").click()
    return Path(waiting.value.path()).read_text(encoding="utf-8-sig")


def test_downloads_hold_the_whole_data(opened: Opened, report: Path) -> None:
    page = opened.open(report, "#verdict=differs")
    data = json.loads(download(page, "zport-report.json"))
    assert len(data["cells"]) == 400
    assert data["cells"][0]["tolerance"]["absolute"] == 1e-5
    assert data["benches"][0]["settings"]["setting_7"] == 7
    assert [run["id"] for run in data["runs"]] == [2, 1]
    lines = download(page, "zport-cells.csv").splitlines()
    rows = list(csv.DictReader(lines))
    assert len(rows) == 400
    assert [row["model"] for row in rows] == [cell["model"] for cell in data["cells"]]
    assert {row["verdict"] for row in rows} == {cell["verdict"] for cell in data["cells"]}
    assert json.loads(rows[0]["tolerance"])["relative"] == 1e-4
    benches = list(csv.DictReader(download(page, "zport-benchmarks.csv").splitlines()))
    assert len(benches) == len(data["benches"])
    packages = {
        row["package"]: row
        for row in csv.DictReader(download(page, "zport-packages.csv").splitlines())
    }
    assert int(packages["pandas"]["s390x_passed"]) > 5000


def test_a_text_that_looks_like_a_formula_is_none_in_the_csv(opened: Opened, report: Path) -> None:
    page = opened.open(report)
    made = page.evaluate(
        """async () => (await import("page/downloads.js")).asCsv(
            [{a: "=1+1", b: -1.5, c: 'say "hi", you', d: null, e: "two\\nlines"}])"""
    )
    assert made == '\ufeffa,b,c,d,e\r\n\'=1+1,-1.5,"say ""hi"", you",,"two\nlines"\r\n'


def test_emulated_results_never_stand_beside_real_ones(opened: Opened, report: Path) -> None:
    page = opened.open(report, "#view=benchmarks")
    runners = {}
    for kind in ("real", "emulated"):
        page.get_by_label("Measured").select_option(kind)
        labels = page.locator("path[role=button]").evaluate_all("a => a.map(e => e.ariaLabel)")
        runners[kind] = {"qemu" in label for label in labels}
        assert len(labels) > 10
    assert runners == {"real": {False}, "emulated": {True}}
    assert "say nothing about a real machine" in page.locator(".drawing").inner_text()


def test_any_key_is_an_axis(opened: Opened, report: Path) -> None:
    page = opened.open(report, "#view=benchmarks&model=swept")
    names = page.get_by_label("Across").locator("option").evaluate_all("a => a.map(e => e.value)")
    assert {"model", "threads", "batch", "cpu_level", "image_mb", "latency_90.00", "largest_error",
            "setting_7", "percentile", "info.threads"} <= set(names)  # fmt: skip
    page.get_by_label("Across").select_option("threads")
    page.get_by_label("Up").select_option("throughput")
    points = page.locator("path[role=button]")
    assert points.count() == 3
    points.first.focus()
    page.keyboard.press("ArrowRight")
    assert "throughput, samples/s 200, threads 2" in page.evaluate(
        "document.activeElement.ariaLabel"
    )
    page.keyboard.press("Enter")
    assert "swept" in details(page).inner_text()
    assert "200 samples/s" in details(page).inner_text()


def test_the_pareto_front_is_what_nothing_beats(opened: Opened, report: Path) -> None:
    """Against every pair, by the definition: of each model and scenario, valid results alone."""
    page = opened.open(report)
    points = page.evaluate(
        """async () => {
          const { load } = await import("page/data.js");
          const { flatten } = await import("page/axes.js");
          const { fronts } = await import("page/pareto.js");
          const { points, keys } = flatten(load());
          const key = (name) => keys.find((one) => one.name === name);
          const kept = new Set(fronts(points, key("latency_90.00"), key("image_mb")).flat());
          return points.filter((p) => "latency_90.00" in p.values).map((p) => ({
            group: JSON.stringify([p.bench.model, p.bench.scenario, p.bench.emulated]),
            valid: p.bench.valid, x: p.values["latency_90.00"], y: p.values.image_mb,
            kept: kept.has(p),
          }));
        }"""
    )
    assert len({point["group"] for point in points if point["kept"]}) > 10
    for point in points:
        beaten = any(
            other["group"] == point["group"] and other["valid"]
            and other["x"] <= point["x"] and other["y"] <= point["y"]
            and (other["x"], other["y"]) != (point["x"], point["y"])
            for other in points
        )  # fmt: skip
        assert point["kept"] == (point["valid"] and not beaten)


def test_the_theme_is_the_readers(opened: Opened, report: Path) -> None:
    page = opened.open(report)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(ground) != light
    page = opened.open(report)
    assert page.get_by_role("button", name="Theme: dark").count() == 1


def test_paper_has_every_row(opened: Opened, large_report: Path) -> None:
    page = opened.open(large_report)
    shown = page.locator("tbody tr").count()
    assert len(page.pdf()) > 100_000
    assert page.locator("tbody tr").count() == MANY / 20 > shown


def test_ten_thousand_cells_stay_quick(opened: Opened, large_report: Path) -> None:
    """In seconds of the page's own thread, which other work on the machine does not lengthen."""
    page = opened.page
    clock = opened.context.new_cdp_session(page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = clock.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "TaskDuration")

    opened.open(large_report)
    loaded = spent()
    page.get_by_label("Search").press_sequentially("whisper-6")
    typed = spent() - loaded
    assert "60 cells of 3 models" in page.locator(".count").inner_text()
    page.get_by_role("link", name="Benchmarks").click()
    page.wait_for_selector("svg.plot")
    drawn = spent() - loaded - typed
    print(f"loaded {loaded:.2f} s, nine letters {typed:.2f} s, benchmarks {drawn:.2f} s")
    assert loaded < 3
    assert typed < 4
    assert drawn < 3
