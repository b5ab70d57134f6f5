"""Findings that a person has accepted: by a comment beside the code, or in a baseline file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from zport.audit.model import Finding
from zport.audit.source import Source
from zport.definitions import parser_words, read_text, shown
from zport.errors import DefinitionError
from zport.workspace import write_whole

COMMENT = re.compile(
    rb"(?://|/\*|#).*?zport:\s*ignore\[([a-z0-9-]+(?:\s*,\s*[a-z0-9-]+)*)\]\s*(.*?)\s*(?:\*/)?\s*$",
    re.MULTILINE,
)  # fmt: skip
"""``zport: ignore[rule] reason`` in a comment, on the finding's line or the one before it."""
SCHEMA = 1
ANEW = "write it anew with --write-baseline"


def split_suppressed(
    source: Source, findings: Sequence[Finding]
) -> tuple[list[Finding], list[Finding], list[str]]:
    """Findings that stand, those that a comment accepts, and notes on comments without a reason."""
    if b"zport:" not in source.data:
        return list(findings), [], []
    kept, suppressed, notes = [], [], []
    for one in findings:
        found = [
            (named, reason)
            for named, reason in COMMENT.findall(source.lines(one.line - 1, one.line))
            if one.rule in re.split(r"\s*,\s*", named.decode())
        ]
        if any(reason for _, reason in found):
            suppressed.append(one)
            continue
        kept.append(one)
        if found:
            notes.append(f"{one.path}:{one.line}: ignore[{one.rule}] gives no reason: not heeded")
    return kept, suppressed, notes


def read_baseline(path: Path) -> frozenset[str]:
    """The fingerprints in a baseline. Raises :class:`DefinitionError` for a file that is none."""
    try:
        record = json.loads(read_text(path))
    except DefinitionError as error:
        error.next_step = ANEW
        raise
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"this is no baseline: {parser_words(error)}", where=path,
                              next_step=ANEW) from error  # fmt: skip
    if not isinstance(record, dict):
        raise _no_baseline(path, "(whole file)", "not an object of JSON")
    if record.get("schema") != SCHEMA:
        raise _no_baseline(path, "schema", f"{shown(record.get('schema'))}, not {SCHEMA}")
    findings = record.get("findings")
    if not isinstance(findings, list):
        raise _no_baseline(path, "findings", "not a list")
    for number, one in enumerate(findings):
        if not isinstance(one, dict) or not isinstance(one.get("fingerprint"), str):
            raise _no_baseline(path, f"findings.{number}.fingerprint", "missing or no text")
    return frozenset(one["fingerprint"] for one in findings)


def _no_baseline(path: Path, field: str, what: str) -> DefinitionError:
    return DefinitionError(f"this is no baseline: {what}", where=f"{path}: {field}", next_step=ANEW)


def write_baseline(path: Path, findings: Iterable[Finding]) -> None:
    """Write the findings of now as accepted, sorted, so that changes of the file can be read."""
    record = {
        "schema": SCHEMA,
        "findings": [
            {"fingerprint": one.fingerprint, "rule": one.rule, "path": one.path,
             "snippet": one.snippet}
            for one in sorted(findings, key=lambda f: (f.path, f.rule, f.fingerprint))
        ],
    }  # fmt: skip
    write_whole(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
