"""What the official checker would refuse in a run, and what the rules ask beyond it."""

from __future__ import annotations

from dataclasses import dataclass

from zport.submission.logs import DetailLog
from zport.submission.rules import Benchmark, Round, Rules
from zport.submission.runs import Half, Run

NO_ACCURACY = "accuracy: there is no accuracy run, and the checker ends without one"
EARLY_STOPPING = ("SingleStream", "MultiStream", "Server")


@dataclass(frozen=True)
class Standing:
    """How a run stands: LoadGen's own word, what the checker refuses, and what else is to be said.

    ``refused`` is empty for a run that the checker accepts. It accepts INVALID runs too. ``ends``
    is why the run would end the checker itself, for the whole tree, if it would.
    """

    valid: bool
    reasons: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ends: str | None = None

    @property
    def clean(self) -> bool:
        """Whether it can be submitted as it is."""
        return self.valid and not self.refused


def judge(run: Run, benchmark: Benchmark, asked: Round, rules: Rules) -> Standing:
    """How a run stands as a result of a benchmark in a round."""
    performance = run.performance
    refused = [
        *_log_faults(performance.log, "performance", run.scenario, "PerformanceOnly"),
        *_performance_faults(performance, run.scenario, benchmark, asked, rules),
        *_accuracy_faults(run.accuracy, run.scenario, benchmark),
    ]
    valid = performance.log.values.get("result_validity") == "VALID"
    reasons = () if valid else _reasons(performance)
    return Standing(valid, reasons, tuple(refused), tuple(_notes(run)), _ends(run))


def _reasons(half: Half) -> tuple[str, ...]:
    """Why LoadGen calls a run INVALID, one sentence each: its own list has stars between them."""
    parts = (part for one in half.result.invalid_reasons for part in one.split(" * "))
    return tuple(part.strip() for part in parts if part.strip())


def _ends(run: Run) -> str | None:
    if run.accuracy is None:
        return NO_ACCURACY
    faults = [_unreadable(run.performance.log, "performance"),
              _unreadable(run.accuracy.log, "accuracy")]  # fmt: skip
    return next(filter(None, faults), None)


def _unreadable(log: DetailLog, name: str) -> str | None:
    if not log.unreadable:
        return None
    lines = ", ".join(map(str, log.unreadable))
    return f"{name}: the checker ends at what is no JSON in {log.path.name}, line {lines}"


def _log_faults(log: DetailLog, name: str, scenario: str, mode: str) -> list[str]:
    """Faults of a detail log as such, before any figure in it is looked at."""
    if broken := _unreadable(log, name):
        return [broken]
    faults = [f"{name}: LoadGen logged an error: {error}" for error in log.errors]
    if log.values.get("effective_scenario") != scenario:
        faults.append(f"{name}: the log is of scenario {log.values.get('effective_scenario')}")
    if log.values.get("effective_test_mode") != mode:
        faults.append(f"{name}: the log is of mode {log.values.get('effective_test_mode')}")
    return faults


def _performance_faults(
    half: Half, scenario: str, benchmark: Benchmark, asked: Round, rules: Rules
) -> list[str]:
    log, faults = half.log, []
    samples = log.number("effective_performance_sample_count") or 0
    if samples < benchmark.performance_samples:
        faults.append(f"it draws from {samples:g} samples, at least "
                      f"{benchmark.performance_samples} are asked for")  # fmt: skip
    wrong = [name for name, seed in asked.seeds.items() if log.number(f"effective_{name}") != seed]
    if wrong:
        faults.append(f"not the seeds of {asked.name}: {', '.join(wrong)}")
    duration = log.number("effective_min_duration_ms") or 0
    if duration < rules.min_duration_ms:
        faults.append(f"the least duration was set to {duration:g} ms, at least "
                      f"{rules.min_duration_ms} are asked for")  # fmt: skip
    if scenario in EARLY_STOPPING and log.values.get("early_stopping_met") is not True:
        faults.append("too few queries for the early stopping rule")
    bound, latency = benchmark.server_latency_ns, log.number("effective_target_latency_ns") or 0
    if scenario == "Server" and bound and latency > bound:
        faults.append(f"the latency bound was {latency / 1e6:g} ms, at most "
                      f"{bound / 1e6:g} are allowed")  # fmt: skip
    metric = rules.metrics[scenario]
    if not (log.number(metric.key) or 0) > 0:
        faults.append(f"the log has no result: {metric.key} is {log.values.get(metric.key)}")
    return [f"performance: {fault}" for fault in faults]


def _accuracy_faults(half: Half | None, scenario: str, benchmark: Benchmark) -> list[str]:
    if half is None:
        return [NO_ACCURACY]
    faults = _log_faults(half.log, "accuracy", scenario, "AccuracyOnly")
    samples = half.log.number("effective_accuracy_sample_count")
    if samples is None:
        samples = half.log.number("qsl_reported_total_count") or 0
    if samples != benchmark.dataset:
        faults.append(f"accuracy: it has {samples:g} samples, the benchmark's data set has "
                      f"{benchmark.dataset}")  # fmt: skip
    # The checker does not look whether there is an answer to each.
    return faults + [f"accuracy: {reason}" for reason in half.result.invalid_reasons]


def _notes(run: Run) -> list[str]:
    marked = ["EMULATED: its times say nothing about a real machine"] if run.record.emulated else []
    return [*marked, *run.record.reasons]
