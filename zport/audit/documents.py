"""An audit as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from zport import __version__
from zport.audit.model import Finding, Report
from zport.audit.rules import load_rules

SCHEMA = 1


def as_json(report: Report) -> str:
    """The report for programs: every finding with why it is one and how to mend it."""
    record = {
        "schema": SCHEMA,
        "zport": __version__,
        "input": report.title,
        "passed": not report.findings,
        "files": report.files,
        "lines": report.lines,
        "seconds": round(report.seconds, 2),
        "hidden": report.hidden,
        "findings": [_finding(one) for one in report.findings],
        "known": [_finding(one) for one in report.known],
        "suppressed": [_finding(one) for one in report.suppressed],
        "skipped": [asdict(one) for one in report.skipped],
        "notes": list(report.notes),
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _finding(one: Finding) -> dict[str, Any]:
    rule = load_rules()[one.rule]
    return {
        **asdict(one),
        "classes": list(rule.classes),
        "why": " ".join(rule.wrong.split()),
        "mend": " ".join(rule.mend.split()),
        "references": list(rule.references),
    }
