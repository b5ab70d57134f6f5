"""MLPerf's configuration files, ``mlperf.conf`` and ``user.conf``, read as LoadGen reads them.

LoadGen's own ``FromConfig`` (6.0.17) is not used for files, because it takes what this module
refuses: ``key=5`` without spaces is no setting, ``1e3`` for a whole number is 1 and ``010`` is 8.
What it finds wrong it writes to a log that is not open yet, it cannot take another ``mlperf.conf``
than its own, and it does not tell which file said what. The grammar, the order of the wildcards and
the meaning of each key are those of its ``test_settings_internal.cc``; a test holds both together.

The toolkit on the host reads this module too, so it imports neither NumPy nor LoadGen.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, unquote

from zport_agent.errors import UsageError
from zport_agent.loadgen.names import SCENARIOS

Kind: TypeAlias = Literal["mlperf", "user"]
_DATA = "data:,"
_LARGEST = 2**64 - 1


@dataclass(frozen=True)
class Conf:
    """A configuration file: its lines' values by (model, scenario, key), as text, and their
    places."""

    where: str
    values: dict[tuple[str, str, str], str]
    lines: dict[tuple[str, str, str], int]

    def find(self, model: str, scenario: str, key: str) -> tuple[str, str] | None:
        """The value for a key and where it stands: exact, then any model, then any scenario."""
        for names in ((model, scenario), ("*", scenario), (model, "*"), ("*", "*")):
            if (value := self.values.get((*names, key))) is not None:
                return value, f"{self.where}, line {self.lines[(*names, key)]}: {key}"
        return None


def read_conf(file: str) -> Conf:
    """Read a configuration file: a path, or the text itself as :func:`as_data` writes it.

    Raises UsageError when it is absent, or a line of it is not what LoadGen can take.
    """
    if file.startswith(_DATA):
        return parse_conf(unquote(file.removeprefix(_DATA)), "the file given as data")
    try:
        return parse_conf(Path(file).read_text(encoding="utf-8"), file)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; name a configuration file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: not text; expected 'model.scenario.key = value'") from None


def as_data(text: str) -> str:
    """The text of a configuration file as one word (RFC 2397), for where no file can be seen."""
    return _DATA + quote(text, safe="*.=")


def parse_conf(text: str, where: str) -> Conf:
    """Parse a configuration file's text. Raises UsageError naming ``where`` and the line."""
    values: dict[tuple[str, str, str], str] = {}
    lines: dict[tuple[str, str, str], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        # To LoadGen only a "#" that stands alone begins a comment. A setting with one before it
        # has a name that nobody asks for, which amounts to the same.
        if not words or words[0] == "#" or (words[0].startswith("#") and words[1:2] in ([], ["="])):
            continue
        key, value = _setting(words, f"{where}, line {number}")
        values[key], lines[key] = value, number
    return Conf(where, values, lines)


def _setting(words: list[str], where: str) -> tuple[tuple[str, str, str], str]:
    if words[0].startswith("#"):
        raise UsageError(f"{where}: LoadGen takes this for a setting: write a space after the '#'")
    if len(words) != 3 or words[1] != "=":
        raise UsageError(
            f"{where}: expected 'model.scenario.key = value' with spaces around '=' and nothing "
            f"after the value, found '{' '.join(words)[:80]}'"
        )
    # A model's own name may have dots, the scenario and the key have none.
    parts = words[0].rsplit(".", 2)
    if len(parts) != 3 or not all(parts):
        raise UsageError(f"{where}: expected a key 'model.scenario.key', found '{words[0]}'")
    model, scenario, key = parts
    if scenario not in (*SCENARIOS, "*"):
        near = difflib.get_close_matches(scenario, SCENARIOS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(SCENARIOS)} and *"
        raise UsageError(f"{where}: unknown scenario '{scenario}'; {hint}")
    if _number(words[2]) is None:
        raise UsageError(f"{where}: {key}: expected a number, found '{words[2][:40]}'")
    return (model, scenario, key), words[2]


def _number(text: str) -> float | None:
    """A finite number that is not negative, decimal or (whole) hexadecimal."""
    try:
        value = int(text, 0) if text.lower().startswith("0x") else float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _whole(multiplier: int = 1) -> Callable[[str], int]:
    def convert(text: str) -> int:
        # LoadGen reads "010" as octal and "1e3" as 1: neither can be meant.
        try:
            value = int(text, 0) * multiplier
        except ValueError:
            value = -1
        if not 0 <= value <= _LARGEST:
            raise ValueError("a whole number, as LoadGen reads it")
        return value

    return convert


def _real(multiplier: float) -> Callable[[str], float]:
    return lambda text: (_number(text) or 0.0) * multiplier


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return text == "1"


@dataclass(frozen=True)
class _Key:
    """What a key sets: ``scenario`` is the only one it is asked for, if there is only one."""

    setting: str
    convert: Callable[[str], Any]
    scenario: str | None = None
    only_mlperf: bool = False


_MS = 1_000_000
"""Nanoseconds in a millisecond, the unit of these files."""

_KEYS: dict[str, tuple[_Key, ...]] = {
    **{
        name: (_Key(name, _whole(), only_mlperf=True),)
        for name in (
            "qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed", "test05_qsl_rng_seed",
            "test05_sample_index_rng_seed", "test05_schedule_rng_seed",
        )
    },
    "test05": (_Key("test05", _switch, only_mlperf=True),),
    "accuracy_log_probability": (
        _Key("accuracy_log_probability", _real(0.01), only_mlperf=True),
    ),
    **{
        name: (_Key(name, _whole()),)
        for name in (
            "performance_issue_same_index", "min_query_count", "max_query_count",
            "performance_sample_count_override", "accuracy_sample_count_override",
            "accuracy_log_rng_seed", "accuracy_log_sampling_target",
        )
    },
    **{
        name: (_Key(name, _switch),)
        for name in (
            "use_token_latencies", "infer_token_latencies", "performance_issue_unique",
            "performance_issue_same", "sample_concatenate_permutation", "print_timestamps",
        )
    },
    "min_duration": (_Key("min_duration_ms", _whole()),),
    "max_duration": (_Key("max_duration_ms", _whole()),),
    "coalesce_queries": (_Key("server_coalesce_queries", _switch, "Server"),),
    "max_async_queries": (_Key("server_max_async_queries", _whole(), "Server"),),
    "samples_per_query": (_Key("multi_stream_samples_per_query", _whole(), "MultiStream"),),
    "target_latency_percentile": (
        _Key("single_stream_target_latency_percentile", _real(0.01), "SingleStream"),
        _Key("multi_stream_target_latency_percentile", _real(0.01), "MultiStream"),
        _Key("server_target_latency_percentile", _real(0.01), "Server"),
    ),
    "target_latency": (
        _Key("single_stream_expected_latency_ns", _real(_MS), "SingleStream"),
        _Key("multi_stream_expected_latency_ns", _real(_MS), "MultiStream"),
        _Key("server_target_latency_ns", _whole(_MS), "Server"),
    ),
    "target_qps": (
        _Key("server_target_qps", _real(1), "Server"),
        _Key("offline_expected_qps", _real(1), "Offline"),
    ),
}  # fmt: skip
"""Every key that LoadGen asks for but ``mode``, which a flag says, and those of token latencies'
bounds, which no model of these agents has."""


def settings_of(conf: Conf, model: str, scenario: str, kind: Kind) -> dict[str, Any]:
    """What a file says for a model in a scenario: TestSettings' attributes with their values.

    Latencies are nanoseconds, durations milliseconds, percentiles fractions. Raises UsageError
    for a value that LoadGen would take for another one.
    """
    found: dict[str, Any] = {}
    for name, keys in _KEYS.items():
        for key in keys:
            if key.only_mlperf and kind == "user":
                continue
            said = conf.find(model, key.scenario or scenario, name)
            if said is None:
                continue
            try:
                found[key.setting] = key.convert(said[0])
            except ValueError as error:
                raise UsageError(f"{said[1]}: expected {error}, found '{said[0][:40]}'") from None
    return found


def unheeded(conf: Conf, model: str, scenario: str, kind: Kind) -> list[str]:
    """The keys that a file sets for this model and scenario, and LoadGen does not ask for."""
    return sorted({
        name
        for of, within, name in conf.values
        if of in (model, "*") and within in (scenario, "*")
        and not any(
            key.scenario in (None, scenario) and not (key.only_mlperf and kind == "user")
            for key in _KEYS.get(name, ())
        )
    })  # fmt: skip
