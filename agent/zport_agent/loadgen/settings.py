"""The settings of a LoadGen run: layers laid over each other, each value with where it is from.

Where no configuration file is given, the rules are the ``mlperf.conf`` inside LoadGen itself. What
departs from those rules is listed, so that a shortened run is never taken for one that conforms.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from zport_agent.errors import BenchError, UsageError
from zport_agent.loadgen.conf import read_conf, settings_of, unheeded
from zport_agent.loadgen.names import SCENARIOS, Basis, Mode
from zport_agent.manifest import Bench, explain

MODES: dict[Mode, str] = {
    "performance": "PerformanceOnly",
    "accuracy": "AccuracyOnly",
    "find-peak": "FindPeakPerformance",
}
Values: TypeAlias = Mapping[str, Any]

MEASURED = "measured"
"""Where a value is from that one prediction before the run was the measure of."""
PREFIXES = {"SingleStream": "single_stream", "MultiStream": "multi_stream", "Server": "server"}

# Server is asked for half of what one thread was measured to do, and for an answer within ten times
# one prediction: queues at half load stay far below it. A search has a nearer bound, because it
# ends only if its queries together take far longer.
_SERVER_LOAD = 0.5
_SERVER_PATIENCE, _SEARCH_PATIENCE = 10, 3
_SEARCH_SLACK = 12
"""How many times as long as the bound a search's queries take, when all come at once: so many times
as long may the prediction have taken that was measured, beside other work."""
_DIGITS = 2
"""So many digits of the peak rate are searched for, unless a file says how many decimals."""

# Early stopping asks for so many queries at the median (LoadGen 6.0.17: 11, 11, 7 and 1).
_EMULATION: dict[str, dict[str, Any]] = {
    "SingleStream": {"min_query_count": 11, "percentile": 0.5},
    "MultiStream": {"min_query_count": 11, "percentile": 0.5, "samples_per_query": 2},
    "Server": {"min_query_count": 11, "percentile": 0.5},
    "Offline": {"min_query_count": 1},
}


@dataclass(frozen=True)
class Wish:
    """What a run is asked to be. ``flags`` are fields of the manifest's ``bench`` block that flags
    replace, ``settings`` attributes of TestSettings; the files are paths or data; ``benchmark`` is
    the model's name in them."""

    scenario: str | None = None
    mode: Mode = "performance"
    basis: Basis | None = None
    flags: Values | None = None
    settings: Values | None = None
    mlperf_conf: str | None = None
    user_conf: str | None = None
    benchmark: str | None = None


@dataclass(frozen=True)
class Settings:
    """LoadGen's settings by attribute of its TestSettings; ``origins`` says where each is from."""

    scenario: str
    mode: Mode
    basis: Basis
    benchmark: str
    values: Values
    origins: Mapping[str, str]
    departures: list[dict[str, Any]]
    unheeded: list[str]

    def requested(self) -> dict[str, Any]:
        """The settings by the names of the manifest's ``bench`` block."""
        names = _attributes(self.scenario)
        return {"scenario": self.scenario} | {
            name: self.values[names[name]] if name in names else None for name in _BLOCK
        }

    def chosen(self) -> dict[str, dict[str, Any]]:
        """Every setting that the scenario has, by TestSettings' attribute: value, and ``from``."""
        others = [name for of, name in _OWN.items() if of != self.scenario]
        return {
            name: {"value": value, "from": self.origins[name]}
            for name, value in self.values.items()
            if not name.startswith((*others, *_UNUSED))
        }

    def apply(self, loadgen: Any) -> Any:
        """TestSettings with these values. Raises UsageError for one that LoadGen cannot hold."""
        settings = loadgen.TestSettings()
        settings.scenario = getattr(loadgen.TestScenario, self.scenario)
        settings.mode = getattr(loadgen.TestMode, MODES[self.mode])
        for name, value in self.values.items():
            try:
                setattr(settings, name, value)
            except TypeError:
                raise UsageError(f"{name}: {value} is more than LoadGen takes") from None
        return settings


_OWN = {**PREFIXES, "Offline": "offline"}
_UNUSED = ("test05", "use_token", "infer_token", "token_", "ttft_", "tpot_")
"""How settings begin that belong to a scenario, and those that no run of this agent has."""
_BLOCK = (
    "min_query_count", "percentile", "min_duration_ms", "max_duration_ms", "target_qps",
    "target_latency_ns", "samples_per_query",
)  # fmt: skip


def _attributes(scenario: str) -> dict[str, str]:
    """TestSettings' attribute for each field of a ``bench`` block that the scenario has."""
    names = {name: name for name in ("min_query_count", "min_duration_ms", "max_duration_ms")}
    if scenario in PREFIXES:
        names["percentile"] = f"{PREFIXES[scenario]}_target_latency_percentile"
    if scenario == "MultiStream":
        names["samples_per_query"] = "multi_stream_samples_per_query"
    if scenario == "Server":
        names |= {
            "target_qps": "server_target_qps",
            "target_latency_ns": "server_target_latency_ns",
        }
    if scenario == "Offline":
        names["target_qps"] = "offline_expected_qps"
    return names


def resolve(
    loadgen: Any, wish: Wish, block: Bench, name: str, seconds: float, samples: int
) -> Settings:
    """The settings of a run of the model ``name`` with the manifest's block.

    ``seconds`` is what one prediction takes, ``samples`` the size of the library. Raises UsageError
    for a flag or file that is wrong, and BenchError for what this agent cannot measure.
    """
    flags = _checked_flags(wish)
    scenario, benchmark = wish.scenario or block.scenario, wish.benchmark or name
    basis = wish.basis or ("mlperf" if wish.mlperf_conf or wish.user_conf else "manifest")
    _require_possible(wish, scenario)
    rules = embedded_rules(loadgen, benchmark, scenario)
    layers: list[tuple[str, dict[str, Any]]] = [(MEASURED, {})]
    ignored: list[str] = []
    origin = "MLPerf's rules inside LoadGen"
    start = rules
    if wish.mlperf_conf:
        conf = read_conf(wish.mlperf_conf)
        origin = "mlperf.conf"
        start = _defaults(loadgen) | settings_of(conf, benchmark, scenario, "mlperf")
        ignored += unheeded(conf, benchmark, scenario, "mlperf")
    if basis == "manifest":
        layers.append(("manifest", _as_settings(scenario, block.model_dump())))
    if basis == "emulation":
        layers.append(("emulation", _as_settings(scenario, _short(scenario))))
    if wish.user_conf:
        conf = read_conf(wish.user_conf)
        layers.append(("user.conf", settings_of(conf, benchmark, scenario, "user")))
        ignored += unheeded(conf, benchmark, scenario, "user")
    layers.append(("flag", _as_settings(scenario, flags) | dict(wish.settings or {})))
    values, origins = lay(start, origin, layers)
    measured = _measured(wish.mode, basis, seconds, values["multi_stream_samples_per_query"])
    values, origins = lay(start, origin, [(MEASURED, measured), *layers[1:]])
    if wish.mode == "find-peak" and (count := _searched(values, seconds)) > 0:
        values["min_query_count"], origins["min_query_count"] = count, MEASURED
    _fit_library(values, samples)
    if values["use_token_latencies"] or values["infer_token_latencies"]:
        raise BenchError(
            f"{benchmark}: MLPerf measures the latency of tokens here, which no model of this "
            "agent gives one by one; set use_token_latencies and infer_token_latencies to 0"
        )
    return Settings(
        scenario, wish.mode, basis, benchmark, values, origins,
        departures(scenario, wish.mode, rules, values, origins, samples), ignored,
    )  # fmt: skip


def _checked_flags(wish: Wish) -> dict[str, Any]:
    given = {key: value for key, value in (wish.flags or {}).items() if value is not None}
    try:
        Bench.model_validate(given)
    except ValidationError as error:
        raise UsageError(explain("bench settings", error)) from None
    return given


def _require_possible(wish: Wish, scenario: str) -> None:
    if scenario not in SCENARIOS:
        raise UsageError(f"--scenario: expected one of {', '.join(SCENARIOS)}, found '{scenario}'")
    if wish.mode == "find-peak" and scenario != "Server":
        raise UsageError(
            f"--find-peak: LoadGen searches for the peak of Server alone, not of {scenario}; "
            "name --scenario Server"
        )


def embedded_rules(loadgen: Any, benchmark: str, scenario: str) -> dict[str, Any]:
    """MLPerf's rules for a benchmark: the ``mlperf.conf`` inside this LoadGen.

    Asked for as LoadGen does itself, of kind 0: that reads them each time, whereas reading a
    ``user.conf`` reads them at the first call in a process only.
    """
    settings = loadgen.TestSettings()
    if settings.FromConfig("", benchmark, scenario, 0) != 0:
        raise BenchError("LoadGen cannot read the mlperf.conf inside itself; install it again")
    return _plain(settings)


def _defaults(loadgen: Any) -> dict[str, Any]:
    return _plain(loadgen.TestSettings())


def _plain(settings: Any) -> dict[str, Any]:
    """All numbers and switches of TestSettings."""
    found = {name: getattr(settings, name) for name in dir(settings) if name[0] != "_"}
    return {name: value for name, value in found.items() if isinstance(value, bool | int | float)
            and name not in ("scenario", "mode")}  # fmt: skip


def lay(
    start: Values, origin: str, layers: list[tuple[str, dict[str, Any]]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The layers over the start, and the name of the layer that each value is from."""
    values, origins = dict(start), dict.fromkeys(start, origin)
    for name, layer in layers:
        values |= layer
        origins |= dict.fromkeys(layer, name)
    return values, origins


def _as_settings(scenario: str, block: Values) -> dict[str, Any]:
    """A ``bench`` block's fields as TestSettings' attributes; those that are None are left out."""
    names = _attributes(scenario)
    return {names[key]: value for key, value in block.items() if key in names and value is not None}


def _short(scenario: str) -> dict[str, Any]:
    return {"min_duration_ms": 0, **_EMULATION[scenario]}


def _measured(mode: Mode, basis: Basis, seconds: float, samples: int) -> dict[str, Any]:
    """What LoadGen expects of the system, from the seconds of one prediction; where MLPerf's rules
    are not kept anyway, Server's bound too."""
    nanoseconds = max(1, round(seconds * 1e9))
    rate = 1 / max(seconds, 1e-9)
    values = {
        "single_stream_expected_latency_ns": nanoseconds,
        "multi_stream_expected_latency_ns": nanoseconds * samples,
        "offline_expected_qps": rate,
        "server_target_qps": _SERVER_LOAD * rate,
        "server_find_peak_qps_decimals_of_precision": max(
            0, _DIGITS - 1 - math.floor(math.log10(rate))
        ),
    }
    if basis != "mlperf":
        patience = _SEARCH_PATIENCE if mode == "find-peak" else _SERVER_PATIENCE
        values["server_target_latency_ns"] = patience * nanoseconds
    return values


def _searched(values: Values, seconds: float) -> int:
    """The least number of queries with which a search for the peak ends; 0 where there are more.

    LoadGen doubles the rate until the bound is missed, for ever if so few queries are made that
    all of them, come at once, are answered within it.
    """
    bound = values["server_target_latency_ns"] / 1e9
    percentile = values["server_target_latency_percentile"]
    if not percentile > 0:
        raise UsageError("a search for the peak takes a target_latency_percentile above 0")
    needed = math.ceil(_SEARCH_SLACK * bound / (percentile * max(seconds, 1e-9)))
    return needed if needed > values["min_query_count"] else 0


def _fit_library(values: dict[str, Any], samples: int) -> None:
    """LoadGen's count of samples may not be larger than the library; 0 is all of it."""
    for name in ("performance_sample_count_override", "accuracy_sample_count_override"):
        if values[name] > samples:
            values[name] = 0


def departure_phrase(one: Mapping[str, Any]) -> str:
    """A departure in words."""
    return f"{one['setting']} is {one['value']} ({one['from']}), MLPerf's is {one['mlperf']}"


Check: TypeAlias = Callable[[Any, Any], bool]


def _equal(value: Any, rule: Any) -> bool:
    if isinstance(value, float):
        return math.isclose(value, rule, rel_tol=1e-9)
    return bool(value == rule)


def _at_least(value: Any, rule: Any) -> bool:
    return bool(value >= rule)


def _at_most(value: Any, rule: Any) -> bool:
    return bool(value <= rule)


_ALWAYS: dict[str, Check] = {
    "min_duration_ms": _at_least, "min_query_count": _at_least, "max_query_count": _equal,
    "qsl_rng_seed": _equal, "sample_index_rng_seed": _equal, "schedule_rng_seed": _equal,
    "performance_issue_unique": _equal, "performance_issue_same": _equal,
    "sample_concatenate_permutation": _equal,
}  # fmt: skip
_RULES: dict[str, dict[str, Check]] = {
    "SingleStream": {"single_stream_target_latency_percentile": _equal},
    "MultiStream": {
        "multi_stream_target_latency_percentile": _equal, "multi_stream_samples_per_query": _equal,
    },
    "Server": {
        "server_target_latency_percentile": _equal, "server_target_latency_ns": _at_most,
    },
    "Offline": {},
}  # fmt: skip
"""How a setting must be to MLPerf's, of those that the submission checker looks at."""


def departures(
    scenario: str, mode: Mode, rules: Values, values: Values, origins: Mapping[str, str],
    samples: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """The settings that depart from MLPerf's rules: each with its value, the rule's, and where the
    value is from. Of an accuracy run only which samples it answers."""
    checks = _ALWAYS | _RULES[scenario] if mode != "accuracy" else {}
    found = [
        {"setting": name, "value": values[name], "mlperf": rules[name], "from": origins[name]}
        for name, holds in checks.items()
        if not holds(values[name], rules[name])
    ]
    kind = "accuracy" if mode == "accuracy" else "performance"
    rule = rules[f"{kind}_sample_count_override"]
    count = values[f"{kind}_sample_count_override"] or samples
    if count < rule:
        found.append({"setting": f"{kind}_sample_count", "value": count, "mlperf": rule,
                      "from": "the model's inputs"})  # fmt: skip
    if mode == "find-peak":
        found.append({"setting": "mode", "value": MODES[mode], "mlperf": MODES["performance"],
                      "from": "flag"})  # fmt: skip
    return found
