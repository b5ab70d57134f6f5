"""An audit as SARIF 2.1.0, which code hosts show beside the lines.

The format: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from zport import __version__
from zport.audit.model import Finding, Report, Severity
from zport.audit.rules import CLASSES, Rule, load_rules

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "note"}
ROOT = "SOURCE"
"""The folder that paths start from; who reads the log says where it is."""


def as_sarif(report: Report) -> str:
    """The report as one run: findings, and those that were accepted with how they were."""
    rules = list(load_rules().values())
    places = {rule.id: number for number, rule in enumerate(rules)}
    record = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "zport audit",
                        "version": __version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {ROOT: {"description": {"text": report.title}}},
                "results": list(_results(report, places)),
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": _notifications(report),
                    }
                ],
            }
        ],
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": " ".join(rule.wrong.split())},
        "help": {"text": " ".join(rule.mend.split())},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"tags": ["byte-order", *(CLASSES[one] for one in rule.classes)]},
    }
    if rule.references:
        described["helpUri"] = rule.references[0]
    return described


def _results(report: Report, places: dict[str, int]) -> Iterator[dict[str, Any]]:
    for one in report.findings:
        yield _result(one, places)
    for one in report.suppressed:
        yield _result(one, places) | {"suppressions": [{"kind": "inSource"}]}
    for one in report.known:
        yield _result(one, places) | {"suppressions": [{"kind": "external"}]}


def _result(one: Finding, places: dict[str, int]) -> dict[str, Any]:
    region = {"startLine": one.line, "snippet": {"text": one.snippet}}
    return {
        "ruleId": one.rule,
        "ruleIndex": places[one.rule],
        "level": LEVELS[one.severity],
        "message": {"text": load_rules()[one.rule].title},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(one.path), "uriBaseId": ROOT},
                    "region": region,
                }
            }
        ],
        "partialFingerprints": {"zport/v1": one.fingerprint},
    }


def _uri(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"))


def _notifications(report: Report) -> Sequence[dict[str, Any]]:
    skipped = [
        {
            "level": "note",
            "message": {"text": f"skipped: {one.reason}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(one.path), "uriBaseId": ROOT}
                    }
                }
            ],
        }
        for one in report.skipped
    ]
    return skipped + [{"level": "warning", "message": {"text": note}} for note in report.notes]
