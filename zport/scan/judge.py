"""What the facts of a package mean, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from zport.defects import Defect, defects_of
from zport.scan.facts import OTHER_PYTHON, Facts
from zport.scan.model import WORST_FIRST, Closure, Finding, Status


def judge(facts: Facts, pulled_by: tuple[str, ...] = ()) -> Finding:
    """The finding of one package on one target."""
    provided = facts.provided
    finding = Finding(
        provided.name, provided.version, facts.target.name, _status(facts), provided,
        pulled_by=pulled_by,
    )  # fmt: skip
    origin, detail, step = _EXPLAINED[finding.status](facts)
    packaged = finding.status == "distribution"
    tried = facts.recipe is None or facts.recipe.not_run is None
    finding = replace(
        finding, origin=origin, detail=detail, step=step, packaged=packaged, tried=tried
    )
    return _endangered(finding, facts)


def follow(findings: Sequence[Finding], closure: Closure) -> list[Finding]:
    """The findings of a target, with those marked that only a blocked package needs."""
    blocked = {one.text: one.name for one in findings if one.status == "blocked"}
    needed = closure.without(blocked)
    followed = []
    for one in findings:
        cause = next((name for name in one.pulled_by[::-1] if name in blocked.values()), "")
        if one.status == "blocked" and cause and one.text not in needed:
            step = f"see {cause}: nothing that is not blocked needs this one"
            one = replace(one, follows=cause, step=step)  # noqa: PLW2901
        followed.append(one)
    return followed


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order in which to look at them: causes before what follows from them."""

    def order(one: Finding) -> tuple[int, bool, str, str, str]:
        return (WORST_FIRST.index(one.status), bool(one.follows), one.name, one.version, one.target)

    return sorted(findings, key=order)


def _status(facts: Facts) -> Status:
    kind = facts.provided.kind
    if not facts.unserved and kind != "blocked":
        return kind
    if facts.packaged and facts.packaged.satisfies:
        return "distribution"
    if facts.recipe:
        return "blocked"
    buildable = facts.entry.source or (facts.sdist and not _refusal(facts))
    return "source" if buildable else "blocked"


def _refusal(facts: Facts) -> Defect | None:
    """The defect for which the source does not build, whatever the environment."""
    return next((one for one in _builds(facts) if not one.environment), None)


def _builds(facts: Facts) -> list[Defect]:
    entry = facts.entry.pin
    return [one for one in defects_of(entry.name, entry.version, facts.target)
            if one.kind == "build"]  # fmt: skip


def _endangered(finding: Finding, facts: Facts) -> Finding:
    """The finding with what is known to go wrong once the package is installed."""
    packaged = facts.packaged if finding.status == "distribution" else None
    version = packaged.version if packaged else finding.version
    mended = finding.status == "recipe"
    known = [
        one
        for one in defects_of(finding.name, version, facts.target)
        if one.kind != "build" and not (mended and one.mended_by_recipe)
    ]
    if not known or finding.status == "blocked":
        return finding
    details = [f"{one.wrong}{_links(one)}" for one in known]
    steps = list(dict.fromkeys([*(one.fix for one in known), finding.step]))
    return replace(finding, status="dangerous", detail="; ".join(details),
                   step="; ".join(step for step in steps if step))  # fmt: skip


def _links(defect: Defect) -> str:
    return f" ({', '.join(defect.upstream)})" if defect.upstream else ""


def _explain_file(facts: Facts) -> tuple[str, str, str]:
    file = facts.provided.file
    tags = file.filename.removesuffix(".whl").split("-")[-3:] if file else []
    return "-".join(tags), "", ""


def _explain_recipe(facts: Facts) -> tuple[str, str, str]:
    recipe = facts.recipe
    if recipe is None:
        return "", "", f"zport wheel {facts.provided.name}"
    detail = f"not built yet: {recipe.not_run}" if recipe.not_run else ""
    return str(recipe.file), detail, f"zport wheel {recipe.wanted}"


def _explain_distribution(facts: Facts) -> tuple[str, str, str]:
    packaged, provided = facts.packaged, facts.provided
    if packaged is None:
        return provided.package or "", "", ""
    step = f'write {provided.name} = "{packaged.package}" under [distribution] of the agent'
    if facts.sdist:
        step += f", or zport recipe new {provided.text}"
    return f"{packaged.package} {packaged.version}", "the index has no wheel for the target", step


def _explain_source(facts: Facts) -> tuple[str, str, str]:
    if facts.entry.source:
        return facts.entry.source, "from no index, built when it is installed", (
            "write a recipe by hand, with that source (see CONTRIBUTING)")  # fmt: skip
    builds = _builds(facts)
    reasons = [f"{one.wrong}{_links(one)}" for one in builds]
    variables = [f"set {name}={value}" for one in builds for name, value in one.environment.items()]
    draft = " and ".join([*variables, f"zport recipe new {facts.provided.text}"])
    return (
        facts.source.text if facts.source else "",
        _joined(*reasons, _packaged_text(facts), _python_text(facts)),
        ", or ".join([*_other_ways(facts), draft]),
    )


def _explain_blocked(facts: Facts) -> tuple[str, str, str]:
    if facts.recipe:
        steps = [*_other_ways(facts), "fetch its source and write its commit and SHA-256 to it"]
        detail = f"its source is not pinned: {facts.recipe.not_run}"
        return str(facts.recipe.file), _joined(detail, _packaged_text(facts)), ", or ".join(steps)
    refusal, reason = _refusal(facts), facts.provided.reason or ""
    if "the lock does not know" in reason:
        return "", reason, "write the lock again: this file came to the index after it"
    if refusal:
        return "", f"{refusal.wrong}{_links(refusal)}", refusal.fix
    has = f"{facts.files} files for other platforms or Pythons" if facts.files else (
        "the index does not have this version")  # fmt: skip
    ways = _other_ways(facts) or (
        ["write a recipe by hand from its repository (see CONTRIBUTING), or ask upstream"]
        if facts.files
        else ["check the name and the version, and pip's index configuration"]
    )
    detail = f"{has}, no source" if facts.files else has
    return "", _joined(detail, _packaged_text(facts), _python_text(facts)), ", or ".join(ways)


def _other_ways(facts: Facts) -> list[str]:
    """Other versions of the package that something serves."""
    name, ways = facts.provided.name, []
    if facts.another and facts.another.version != facts.provided.version:
        ways.append(f"pin {name}=={facts.another.version}, which has a recipe")
    if facts.packaged and not facts.packaged.satisfies:
        ways.append(f"pin {name}=={facts.packaged.version} and take {facts.packaged.package}")
    return ways


def _packaged_text(facts: Facts) -> str:
    if not facts.packaged:
        return ""
    known = defects_of(facts.provided.name, facts.packaged.version, facts.target)
    danger = f", in which {known[0].wrong}" if known and known[0].kind != "build" else ""
    return f"Debian has {facts.packaged.version}, another version{danger}"


def _python_text(facts: Facts) -> str:
    """That there is a recipe, but for the distribution's own Python."""
    reason = facts.provided.reason or ""
    return reason if reason.startswith(OTHER_PYTHON) else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


_EXPLAINED: dict[Status, Callable[[Facts], tuple[str, str, str]]] = {
    "pure": _explain_file,
    "published": _explain_file,
    "recipe": _explain_recipe,
    "distribution": _explain_distribution,
    "source": _explain_source,
    "blocked": _explain_blocked,
}
