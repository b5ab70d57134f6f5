"""How many real defects the audit finds, how many of its findings are right, and how fast it is.

``python -m tests.bench.audit recall|precision|speed``, from the project's folder. Sources come from
the package index by the hashes in ``tests/corpus/`` and stay in the build folder's cache. The
baseline is one grep: a line that has any of a few patterns is a finding.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from zport.audit.auditor import audit
from zport.audit.files import File, archive_files, folder_files
from zport.audit.inputs import Input
from zport.audit.languages import language_of
from zport.audit.model import Finding
from zport.fetch import Fetcher
from zport.pypi import Index, IndexFile
from zport.workspace import PROJECT, Workspace

CORPUS = PROJECT / "tests" / "corpus"
SPLITS = ("dev", "held out")
RECALL_AIM, PRECISION_AIM, SPEED_AIM = 0.8, 0.6, 100_000
PATTERNS = (
    r"struct\.(un)?pack", r"frombuffer|fromfile|fromstring", r"\.to(bytes|file|string)\(",
    r"\.view\(", r"byteswap", r"byteorder", r"array\.array\(",
    r"\*\s*\(\s*(const\s+)?u?int(16|32|64)(_t)?\s*\*\s*\)", r"reinterpret_cast<", r"\bunion\b",
    r"\bmemcpy\s*\(\s*&", r"\bf(read|write)\s*\(", r"ENDIAN", r"\bbswap", r"#\s*error",
    r"<\w*intrin\.h>", r"getblock", r":\s*\d+;",
)  # fmt: skip
"""What one would grep for."""
GREP = re.compile("|".join(PATTERNS).encode())

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
Folder = Annotated[Path, typer.Option("--build-folder", help="Where fetched sources stay.")]


def corpus(name: str) -> dict[str, Any]:
    """One file of the corpus."""
    return tomllib.loads((CORPUS / name).read_text())


@cache
def archive(folder: Path, package: str, version: str, filename: str, sha256: str) -> Path:
    """The source of a version, fetched by its hash."""
    fetcher = Fetcher(Workspace(folder.absolute()), Index())
    return fetcher.file(IndexFile(package, version, filename, sha256))


def findings(path: Path, file: str) -> tuple[Finding, ...]:
    """What the audit finds in one file of an archive, at the default severity.

    The whole source decides about some rules, so the other files of its language come along.
    """
    return tuple(one for one in whole(path) if one.path == file)


@cache
def whole(path: Path) -> tuple[Finding, ...]:
    return audit(Input(path.name, partial(archive_files, path, path.name))).findings


@cache
def grepped(path: Path) -> dict[str, dict[int, str]]:
    """The lines that the baseline finds, by file."""
    found: dict[str, dict[int, str]] = {}
    for file in archive_files(path, path.name):
        lines = (file.data or b"").splitlines()
        found[file.path] = {
            number: line.decode("utf-8", "replace").strip()
            for number, line in enumerate(lines, 1)
            if GREP.search(line)
        }
    return found


@app.command()
def recall(build_folder: Folder = PROJECT / "build") -> None:
    """Whether the line of each known defect is found in the version that has it, and gone after."""
    counts: Counter[tuple[str, str]] = Counter()
    table = Table("package", "split", "class", "line", "audit", "grep", title="Known defects")
    for pair in corpus("pairs.toml")["pair"]:
        before = archive(build_folder, pair["package"], **pair["before"])
        after = archive(build_folder, pair["package"], **pair["after"])
        moved = pair.get("moved_to", pair["file"])
        ours, gone = found_and_gone(pair, before, after, moved)
        lines = grepped(before).get(pair["file"], {})
        later = set(grepped(after).get(moved, {}).values())
        theirs = pair["line"] in lines
        counts[pair["split"], "all"] += 1
        counts[pair["split"], "audit"] += ours and gone
        counts[pair["split"], "grep"] += theirs and pair["code"] not in later
        word = "found, gone" if ours and gone else "found, still there" if ours else "not found"
        table.add_row(
            f"{pair['package']} {pair['before']['version']}", pair["split"], pair["class"],
            f"{pair['file']}:{pair['line']}", word, "found" if theirs else "not found",
        )  # fmt: skip
    Console(width=150).print(table)
    for who in ("audit", "grep"):
        hits = {split: counts[split, who] for split in SPLITS}
        total = sum(hits.values()) / sum(counts[split, "all"] for split in SPLITS)
        parts = [f"{split} {hits[split]} of {counts[split, 'all']}" for split in SPLITS]
        typer.echo(f"recall of {who}: {total:.2f} ({', '.join(parts)})")


def found_and_gone(
    pair: dict[str, Any], before: Path, after: Path, moved: str
) -> tuple[bool, bool]:
    """Whether the line has a finding, and the mended file none of that rule and code."""
    hits = [one for one in findings(before, pair["file"]) if one.line == pair["line"]]
    later = {(one.rule, one.snippet) for one in findings(after, moved)}
    return bool(hits), not any((one.rule, one.snippet) in later for one in hits)


@app.command()
def precision() -> None:
    """How many of the findings that were judged by hand are right."""
    judged = corpus("judged.toml")["finding"]
    columns = ("split", "findings", "judged", "right", "precision", "packages")
    table = Table(*columns, title="Judged findings")
    for split in (*SPLITS, None):
        for when in ("at first sight", "still reported"):
            some = [
                one
                for one in judged
                if split in (None, one["split"]) and (one["reported"] or when == "at first sight")
            ]
            right = sum(one["right"] for one in some)
            packages = len({one["package"] for one in some})
            share = f"{right / max(len(some), 1):.2f}"
            table.add_row(split or "all", when, str(len(some)), str(right), share, str(packages))
    Console().print(table)
    rules: dict[str, list[bool]] = {}
    for one in judged:
        if one["reported"]:
            rules.setdefault(one["rule"], []).append(one["right"])
    for name, answers in sorted(rules.items()):
        typer.echo(f"{name}: {sum(answers)} of {len(answers)}")


@app.command()
def speed(
    source: Annotated[Path, typer.Argument(help="A folder or an archive with sources.")],
    runs: Annotated[int, typer.Option(min=1, help="The fastest of some runs counts.")] = 3,
) -> None:
    """Lines a second, beside ripgrep with as many patterns on the same files."""
    with TemporaryDirectory() as name:
        root = Path(name)
        lines = unpacked(source, root)
        ours = min(measured([sys.executable, "-c", PROGRAM, str(root)]) for _ in range(runs))
        command = ["rg", "--count-matches", "--no-ignore", "--threads", str(os.cpu_count())]
        for pattern in PATTERNS:
            command += ["-e", pattern]
        theirs = min(measured([*command, str(root)]) for _ in range(runs))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    typer.echo(f"{lines} lines, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for who, (seconds, cpu) in (("audit", ours), ("ripgrep", theirs)):
        rates = f"{lines / seconds:.0f} lines/s, {lines / cpu:.0f} a processor's second"
        typer.echo(f"{who}: {seconds:.1f} s, {cpu:.1f} s of processors, {rates}")
    typer.echo(f"ratio {ours[0] / theirs[0]:.1f}; the largest process took {peak:.0f} MB")


PROGRAM = """
import sys
from zport.audit.auditor import audit
from zport.audit.inputs import find_input
from zport.workspace import Workspace
from pathlib import Path
if __name__ == "__main__":
    audit(find_input(sys.argv[1], Workspace(Path(sys.argv[1]))))
"""


def unpacked(source: Path, root: Path) -> int:
    """Lay the sources that are audited under a folder, and count their lines."""
    files: Iterator[File]
    files = folder_files(source) if source.is_dir() else archive_files(source, str(source))
    lines = 0
    for file in files:
        if file.data is None or language_of(file.path) is None:
            continue
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        lines += file.data.count(b"\n")
    return lines


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds by the clock, and of the processors, of one run."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


if __name__ == "__main__":
    app()
