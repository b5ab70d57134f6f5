"""Findings that a person has accepted: by a comment beside the code, or in a baseline file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from zport.audit.model import Finding
from zport.audit.source import Source
from zport.errors import DefinitionError
from zport.workspace import write_whole

COMMENT = re.compile(
    rb"(?://|/\*|#).*?zport:\s*ignore\[([a-z0-9-]+(?:\s*,\s*[a-z0-9-]+)*)\]\s*(.*?)\s*(?:\*/)?\s*$",
    re.MULTILINE,
)  # fmt: skip
"""``zport: ignore[rule] reason`` in a comment, on the finding's line or the one before it."""
SCHEMA = 1


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
    step = "write it anew with --write-baseline"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            raise DefinitionError(f"its schema is {record['schema']!r}, not {SCHEMA}", where=path,
                                  next_step=step)  # fmt: skip
        return frozenset(str(one["fingerprint"]) for one in record["findings"])
    except OSError as error:
        raise DefinitionError(f"cannot read it: {error.strerror}", where=path,
                              next_step=step) from error  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise DefinitionError(f"this is no baseline: {error}", where=path,
                              next_step=step) from error  # fmt: skip


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
