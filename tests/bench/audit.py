"""How many real defects the audit finds, how many of its findings are right, and how fast it is.

``python -m tests.bench.audit recall|precision|draw|again|compare|speed``, in the project's folder.
Sources come from the package index by the hashes in ``tests/corpus/`` and stay in the build folder.
The baseline is one grep: a line that has any of a few patterns is a finding. ``--patterns DIR``
takes another scanner's patterns beside it: files of ``SEVERITY|PATTERN|DESCRIPTION|LANGUAGES`` as
the IBM/s390x-porting-mcp repository has them; they are not kept here.
"""

from __future__ import annotations

import json
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
from zport.audit.inputs import Input, find_input
from zport.audit.languages import language_of
from zport.audit.model import Finding
from zport.errors import ZportError
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index, IndexFile
from zport.workspace import PROJECT, Workspace

CORPUS = PROJECT / "tests" / "corpus"
SPLITS = ("dev", "held out", "fresh", "second", "third")
FIRST = ("fresh", "second", "third")
"""Splits that were written down before any rule was run on them."""
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

SEVERE = ("CRITICAL", "WARNING")
LANGUAGES = {".c": "C", ".h": "C", ".cpp": "C++", ".cxx": "C++", ".cc": "C++", ".hpp": "C++",
             ".hxx": "C++", ".py": "Python"}  # fmt: skip
"""What IBM's scanner takes a file for, by its ending; it leaves others alone."""

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
Folder = Annotated[Path, typer.Option("--build-folder", help="Where fetched sources stay.")]
Split = Annotated[str, typer.Option(help="Which packages of fresh.toml: fresh, second or third.")]
Foreign = Annotated[Path | None, typer.Option("--patterns", help="Another scanner's patterns.")]


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
def foreign_patterns(folder: Path | None) -> dict[str, re.Pattern[bytes]]:
    """Another scanner's patterns for each ending, or our grep's for all of them.

    Its lines are split at every ``|`` and what is no expression then is left out, as it does.
    """
    if folder is None:
        return {"": GREP}
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text().splitlines():
            parts = [part.strip() for part in line.split("|")]
            if len(parts) < 4 or parts[0] not in SEVERE or not compiles(parts[1]):
                continue
            for ending, language in LANGUAGES.items():
                if language in re.split(r"\s*,\s*", parts[3]) or parts[3] == "ALL":
                    found.setdefault(ending, []).append(parts[1])
    return {end: re.compile("|".join(f"(?:{one})" for one in some).encode())
            for end, some in found.items()}  # fmt: skip


def compiles(pattern: str) -> bool:
    """Whether a text is a regular expression."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


@cache
def grepped(path: Path, patterns: Path | None = None) -> dict[str, dict[int, str]]:
    """The lines that the baseline, or another scanner, finds, by file."""
    return found_lines(archive_files(path, path.name), patterns)


def found_lines(files: Iterator[File], patterns: Path | None) -> dict[str, dict[int, str]]:
    """The lines of some files that have a pattern."""
    found: dict[str, dict[int, str]] = {}
    by_ending = foreign_patterns(patterns)
    for file in files:
        pattern = by_ending.get(Path(file.path).suffix, by_ending.get(""))
        if pattern is None:
            continue
        found[file.path] = {
            number: line.decode("utf-8", "replace").strip()
            for number, line in enumerate((file.data or b"").splitlines(), 1)
            if pattern.search(line)
        }
    return found


@app.command()
def recall(build_folder: Folder = PROJECT / "build", patterns: Foreign = None) -> None:
    """Whether the line of each known defect is found in the version that has it, and gone after."""
    counts: Counter[tuple[str, str]] = Counter()
    others = {"grep": None} | ({"other": patterns} if patterns else {})
    table = Table("package", "split", "class", "line", "audit", *others, title="Known defects")
    for pair in corpus("pairs.toml")["pair"]:
        before = archive(build_folder, pair["package"], **pair["before"])
        after = archive(build_folder, pair["package"], **pair["after"])
        moved = pair.get("moved_to", pair["file"])
        ours, gone = found_and_gone(pair, before, after, moved)
        counts[pair["split"], "all"] += 1
        counts[pair["split"], "first sight"] += pair.get("first", False)
        counts[pair["split"], "audit"] += ours and gone
        words = ["found, gone" if ours and gone else "found, still there" if ours else "not found"]
        for name, given in others.items():
            theirs = pair["line"] in grepped(before, given).get(pair["file"], {})
            later = set(grepped(after, given).get(moved, {}).values())
            counts[pair["split"], name] += theirs and pair["code"] not in later
            words.append("found" if theirs else "not found")
        place = f"{pair['file']}:{pair['line']}"
        title = f"{pair['package']} {pair['before']['version']}"
        table.add_row(title, pair["split"], pair["class"], place, *words)
    Console(width=150).print(table)
    for who in ("audit", *others):
        hits = {split: counts[split, who] for split in SPLITS}
        total = sum(hits.values()) / sum(counts[split, "all"] for split in SPLITS)
        parts = [f"{split} {hits[split]} of {counts[split, 'all']}" for split in SPLITS]
        typer.echo(f"recall of {who}: {total:.2f} ({', '.join(parts)})")
    for split in FIRST:
        seen = counts[split, "first sight"]
        typer.echo(f"{split} at first sight: {seen} of {counts[split, 'all']}")


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


A_RULE_IN_A_FILE, A_PACKAGE = 2, 8
"""Findings that are drawn of a rule in a file, and of a package."""


@app.command()
def draw(build_folder: Folder = PROJECT / "build", split: Split = "second") -> None:
    """Draw findings of the packages in ``fresh.toml`` to be judged, and print them as entries.

    The order is that of the fingerprints, which are hashes: nobody chooses.
    """
    for package in corpus("fresh.toml")[split]:
        source = package_source(build_folder, package, None)
        found = audit(source, processes=1).findings
        taken: Counter[tuple[str, str]] = Counter()
        drawn: list[Finding] = []
        for one in sorted(found, key=lambda finding: finding.fingerprint):
            if len(drawn) < A_PACKAGE and taken[one.rule, one.path] < A_RULE_IN_A_FILE:
                taken[one.rule, one.path] += 1
                drawn.append(one)
        typer.echo(f"# {source.title}: {len(drawn)} of {len(found)} findings")
        for one in sorted(drawn, key=lambda finding: (finding.path, finding.line)):
            typer.echo(entry(source.title, split, one))


def entry(title: str, split: str, finding: Finding) -> str:
    """A finding as an entry of ``judged.toml``, without the judgement."""
    package, _, version = title.partition("==")
    return "\n".join((
        "", "[[finding]]", f'package = "{package}"', f'version = "{version}"', f'split = "{split}"',
        f'rule = "{finding.rule}"', f'file = "{finding.path}"', f"line = {finding.line}",
        f"code = {json.dumps(finding.snippet, ensure_ascii=False)}", "right = ", 'reason = ""',
        "reported = true",
    ))  # fmt: skip


def package_source(folder: Path, package: str, version: str | None) -> Input:
    """The source distribution of a package, the newest where no version is given."""
    text = f"{package}=={version}" if version else package
    return find_input(text, Workspace(folder.absolute()))


@app.command()
def again(build_folder: Folder = PROJECT / "build", split: Split = "") -> None:
    """Ask which judged findings the rules of now still report, and say which entries to change."""
    judged = [one for one in corpus("judged.toml")["finding"] if split in ("", one["split"])]
    kept: Counter[str] = Counter()
    for package, version in sorted({(one["package"], one["version"]) for one in judged}):
        mine = [one for one in judged if (one["package"], one["version"]) == (package, version)]
        try:
            source = package_source(build_folder, package, version)
        except ZportError as error:
            typer.echo(f"{package} {version}: not asked: {error}")
            continue
        reported = {
            (found.rule, found.path, found.line) for found in audit(source, processes=1).findings
        }
        for one in mine:
            now = (one["rule"], one["file"], one["line"]) in reported
            kept["same" if now == one["reported"] else "changed"] += 1
            if now != one["reported"]:
                typer.echo(f"{package} {one['file']}:{one['line']} [{one['rule']}]: {now}")
    typer.echo(f"{kept['same']} as written, {kept['changed']} changed")


@app.command()
def compare(
    patterns: Foreign = None, build_folder: Folder = PROJECT / "build", split: Split = "fresh"
) -> None:
    """How many lines each scanner reports in the packages of ``fresh.toml``."""
    totals: Counter[str] = Counter()
    for package in corpus("fresh.toml")[split]:
        source = package_source(build_folder, package, None)
        counts = {"audit": len(audit(source, processes=1).findings)}
        for name, given in {"grep": None, **({"other": patterns} if patterns else {})}.items():
            files = (one for one in source.files() if language_of(one.path))
            counts[name] = sum(len(lines) for lines in found_lines(files, given).values())
        totals.update(counts)
        typer.echo(f"{source.title}: {counts}")
    typer.echo(f"all: {dict(totals)}")


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
