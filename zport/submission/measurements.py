"""measurements.json and user.conf: what a scenario was run with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zport.errors import DefinitionError, SubmissionError
from zport.models import MODELS, load_model
from zport.submission.logs import DetailLog
from zport.submission.rules import MeasurementRules
from zport.submission.runs import Run, read_object

SHORT_TYPES = {
    "float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16",
}  # fmt: skip
"""Datatypes as submissions name them; others have the names that they have everywhere."""


def read_measurements(path: Path | None, rules: MeasurementRules) -> dict[str, dict[str, str]]:
    """What the user's file says, by model. Raises :class:`SubmissionError` where it is wrong."""
    if path is None:
        return {}
    said = read_object(path)
    for model, fields in said.items():
        if not isinstance(fields, dict):
            raise SubmissionError("expected an object", where=f"{path}: {model}",
                                  next_step="write {MODEL: {FIELD: TEXT}}")  # fmt: skip
        for name, value in fields.items():
            if name not in rules.required or not isinstance(value, str):
                raise SubmissionError(
                    "no text" if name in rules.required else "unknown field",
                    where=f"{path}: {model}.{name}",
                    next_step=f"known are {', '.join(rules.required)}, each with a text",
                )
    return said


def measurements_of(
    run: Run, said: Mapping[str, Mapping[str, str]], rules: MeasurementRules
) -> dict[str, str]:
    """The fields of a run's measurements.json; what is unknown is left out."""
    fields = {**_found(run), **said.get(run.model, {})}
    return {name: fields[name] for name in rules.required if fields.get(name)}


def require_measurements(
    runs: Sequence[Run], said: Mapping[str, Mapping[str, str]], rules: MeasurementRules
) -> None:
    """Raise :class:`SubmissionError` unless every field of every model is known."""
    missing = {
        run.model: [name for name in rules.required if name not in known]
        for run in runs
        if len(known := measurements_of(run, said, rules)) < len(rules.required)
    }
    if missing:
        listed = "; ".join(f"{model}: {', '.join(names)}" for model, names in missing.items())
        example = next(iter(missing))
        raise SubmissionError(
            f"not known of the models: {listed}",
            where="--measurements",
            next_step=f'name a file that says it, such as {{"{example}": '
            f'{{"{missing[example][0]}": "…"}}}}',
        )


def _found(run: Run) -> dict[str, str]:
    """What is known of a model by its files and, for one of the project's, by its manifest."""
    files = run.performance.result.model.get("files") or []
    found = {"starting_weights_filename": str(files[0].get("name", ""))} if files else {}
    if run.performance.result.model.get("weights") == "seeded":
        found |= {
            "retraining": "no",
            "weight_transformations": "none; the weights are seeded constants, not trained",
        }
    return found | _from_manifest(run.model)


def _from_manifest(name: str) -> dict[str, str]:
    folder = MODELS / name
    if not folder.is_dir():
        return {}
    try:
        inputs = load_model(folder).manifest.inputs
    except DefinitionError:
        return {}
    types = dict.fromkeys(one.element_type for one in inputs if one.element_type)
    return {"input_data_types": ", ".join(SHORT_TYPES.get(one, one) for one in types)}


def user_conf(run: Run) -> str:
    """A user.conf that has LoadGen run as its log says it ran; durations and latencies are ms.

    It may have been asked by files and by flags, so it is the log that is restated.
    """
    model = run.record.benchmark or run.model
    lines = [f"{model}.{run.scenario}.{key} = {value}"
             for key, value in _settings(run.performance.log, run.scenario)]  # fmt: skip
    return "\n".join(["# Restated by zport from LoadGen's log of this run.", *lines, ""])


def _settings(log: DetailLog, scenario: str) -> list[tuple[str, str]]:
    wanted: list[tuple[str, str, float]] = [
        ("min_duration", "effective_min_duration_ms", 1),
        ("max_duration", "effective_max_duration_ms", 1),
        ("min_query_count", "requested_min_query_count", 1),
        ("performance_sample_count_override", "requested_performance_sample_count_override", 1),
    ]
    if scenario != "Offline":
        wanted.append(("target_latency_percentile", "effective_target_latency_percentile", 100))
    if scenario in ("Server", "Offline"):
        wanted.append(("target_qps", "effective_target_qps", 1))
    if scenario == "Server":
        wanted.append(("target_latency", "effective_target_latency_ns", 1e-6))
    if scenario == "MultiStream":
        wanted.append(("samples_per_query", "effective_samples_per_query", 1))
    values = ((name, log.number(key), scale) for name, key, scale in wanted)
    return [(name, _text(value * scale)) for name, value, scale in values if value]


def _text(value: float) -> str:
    """A number as LoadGen reads it: no exponent, whole where it is whole."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
