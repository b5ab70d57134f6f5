"""A system's description: what the user's file says, and what the runs themselves tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from zport.errors import SubmissionError
from zport.submission.rules import DIVISION, SystemRules
from zport.submission.runs import Run, read_object
from zport.workspace import write_whole

EMULATED = "EMULATED"
NOT_THERE = "N/A"


@dataclass(frozen=True)
class System:
    """A system: its name in the tree, and the fields of its description, all of them text."""

    name: str
    fields: dict[str, str]
    emulated: bool


def one_system(runs: Sequence[Run]) -> None:
    """Raise :class:`SubmissionError` unless all runs are of one agent, target and machine."""
    systems = sorted({_identity(run) for run in runs})
    if len(systems) > 1:
        listed = "; ".join(", ".join(filter(None, one)) for one in systems)
        raise SubmissionError(
            f"these runs are of {len(systems)} systems: {listed}",
            next_step="name the folders of one system's runs, and make a tree for each",
        )


def _identity(run: Run) -> tuple[str, ...]:
    return (*run.system, _framework(run), _processor(run))


def found_fields(runs: Sequence[Run]) -> dict[str, str]:
    """What the runs tell of their system; none of it is guessed.

    The agents compute on the host's processor, so of accelerators there are none.
    """
    run = runs[0]
    info, log = run.performance.result.info, run.performance.log
    loadgen = str(log.values.get("loadgen_version", "")).partition(" ")[0]
    stack = [
        *(f"{name} {info[key]}" for name, key in
          (("Python", "python"), ("NumPy", "numpy"), ("zport-agent", "agent")) if info.get(key)),
        *([f"MLPerf LoadGen {loadgen}"] if loadgen else []),
    ]  # fmt: skip
    fields = {
        "division": DIVISION,
        "number_of_nodes": "1",
        "accelerators_per_node": "0",
        "host_processor_model_name": _processor(run),
        "framework": _framework(run),
        "other_software_stack": ", ".join(stack),
        "sw_notes": _software_notes(run),
    }
    return {name: value for name, value in fields.items() if value}


def _framework(run: Run) -> str:
    framework = run.performance.result.info.get("framework") or {}
    return " ".join(str(framework[key]) for key in ("name", "version") if framework.get(key))


def _processor(run: Run) -> str:
    """The processor that the machine names; an emulator shows its host's, which is not asked."""
    cpu = run.performance.result.info.get("cpu") or {}
    if cpu.get("cpuinfo") != "own" or run.record.emulated:
        return ""
    return " ".join(str(cpu[key]) for key in ("vendor", "model") if cpu.get(key))


def _software_notes(run: Run) -> str:
    order = run.performance.result.info.get("byte_order")
    image = f"; image {run.record.image_key}" if run.record.image_key else ""
    return f"zport agent {run.record.agent} on {run.record.target}, {order}-endian{image}"


def describe(path: Path, submitter: str, runs: Sequence[Run], rules: SystemRules) -> System:
    """The system that a file describes, with what the runs tell where it says nothing.

    Raises :class:`SubmissionError` for a file that cannot be read, a field that does not fit, and,
    all at once, for fields that neither says.
    """
    fields = _merge(_given(path, rules), found_fields(runs), submitter, path, rules)
    emulated = any(run.record.emulated for run in runs)
    if emulated:
        _mark(fields, runs[0])
    faults = field_faults(fields, rules)
    if faults:
        raise SubmissionError(
            f"{len(faults)} fields do not fit: {'; '.join(faults)}",
            where=path,
            next_step="fill them in; what a machine does not have is N/A",
        )
    return System(path.stem, fields, emulated)


def draft(path: Path, submitter: str, runs: Sequence[Run], rules: SystemRules) -> list[str]:
    """Write a description with what the runs tell; returns the fields that are left to fill in.

    Raises :class:`SubmissionError` if the file is there already.
    """
    if path.exists():
        raise SubmissionError("is there already", where=path, next_step="name another file")
    filled = _merge({}, found_fields(runs), submitter, path, rules)
    write_whole(path, _text({name: filled.get(name, "") for name in rules.required}))
    return [name for name in rules.required
            if not filled.get(name) and name not in rules.may_be_empty]  # fmt: skip


def _text(fields: dict[str, str]) -> str:
    """A description as a file, in the order of its fields."""
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def field_faults(fields: dict[str, Any], rules: SystemRules) -> list[str]:
    """What is wrong with a description, a few words for each field."""
    faults = [f"{name} is missing" for name in rules.required if name not in fields]
    for name, value in fields.items():
        if name not in rules.required:
            continue
        if not isinstance(value, str):
            # A number 0 is nothing to the checker, where "0" is a number.
            faults.append(f"{name} is no text")
        elif not value and name not in rules.may_be_empty:
            faults.append(f"{name} is empty")
        elif name in rules.choices and value not in rules.choices[name]:
            faults.append(f"{name} is none of {', '.join(rules.choices[name])}")
        elif name in rules.whole_numbers and not value.isdecimal():
            faults.append(f"{name} is no whole number")
    return faults


def _given(path: Path, rules: SystemRules) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in read_object(path).items():
        where = f"{path}: {name}"
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SubmissionError("has to be text", where=where, next_step='put it in "…"')
        near = get_close_matches(name, rules.required, n=1, cutoff=0.85)
        if name not in rules.required and near:
            raise SubmissionError("unknown field", where=where,
                                  next_step=f"did you mean {near[0]}?")  # fmt: skip
        if name == "is_network" and str(value).lower() == "true":
            raise SubmissionError("only the open division is written, not the network division",
                                  where=where, next_step="leave it out")  # fmt: skip
        fields[name] = str(value).strip()
    return fields


def _merge(
    given: dict[str, str], found: dict[str, str], submitter: str, path: Path, rules: SystemRules
) -> dict[str, str]:
    """The given fields, the found ones where nothing is given, and the two that flags say."""
    said = {name: value for name, value in given.items() if value}
    for name, value in (("division", DIVISION), ("submitter", submitter)):
        if said.get(name, value).lower() != value.lower():
            raise SubmissionError(
                f"is {said[name]}, the command line says {value}",
                where=f"{path}: {name}",
                next_step="mend one of them; the checker compares it with the folder's name",
            )
    fields = {**dict.fromkeys(given, ""), **found, **said, "submitter": submitter}
    if fields["accelerators_per_node"] == "0":
        of_accelerators = (one for one in rules.required if one.startswith("accelerator_"))
        for name in of_accelerators:
            fields[name] = fields.get(name) or NOT_THERE
    return {**dict.fromkeys(rules.may_be_empty, ""), "system_name": path.stem, **fields}


def _mark(fields: dict[str, str], run: Run) -> None:
    """Say of an emulated system that it is one, wherever somebody may read it."""
    mark = f"{EMULATED}: {run.record.target} by runner {run.record.runner}; no time of it is a " \
           "real machine's"  # fmt: skip
    fields["hw_notes"] = f"{mark}. {fields['hw_notes']}".removesuffix(" ")
    fields["system_name"] = f"{fields['system_name']} ({EMULATED.lower()})"
