"""MLPerf's configuration files: read as LoadGen reads them, or refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zport_agent
from zport_agent.errors import UsageError
from zport_agent.loadgen.conf import as_data, parse_conf, read_conf, settings_of, unheeded

USER = """\
# A comment, and a setting that is commented out:
#*.Server.target_qps = 77
*.Server.target_qps = 12.5
resnet50.Server.target_latency = 15
*.*.min_duration = 600000
resnet50-v1.5.*.min_duration = 0x10
resnet50.*.performance_sample_count_override = 1024
*.MultiStream.samples_per_query = 4
*.SingleStream.target_latency = 2.5
*.*.sample_concatenate_permutation = 1
*.SingleStream.target_latency_percentile = 99.9
*.Offline.target_qps = 1e3
"""


def said(text: str, model: str = "m", scenario: str = "Server", kind: Any = "user") -> Any:
    return settings_of(parse_conf(text, "user.conf"), model, scenario, kind)


def test_units_are_those_of_test_settings() -> None:
    found = said(USER, "resnet50", "Server")
    assert found["server_target_qps"] == 12.5
    assert found["server_target_latency_ns"] == 15_000_000
    assert found["min_duration_ms"] == 600_000
    assert found["sample_concatenate_permutation"] is True
    assert found["single_stream_target_latency_percentile"] == pytest.approx(0.999)
    assert found["single_stream_expected_latency_ns"] == 2_500_000


def test_a_models_name_may_have_dots_and_a_number_may_be_hexadecimal() -> None:
    assert said(USER, "resnet50-v1.5")["min_duration_ms"] == 16


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (("*.*", "*.Server", "m.*", "m.Server"), 4),
        (("*.*", "m.*", "*.Server"), 3),
        (("m.*", "*.*"), 1),
        (("other.*", "*.*"), 2),
        (("m.Offline", "*.*"), 2),
    ],
)
def test_wildcards(lines: tuple[str, ...], value: int) -> None:
    """Exact, then any model, then any scenario: LoadGen's own order."""
    text = "".join(f"{name}.min_query_count = {n}\n" for n, name in enumerate(lines, 1))
    assert said(text)["min_query_count"] == value


def test_the_later_of_two_lines_counts() -> None:
    assert said("*.*.min_duration = 1\n*.*.min_duration = 2\n")["min_duration_ms"] == 2


def test_seeds_are_mlperfs_alone() -> None:
    text = "*.*.qsl_rng_seed = 5\n*.*.target_duration = 0\n"
    assert said(text) == {}
    assert said(text, kind="mlperf") == {"qsl_rng_seed": 5}
    conf = parse_conf(text, "x")
    assert unheeded(conf, "m", "Server", "user") == ["qsl_rng_seed", "target_duration"]
    assert unheeded(conf, "m", "Server", "mlperf") == ["target_duration"]


def test_a_key_of_another_scenario_is_not_unheeded() -> None:
    conf = parse_conf("*.Offline.target_latency_percentile = 90\nx.*.mystery = 1\n", "x")
    assert unheeded(conf, "m", "Offline", "mlperf") == ["target_latency_percentile"]
    assert unheeded(conf, "m", "Server", "mlperf") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("*.*.min_duration=5", "spaces around '='"),
        ("*.*.min_duration =", "spaces around '='"),
        ("*.*.min_duration", "spaces around '='"),
        ("*.*.min_duration = 5 # ms", "nothing after the value"),
        ("#min duration = 5", "a space after the '#'"),
        ("*.*.min_duration = five", "expected a number, found 'five'"),
        ("*.*.min_duration = -5", "expected a number, found '-5'"),
        ("*.*.min_duration = nan", "expected a number"),
        ("*.*.min_duration = inf", "expected a number"),
        ("min_duration = 5", "expected a key 'model.scenario.key'"),
        ("..min_duration = 5", "expected a key 'model.scenario.key'"),
        ("*.Sever.target_qps = 5", "unknown scenario 'Sever'; did you mean Server?"),
        ("*.x.target_qps = 5", "known are SingleStream"),
    ],
)
def test_a_bad_line_is_named(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_conf(f"# first\n{text}\n", "user.conf")
    assert str(caught.value).startswith("user.conf, line 2: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("min_duration = 1e3", "min_duration: expected a whole number"),
        ("min_query_count = 010", "min_query_count: expected a whole number"),
        ("min_query_count = 2.5", "expected a whole number"),
        ("min_query_count = 99999999999999999999", "expected a whole number"),
        ("target_latency = 0.5", "target_latency: expected a whole number"),
        ("performance_issue_same = 2", "expected 0 or 1"),
    ],
)
def test_what_loadgen_would_take_for_another_value_is_refused(line: str, words: str) -> None:
    """1e3 is 1 to it, 010 is 8, and half a millisecond of Server's bound is none at all."""
    with pytest.raises(UsageError, match=words):
        said(f"*.Server.{line}\n")


def test_a_file_that_is_absent_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_conf(str(tmp_path / "none.conf"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not text"):
        read_conf(str(tmp_path / "bytes"))


def test_a_file_can_be_given_as_data() -> None:
    word = as_data(USER)
    assert not set(word) & set(" \n\t'\"")
    assert read_conf(word).values == parse_conf(USER, "x").values
    with pytest.raises(UsageError, match="the file given as data, line 1"):
        read_conf(as_data("x = 1\n"))


# FromConfig reads the rules inside LoadGen at its first call in a process only, so each is a child.
CHILD = """
import json, sys
import mlperf_loadgen as loadgen
sys.path.insert(0, {agent!r})
from zport_agent.loadgen import settings
from zport_agent.loadgen.conf import read_conf, settings_of
model, scenario, path = {model!r}, {scenario!r}, {path!r}
theirs = loadgen.TestSettings()
status = theirs.FromConfig(path, model, scenario)
ours = settings.embedded_rules(loadgen, model, scenario)
ours |= settings_of(read_conf(path), model, scenario, "user")
print(json.dumps([status, settings._plain(theirs), ours]))
"""


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Server", "Offline"])
@pytest.mark.parametrize("model", ["resnet50", "resnet50-v1.5", "3d-unet"])
def test_every_setting_is_what_loadgen_makes_of_the_file(
    tmp_path: Path, model: str, scenario: str
) -> None:
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")
    path = tmp_path / "user.conf"
    path.write_text(USER)
    agent = str(Path(zport_agent.__file__).parents[1])
    code = CHILD.format(agent=agent, model=model, scenario=scenario, path=str(path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    status, theirs, ours = json.loads(done.stdout)
    assert status == 0
    assert theirs == ours
    assert theirs["qsl_rng_seed"] > 0
