"""Reads what LoadGen writes: the ``:::MLLOG`` lines of its detail log, and its accuracy log."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zport_agent.arrays import Array, to_native
from zport_agent.errors import BenchError

_PREFIX = ":::MLLOG"

# C++ prints "nan", "-nan" and "inf" where JSON has no word (a Server run of one query does).
_NOT_JSON = re.compile(r"(?<=[:\[,])(\s*)[-+]?(?:nan|inf(?:inity)?)(?=\s*[,}\]])", re.IGNORECASE)

_PEAK = re.compile(r"FindPeakPerformance: Found peak performance field: (\d+(?:\.\d+)?)")

_PERCENTILE = re.compile(r"result_(\d+\.\d+)_percentile_(?:per_query_)?latency_ns")

# The checker of MLPerf Inference submissions reads these keys; the latencies are nanoseconds.
METRICS: dict[str, tuple[str, str]] = {
    "SingleStream": ("early_stopping_latency_ss", "ns"),
    "MultiStream": ("early_stopping_latency_ms", "ns"),
    "Server": ("result_completed_samples_per_sec", "samples/s"),
    "Offline": ("result_samples_per_second", "samples/s"),
}


@dataclass(frozen=True)
class DetailLog:
    """The last value of every key, the messages of lines marked as errors, and the rate that a
    search for the peak ended with, in queries a second."""

    values: dict[str, Any]
    errors: list[str] = field(default_factory=list)
    peak: float | None = None

    @property
    def valid(self) -> bool:
        """Whether LoadGen calls a performance run VALID."""
        return self.values.get("result_validity") == "VALID"

    def latencies(self) -> dict[str, int]:
        """Latency percentiles in nanoseconds, by percentile ('50.00'), and their extremes."""
        found = {}
        for key, value in self.values.items():
            match = _PERCENTILE.fullmatch(key)
            name = match.group(1) if match else _EXTREMES.get(key)
            if name and isinstance(value, int | float):
                found[name] = int(value)
        return found

    def settings(self) -> dict[str, Any]:
        """The settings LoadGen says it used (its ``effective_`` keys)."""
        prefix = "effective_"
        return {k[len(prefix) :]: v for k, v in self.values.items() if k.startswith(prefix)}

    def reasons(self) -> list[str]:
        """Why a run is not VALID, in words."""
        met = [text for key, text in _CRITERIA.items() if self.values.get(key) is False]
        told = self.values.get("result_invalid_reason") or self.values.get("early_stopping_result")
        return [*met, *([str(told)] if told and not self.valid else []), *self.errors]


_EXTREMES = {f"result_{name}_latency_ns": name for name in ("min", "max", "mean")}

_CRITERIA = {
    "result_min_duration_met": "the minimum duration was not reached",
    "result_min_queries_met": "the minimum number of queries was not reached",
    "result_perf_constraints_met": "the latency constraint was not met",
    "early_stopping_met": "too few queries for LoadGen's early stopping rule",
}


def parse_detail(text: str, where: str) -> DetailLog:
    """Parse the text of mlperf_log_detail.txt; NaN and infinity become None.

    Raises BenchError, naming ``where`` and the line, when an MLLOG line is broken or none exists.
    """
    values: dict[str, Any] = {}
    errors: list[str] = []
    peak = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith(_PREFIX):
            continue
        entry = _entry(line.removeprefix(_PREFIX), f"{where}, line {number}")
        values[entry["key"]] = entry["value"]
        if entry["key"] == "generic_message" and (found := _PEAK.match(str(entry["value"]))):
            peak = float(found[1])
        if entry.get("metadata", {}).get("is_error"):
            errors.append(f"{entry['key']}: {entry['value']}")
    if not values:
        raise BenchError(f"{where}: no {_PREFIX} line; LoadGen did not finish, run it again")
    return DetailLog(values, errors, peak)


def _entry(text: str, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(_NOT_JSON.sub(r"\1null", text))
    except ValueError as error:
        raise BenchError(f"{where}: broken {_PREFIX} line ({error}); run it again") from None
    if not isinstance(entry, dict) or not {"key", "value"} <= entry.keys():
        raise BenchError(f"{where}: expected an object with 'key' and 'value', found {text[:80]}")
    return entry


def read_detail(path: Path) -> DetailLog:
    """Parse a detail log. Raises BenchError when it is absent or broken."""
    try:
        return parse_detail(path.read_text(encoding="utf-8", errors="replace"), str(path))
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}; LoadGen wrote no detail log") from None


def read_accuracy(path: Path) -> dict[int, bytes]:
    """The response bytes by sample index, as the harness gave them (little-endian arrays).

    Raises BenchError when the log is absent, cut short or not LoadGen's.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {int(entry["qsl_idx"]): bytes.fromhex(entry["data"]) for entry in entries}
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}; LoadGen wrote no accuracy log") from None
    except (ValueError, TypeError, KeyError) as error:
        raise BenchError(f"{path}: not a whole accuracy log ({error!r}); run it again") from None


def decode_answer(data: bytes, layout: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """One answer's outputs by name, in the processor's own order, from their declared dtypes.

    Raises BenchError when there are not as many bytes as the layout says.
    """
    outputs: dict[str, Array] = {}
    start = 0
    for entry in layout:
        dtype, count = np.dtype(entry["dtype"]), math.prod(entry["shape"])
        if start + count * dtype.itemsize > len(data):
            raise BenchError(f"output '{entry['name']}': the logged answer is cut short")
        array = np.frombuffer(data, dtype, count, start).reshape(entry["shape"])
        outputs[entry["name"]] = to_native(array)
        start += count * dtype.itemsize
    if start != len(data):
        raise BenchError(f"a logged answer has {len(data)} bytes, its outputs have {start}")
    return outputs
