"""The matrix as a pytest run: ``pytest -p zport.matrix.plugin models/``, or ``zport matrix``.

Every manifest is a file of items, one for each agent, target and runner that can run the model; an
item waits for its cell and fails with the verdict's explanation. Cells run in the process that
began, many in one container, in their own order; workers of xdist only wait, too.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from zport.cli.options import make_request
from zport.errors import ZportError
from zport.job import Job
from zport.matrix.session import MatrixSession, PlannedCell, await_answer, planned_cells
from zport.report.table import print_verdicts, summary_line
from zport.targets import DEFAULT
from zport.workspace import PROJECT

MANIFEST = "manifest.yml"
MARKS = ("model", "agent", "target", "runner", "framework", "task")
FOLDER = pytest.StashKey[Path]()
SESSION = pytest.StashKey[MatrixSession]()
WORKER_FOLDER = "zport_folder"


class HandedOver:
    """A plugin that carries a session that is planned already."""

    def __init__(self, session: MatrixSession) -> None:
        self.session = session


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flags of ``zport matrix``, for a pytest that is called without it."""
    group = parser.getgroup("zport", "the matrix of models, agents, targets and runners")
    group.addoption("--zport-arch", metavar="LIST", default=DEFAULT.name, help="targets")
    group.addoption("--zport-agent", metavar="LIST", default="onnxruntime", help="agents, or all")
    group.addoption("--zport-engine", metavar="NAME", default="auto", help="buildah or docker")
    group.addoption("--zport-runner", metavar="NAME", action="append", default=[],
                    help="native, qemu or ssh://[USER@]HOST[:PORT]; may be repeated")  # fmt: skip
    group.addoption("--zport-no-bench", action="store_true", help="the answers only, no LoadGen")
    group.addoption("--zport-build-folder", metavar="DIR", type=Path, default=PROJECT / "build")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    for mark in MARKS:
        config.addinivalue_line("markers", f"{mark}(name): the cell's {mark}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Plan, or take the plan over."""
    config = session.config
    if (workerinput := getattr(config, "workerinput", None)) is not None:
        config.stash[FOLDER] = Path(workerinput[WORKER_FOLDER])
        return
    handed = next(
        (p for p in config.pluginmanager.get_plugins() if isinstance(p, HandedOver)), None
    )
    try:
        matrix = handed.session if handed else MatrixSession(_job(config))
    except ZportError as error:
        pytest.exit(str(error), returncode=error.exit_code)
    config.stash[SESSION] = matrix
    config.stash[FOLDER] = matrix.folder


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the plan is."""
    node.workerinput[WORKER_FOLDER] = str(node.config.stash[FOLDER])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A manifest is a file of cells."""
    if file_path.name != MANIFEST:
        return None
    manifest: ManifestFile = ManifestFile.from_parent(parent, path=file_path)
    return manifest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The reference's first: the others are compared with them."""
    items.sort(key=lambda item: not (isinstance(item, CellItem) and item.cell.reference))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without xdist the items that are left are the ones to run."""
    config = session.config
    if SESSION in config.stash and not config.option.collectonly and not _distributed(config):
        titles = [item.cell.title for item in session.items if isinstance(item, CellItem)]
        if titles:
            config.stash[SESSION].start(titles)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """With xdist every worker tells what it has collected, which is the same in all."""
    matrix = node.config.stash[SESSION]
    if not matrix.started:
        titles = {_node_id(cell, node.config): cell.title for cell in planned_cells(matrix.folder)}
        matrix.start([titles[one] for one in ids if one in titles])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what still runs, and write the results file."""
    if SESSION in session.config.stash:
        session.config.stash[SESSION].finish()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The table of verdicts."""
    matrix = config.stash.get(SESSION, None)
    if matrix and matrix.results:
        console = Console(file=io.StringIO(), width=120)
        print_verdicts(console, matrix.results)
        assert isinstance(console.file, io.StringIO)
        terminalreporter.section("matrix")
        terminalreporter.write(console.file.getvalue())
        terminalreporter.write_line(f"{summary_line(matrix.results)} · results {matrix.written}")


class ManifestFile(pytest.File):
    """A model's manifest."""

    def collect(self) -> Iterator[CellItem]:
        """Its cells, as planned."""
        for cell in planned_cells(self.config.stash[FOLDER]):
            if Path(cell.manifest) == self.path:
                item: CellItem = CellItem.from_parent(self, name=cell.name, cell=cell)
                yield item


class CellItem(pytest.Item):
    """One cell. ``-m "target(name='s390x')"`` and ``-k`` find it by any of its marks."""

    def __init__(self, *, cell: PlannedCell, **rest: Any) -> None:
        super().__init__(**rest)
        self.cell = cell
        for field in fields(cell):
            if field.name in MARKS:
                value = getattr(cell, field.name)
                self.add_marker(getattr(pytest.mark, field.name)(value, name=value))
                self.extra_keyword_matches.add(value)

    def runtest(self) -> None:
        """Wait for the cell's verdict."""
        record = await_answer(self.config.stash[FOLDER], self.cell.title)
        for key in ("verdict", "largest_absolute", "largest_relative", "seconds", "log"):
            self.user_properties.append((key, record.get(key)))
        if record["verdict"] != "pass":
            raise CellFailed(f"{record['verdict']}: {record['reason']}\nlog: {record['log']}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The explanation alone: a traceback through this file would tell nobody anything."""
        if isinstance(excinfo.value, (CellFailed, ZportError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.path, None, f"{self.cell.model} {self.name}"


class CellFailed(Exception):  # noqa: N818 - it is a verdict
    """A cell's verdict is not that it passed."""


def _job(config: pytest.Config) -> Job:
    """The request that the flags and the named manifests make."""
    option = config.option
    paths = [Path(argument.partition("::")[0]) for argument in config.args]
    models = [manifest.parent.name for path in paths for manifest in _manifests(path)]
    return Job(make_request(
        option.zport_arch, option.zport_agent, option.zport_engine, option.zport_build_folder,
        models=list(dict.fromkeys(models)), runners=option.zport_runner,
        measured=not option.zport_no_bench,
    ))  # fmt: skip


def _manifests(path: Path) -> list[Path]:
    return sorted(path.glob(f"**/{MANIFEST}")) if path.is_dir() else [path]


def _distributed(config: pytest.Config) -> bool:
    """Whether xdist collects in workers, and not here."""
    return bool(getattr(config.option, "tx", None))


def _node_id(cell: PlannedCell, config: pytest.Config) -> str:
    return f"{Path(cell.manifest).relative_to(config.rootpath).as_posix()}::{cell.name}"
