"""The page: its data, that no text of it is markup, and what its makers refuse."""

from __future__ import annotations

import hashlib
import json
import math
import re
from base64 import b64decode, b64encode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_up_results import HOSTILE, cells, write_run
from typer.testing import CliRunner

from zport.cli import app
from zport.errors import ResultsError, UsageError
from zport.report.page import packages as packages_of_page
from zport.report.page import page_path, write_page
from zport.report.page.data import gather
from zport.report.page.logs import LINES, LogTails, last_lines
from zport.report.page.render import ASSETS, render, script_json
from zport.results import circumstances, open_results
from zport.workspace import Workspace, write_whole


class Elements(HTMLParser):
    """The elements of a page, and the text in those that hold scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.texts.append("")
        self.inside = True

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.texts[-1] += data

    def text(self, tag: str, **attributes: str) -> str:
        (index,) = [
            i for i, (name, given) in enumerate(self.found)
            if name == tag and given.items() >= attributes.items()
        ]  # fmt: skip
        return self.texts[index]


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    write_run(workspace, 1, 60)
    write_run(workspace, 2, 60)
    return workspace


@pytest.fixture
def page(filled: Workspace) -> Elements:
    return Elements(write_page(filled).read_text())


def table(data: dict, name: str) -> list[dict]:
    return [dict(zip(data[name]["columns"], row, strict=True)) for row in data[name]["rows"]]


def test_the_page_is_one_file_that_asks_nobody(page: Elements) -> None:
    for tag, attributes in page.found:
        assert tag not in ("link", "img", "iframe", "object")
        assert not {"src", "onclick", "onload", "style"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    (policy,) = [a["content"] for _, a in page.found if "http-equiv" in a]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_policy_has_the_hash_of_every_script_and_style(page: Elements) -> None:
    (policy,) = [a["content"] for _, a in page.found if "http-equiv" in a]
    texts = [page.text("style"), page.text("script", type="importmap"),
             page.text("script", type="module")]  # fmt: skip
    for text in texts:
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_every_module_is_inside_as_it_is(page: Elements) -> None:
    modules = json.loads(page.text("script", type="importmap"))["imports"]
    assert modules.keys() == {f"page/{path.name}" for path in ASSETS.glob("*.js")}
    for path in ASSETS.glob("*.js"):
        assert b64decode(modules[f"page/{path.name}"].partition(",")[2]) == path.read_bytes()
        for imported in re.findall(r'from "([^"]+)"', path.read_text()):
            assert imported in modules


def test_no_name_becomes_an_element(filled: Workspace) -> None:
    text = write_page(filled).read_text()
    assert HOSTILE not in text
    data = json.loads(Elements(text).text("script", id="data"))
    assert any(HOSTILE in cell["model"] for cell in table(data, "cells"))


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "\u2028", "&lt;", '"\\', "\ud800"])
def test_no_text_ends_the_script_that_it_is_in(text: str) -> None:
    written = script_json({"name": text})
    assert not set("<>&") & set(written)
    assert written.isascii()
    assert json.loads(written) == {"name": text}


def test_numbers_that_json_does_not_have_are_words() -> None:
    written = script_json([math.nan, math.inf, -math.inf, {"a": [math.nan]}])
    assert json.loads(written) == ["NaN", "Infinity", "-Infinity", {"a": ["NaN"]}]


def test_the_newest_result_of_each_cell_is_shown_with_what_was_before(filled: Workspace) -> None:
    data = gather(filled, "latest", None)
    shown = table(data, "cells")
    assert {cell["run"] for cell in shown} == {2}
    assert {cell["before"]["run"] for cell in shown} == {1}
    assert all([one[0] for one in cell["history"]] == [2, 1] for cell in shown)
    verdicts = {(cell["change"], cell["before"]["verdict"] == cell["verdict"]) for cell in shown}
    assert verdicts >= {("same", True), ("worse", False), ("numbers", True)}


def test_a_run_is_compared_with_the_one_that_is_named(filled: Workspace) -> None:
    with open_results(filled) as store:
        third = store.begin_run(circumstances(host="amd64", engine="x", emulators={}))
        store.add_cells(third, cells(20, seed=1))
    data = gather(filled, str(third), "run-1")
    assert {cell["change"] for cell in table(data, "cells")} == {"same"}
    assert len(data["gone"]["rows"]) == 40
    first = gather(filled, "1", None)
    assert {cell["change"] for cell in table(first, "cells")} == {"new"}


def test_what_many_share_is_in_the_page_once(filled: Workspace) -> None:
    data = gather(filled, "latest", None)
    settings = {bench["settings"] for bench in table(data, "benches")}
    assert len(settings) == 1
    assert data["shared"]["values"][settings.pop()]["setting_7"] == 7


def test_the_log_of_what_failed_is_shown_without_colours(filled: Workspace) -> None:
    shown = table(gather(filled, "latest", None), "cells")
    for cell in shown:
        if cell["verdict"] == "pass":
            assert cell["log_tail"] is None
        else:
            lines = cell["log_tail"].splitlines()
            assert len(lines) == LINES
            assert lines[-1] == f"line 99 of {HOSTILE}"


def test_no_file_outside_of_the_build_folder_gets_into_the_page(tmp_path: Path) -> None:
    """The path comes from a run file, and the page is passed on."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    tails = LogTails(folder)
    for path in (secret, folder / "link", folder / ".." / "secret", "/etc/hostname"):
        assert tails.read(str(path)) == "(the log is outside of the build folder)"


def test_a_log_that_is_gone_or_too_much_says_so(tmp_path: Path, monkeypatch) -> None:
    tails = LogTails(tmp_path)
    assert tails.read(None) is None
    assert "No such file" in (tails.read(str(tmp_path / "gone")) or "")
    monkeypatch.setattr("zport.report.page.logs.BUDGET", 3)
    tails = LogTails(tmp_path)
    log = str(write_whole(tmp_path / "log.txt", "four\n"))
    assert tails.read(log) == "four"
    assert tails.read(log) == "(left out: the page has as many logs as it can hold)"


def test_a_line_of_a_log_that_is_cut_is_left_out() -> None:
    assert last_lines(b"half a line\nwhole\r\n", cut=True) == "whole"
    assert last_lines(b"\x1b[1mbold\x1b[0m\x07 \xff", cut=False) == "bold \ufffd"


def test_packages_are_those_with_a_recipe() -> None:
    found, problems = packages_of_page.packages(Workspace(Path("/nowhere")))
    assert problems == []
    assert {one["package"] for one in found} >= {"numpy", "pandas"}
    pandas = next(one for one in found if one["package"] == "pandas")
    assert pandas["suite"]["targets"]["s390x"]["passed"] > 5000
    assert all(one["cause"] for one in pandas["suite"]["differences"])


@pytest.mark.parametrize("content", ["{", "[]", '{"package": "numpy"}'])
def test_a_broken_suite_record_is_told(tmp_path: Path, monkeypatch, content: str) -> None:
    (tmp_path / "numpy.json").write_text(content)
    monkeypatch.setattr(packages_of_page, "KNOWN", tmp_path)
    found, problems = packages_of_page.packages(Workspace(tmp_path))
    assert "numpy" not in {one["package"] for one in found}
    (problem,) = problems
    assert "numpy.json" in problem


def test_a_page_without_runs_is_a_page(workspace: Workspace) -> None:
    data = json.loads(Elements(write_page(workspace).read_text()).text("script", id="data"))
    assert data["cells"] == {"columns": [], "rows": []}


def test_broken_run_files_are_told_on_the_page(filled: Workspace) -> None:
    (filled.results / "run-9.json").write_text("{")
    data = gather(filled, "latest", None)
    assert [p for p in data["problems"] if "run-9.json" in p]
    assert "run-9.json" in render(data)


def report(workspace: Workspace, *arguments: str):
    return CliRunner().invoke(app, ["report", "--build-folder", str(workspace.root), *arguments])


def test_the_command_writes_the_page(filled: Workspace, tmp_path: Path) -> None:
    done = report(filled)
    assert done.exit_code == 0, done.output
    assert str(page_path(filled)) in done.output
    other = tmp_path / "elsewhere" / "page.html"
    assert report(filled, "--out", str(other), "--run", "1").exit_code == 0
    assert other.stat().st_size > 10_000


def test_the_command_tells_what_it_left_out(filled: Workspace) -> None:
    (filled.results / "run-9.json").write_text("{")
    done = report(filled)
    assert done.exit_code == 0
    assert "left out" in done.output
    assert "run-9.json" in done.output


def test_the_command_refuses_what_is_not_there(filled: Workspace, tmp_path: Path) -> None:
    for arguments in (("--run", "77"), ("--against", "newest")):
        error = report(filled, *arguments).exception
        assert isinstance(error, ResultsError)
        assert error.exit_code == 13
        assert not page_path(filled).exists()
    assert isinstance(report(Workspace(tmp_path / "nothing")).exception, UsageError)
