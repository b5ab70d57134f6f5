"""What the user sees while work goes on, and the log file of each piece of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from zport.steps.step import Step
from zport.workspace import Workspace

TAIL = 2000
"""So many bytes of a log are read to find its last line."""


@dataclass
class _Running:
    text: str
    expected: float | None
    log: Path
    started: float = field(default_factory=time.monotonic)

    def lines(self) -> RenderableType:
        """What runs and for how long, and below it what its log says last."""
        elapsed = time.monotonic() - self.started
        told = f" of about {self.expected:.0f}" if self.expected else ""
        head = Spinner("dots", Text(f" {self.text}  {elapsed:.0f}{told} s", style="dim"))
        phase = Text(f"    {last_line(self.log)}", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(head, phase) if phase.plain.strip() else head


def last_line(log: Path) -> str:
    """The last line of a log that has something in it; nothing where there is no log yet."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Progress:
    """Prints one line for each finished piece of work, and a live one for each that runs."""

    def __init__(self, console: Console, workspace: Workspace, run: str) -> None:
        self.console = console
        self.folder = workspace.logs / run
        self._running: dict[str, _Running] = {}
        self._guard = threading.Lock()
        self._live: Live | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show running work while the block lasts; on a plain stream only finished lines show."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, get_renderable=self._render, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def log(self, name: str) -> Path:
        """The log file of a named piece of work in this run."""
        return self.folder / f"{name}.log"

    @contextmanager
    def step(self, step: Step, expected: float | None = None) -> Iterator[None]:
        """A build step: a line with its time when it ends."""
        label = f"{step.role:<9} {step.summary}"
        with self.work(step.name, label, expected):
            yield

    @contextmanager
    def work(self, name: str, label: str, expected: float | None = None) -> Iterator[None]:
        """Any piece of work: a line with its time when it ends, well or not."""
        running = _Running(label, expected, self.log(name))
        with self._guard:
            self._running[name] = running
        mark, style = "failed", "red"
        try:
            yield
            mark, style = "done", "green"
        finally:
            with self._guard:
                del self._running[name]
            elapsed = time.monotonic() - running.started
            line = Text(f"{label:<62}")
            line.append(f"{mark:>7}", style)
            line.append(f"{elapsed:>8.1f} s")
            self.console.print(line)

    def _render(self) -> RenderableType:
        with self._guard:
            return Group(*(running.lines() for running in self._running.values()))
