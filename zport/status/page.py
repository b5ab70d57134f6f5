"""The page, as Markdown and as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from zport.models import Model
from zport.status.gather import STATES, Package, untried_models
from zport.status.records import Records
from zport.targets import Target, find_target

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


def as_markdown(packages: Sequence[Package], records: Records) -> str:
    """The page for a repository."""
    return _rendered("page.md.j2", packages, records)


def as_html(packages: Sequence[Package], records: Records) -> str:
    """The page without anything from elsewhere."""
    return _rendered("page.html.j2", packages, records)


def _rendered(name: str, packages: Sequence[Package], records: Records) -> str:
    target = find_target(records.target)
    counts = Counter(one.state for one in packages)
    words = ", ".join(f"{counts[one]} {one}" for one in STATES if counts[one])
    return TEMPLATES.get_template(name).render(
        packages=packages, target=target, states=STATES, cells=records.cells,
        audits=[one.audit for one in packages if one.audit],
        untried=untried_models(records), cost=cost_text,
        counts=f"{len(packages)} packages: {words}",
        how=how_text, defects=defect_text, number=number_text, md=in_table,
        suite=lambda one: "; ".join(suite_text(suite, one.name, target) for suite in one.suites),
    )  # fmt: skip


def how_text(package: Package) -> str:
    """Where the package comes from, and what is known beside that."""
    parts = []
    if package.recipe:
        reason = f", not run: {package.recipe.not_run}" if package.recipe.not_run else ""
        parts.append(f"recipe{reason}")
    elif package.wheel:
        parts.append("drafted recipe, built without an edit")
    if package.patches:
        parts.append(f"{package.patches} patch" + ("es" if package.patches > 1 else ""))
    parts += [f"in agent {one} from the distribution" for one in package.agents]
    parts += [f"porting/upstream/{one}" for one in package.texts]
    return "; ".join(parts)


def suite_text(suite: dict[str, Any], package: str, target: Target) -> str:
    """The counts of upstream's own tests on the target and on the reference."""
    counted = []
    for name in (target.name, *(one for one in suite["targets"] if one != target.name)):
        run = suite["targets"].get(name)
        if run:
            words = [f"{run[key]} {key}" for key in ("passed", "failed", "error") if run.get(key)]
            counted.append(f"{name}: {', '.join(words) or 'none ran'}")
    unexplained = sum(1 for one in suite["differences"] if not one.get("cause"))
    differ = f"; {len(suite['differences'])} differ"
    whose = "" if suite["package"] == package else "Debian's "
    return f"{whose}{suite['version']} {'; '.join(counted)}{differ}, {unexplained} unexplained"


def cost_text(model: Model) -> str:
    """Why a model may not have been run: what one pass over its inputs costs."""
    if not model.is_heavy:
        return "not yet"
    return f"{model.manifest.extension().gflop:g} GFLOP are emulated only when it is named"


def defect_text(package: Package) -> str:
    """What goes wrong and is not mended, each with its next step."""
    mended = bool(package.recipe)
    return "; ".join(
        f"{one.wrong} ({one.versions}; {one.fix})"
        for one in package.defects
        if not (mended and one.mended_by_recipe)
    )


def number_text(value: float | None) -> str:
    """A difference in two digits, or nothing where there is none."""
    return "" if value is None else f"{value:.1e}"


def in_table(text: str) -> str:
    """A text that cannot break out of a cell of a Markdown table, nor become markup."""
    flat = " ".join(text.split())
    for character in "\\|<>*_`[]":
        flat = flat.replace(character, f"\\{character}")
    return flat
