"""A scan as JSON, Markdown and HTML."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape

from zport import __version__
from zport.scan.diff import Comparison, state_text
from zport.scan.model import STATUS_WORDS, Finding, Report
from zport.scan.table import counted

SCHEMA = 1
MARKDOWN = """\
# What blocks an install: {{ md(report.title) }}

Python {{ report.python }}, zport {{ version }}.

{% for coverage in report.coverage() %}
- {{ coverage.text }}: {{ counted(report, coverage.target) }}
{% endfor %}
{% for note in report.notes %}

Note: {{ md(note) }}
{% endfor %}
{% if comparison %}

## Differences: {{ md(comparison.heading) }}

| package | change | before | after | next step |
|---|---|---|---|---|
{% for one in comparison.differences %}
| {{ md(one.name) }} | {{ one.change }} | {{ md(state(one.before)) }} | {{ md(state(one.after)) }} \
| {{ md(one.after.step if one.after else "") }} |
{% endfor %}

## Packages
{% endif %}

| package | target | provider | from | why | next step | pulled in by |
|---|---|---|---|---|---|---|
{% for one in report.findings %}
| {{ md(one.text) }} | {{ one.target }} | {{ words[one.status] }} | {{ md(one.origin) }} \
| {{ md(one.detail) }} | {{ md(one.step) }} | {{ md(" ← ".join(one.pulled_by)) }} |
{% endfor %}
"""
HTML = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What blocks an install: {{ report.title }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 1em 0 }
th, td { text-align: left; vertical-align: top; padding: .35em .7em; border-bottom: 1px solid #ddd }
td { overflow-wrap: anywhere }
.dangerous td:nth-child(3) { background: #b00020; color: #fff }
.blocked td:nth-child(3) { background: #f8d0d0 }
.source td:nth-child(3) { background: #fdf0c8 }
.recipe td:nth-child(3) { background: #d8ecf8 }
</style>
</head>
<body>
<h1>What blocks an install: {{ report.title }}</h1>
<p>Python {{ report.python }}, zport {{ version }}</p>
<ul>
{% for coverage in report.coverage() %}
<li>{{ coverage.text }}: {{ counted(report, coverage.target) }}</li>
{% endfor %}
</ul>
{% for note in report.notes %}
<p>Note: {{ note }}</p>
{% endfor %}
{% if comparison %}
<h2>Differences: {{ comparison.heading }}</h2>
<table>
<tr><th>package</th><th>change</th><th>before</th><th>after</th><th>next step</th></tr>
{% for one in comparison.differences %}
<tr><td>{{ one.name }}</td><td>{{ one.change }}</td><td>{{ state(one.before) }}</td>
<td>{{ state(one.after) }}</td><td>{{ one.after.step if one.after else "" }}</td></tr>
{% endfor %}
</table>
{% endif %}
<table>
<tr><th>package</th><th>target</th><th>provider</th><th>why</th><th>next step</th>
<th>pulled in by</th></tr>
{% for one in report.findings %}
<tr class="{{ one.status }}"><td>{{ one.text }}</td><td>{{ one.target }}</td>
<td>{{ words[one.status] }}</td><td>{{ one.origin }}{% if one.origin and one.detail %}: {% endif %}
{{ one.detail }}</td><td>{{ one.step }}</td><td>{{ " ← ".join(one.pulled_by) }}</td></tr>
{% endfor %}
</table>
</body>
</html>
"""
TEMPLATES = Environment(
    loader=DictLoader({"report.md": MARKDOWN, "report.html": HTML}),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


def as_json(report: Report, comparison: Comparison | None = None) -> str:
    """The report for programs: every finding, the coverage, and the exit status's reason."""
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "zport": __version__,
        "input": report.title,
        "python": report.python,
        "targets": list(report.targets),
        "passed": not report.hindering,
        "coverage": [asdict(one) for one in report.coverage()],
        "notes": list(report.notes),
        "packages": [_record(one) for one in report.findings],
    }
    if comparison:
        record["diff"] = {
            "before": comparison.before.title,
            "before_targets": list(comparison.before.targets),
            "differences": [one.record() for one in comparison.differences],
        }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def as_markdown(report: Report, comparison: Comparison | None = None) -> str:
    """The report for a pull request or a wiki."""
    return _rendered("report.md", report, comparison)


def as_html(report: Report, comparison: Comparison | None = None) -> str:
    """The report as one page without anything from elsewhere."""
    return _rendered("report.html", report, comparison)


def _record(finding: Finding) -> dict[str, Any]:
    provided = finding.provided
    return {
        **{key: value for key, value in asdict(finding).items() if key != "provided"},
        "provider": provided.kind,
        "file": provided.file.filename if provided.file else None,
        "reason": provided.reason,
    }


def _rendered(name: str, report: Report, comparison: Comparison | None) -> str:
    template = TEMPLATES.get_template(name)
    return template.render(
        report=report, comparison=comparison, version=__version__, words=STATUS_WORDS,
        counted=counted, state=state_text, md=_in_table,
    )  # fmt: skip


def _in_table(text: str) -> str:
    """A text that cannot break out of a cell of a Markdown table, nor become markup."""
    flat = " ".join(text.split())
    for character in "\\|<>*_`[]":
        flat = flat.replace(character, f"\\{character}")
    return flat
