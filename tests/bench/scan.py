"""How long a scan of 300 packages takes, with a cold and with a warm cache.

``python -m tests.bench.scan``, from the project's folder; it needs the package index and, unless
``--base none``, Debian's archive. The list is the index's most downloaded packages, each pinned
and without hashes, which is the slower kind: every page of the index is read. Each scan is a
process of its own, as a user's is; cold is an empty build folder, warm the fastest of some runs
after it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zport.targets import DEFAULT

LIST = Path(__file__).resolve().parents[1] / "fixtures" / "scan" / "popular.txt"
COLD_AIM, WARM_AIM = 20.0, 3.0
"""Seconds."""
PROGRAM = """
import sys, typer
from zport.cli.scan import scan
from zport.errors import ZportError
app = typer.Typer()
app.command()(scan)
try:
    app()
except ZportError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@dataclass(frozen=True)
class Measured:
    """One scan: seconds by the clock and of the processor, and how many packages it judged."""

    cache: str
    seconds: float
    cpu: float
    packages: int
    aim: float

    @property
    def kept(self) -> bool:
        return self.seconds <= self.aim


def measure(cache: str, folder: Path, arch: str, base: str, aim: float) -> Measured:
    """Run one scan in a process of its own."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(LIST), "--no-deps", "--arch", arch, "--base", base,
         "--format", "json", "--build-folder", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 12):
        raise SystemExit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    packages = len(json.loads(done.stdout)["packages"])
    return Measured(cache, round(seconds, 2), round(cpu, 2), packages, aim)


def main(
    arch: Annotated[str, typer.Option(help="Target.")] = DEFAULT.name,
    base: Annotated[str, typer.Option(help="trixie, or none.")] = "trixie",
    runs: Annotated[int, typer.Option(min=1, help="Warm runs.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Measure a cold scan and warm ones; fails if one takes longer than the aim."""
    with TemporaryDirectory() as name:
        cold = measure("cold", Path(name), arch, base, COLD_AIM)
        warm = [measure("warm", Path(name), arch, base, WARM_AIM) for _ in range(runs)]
        kept = sum(path.stat().st_size for path in Path(name, "cache").rglob("*") if path.is_file())
    measured = [cold, min(warm, key=lambda one: one.seconds)]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in measured]))
    else:
        table = Table(title=f"Scan for {arch}, seconds (load {os.getloadavg()[0]:.1f})")
        for column in ("cache", "seconds", "aim", "processor", "packages"):
            table.add_column(column)
        for one in measured:
            table.add_row(
                one.cache, str(one.seconds), str(one.aim), str(one.cpu), str(one.packages)
            )
        Console().print(table)
        typer.echo(f"sources fetched to be read: {kept / 1e6:.1f} MB; wheels: none")
    if not all(one.kept for one in measured):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
