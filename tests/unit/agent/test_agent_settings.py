"""Settings of LoadGen: which layer a value is from, and what departs from MLPerf's rules."""

from pathlib import Path
from typing import Any

import pytest
from zport_agent.errors import BenchError, UsageError
from zport_agent.loadgen.conf import as_data
from zport_agent.loadgen.settings import Settings, Wish, resolve
from zport_agent.manifest import Bench

loadgen = pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")

BLOCK = Bench(scenario="Server", min_query_count=20, percentile=0.9)
SECONDS = 0.01


def made(wish: Wish, *, block: Bench = BLOCK, name: str = "m", samples: int = 5) -> Settings:
    return resolve(loadgen, wish, block, name, SECONDS, samples)


def origin(settings: Settings, name: str) -> tuple[Any, str]:
    return settings.values[name], settings.origins[name]


def departing(settings: Settings) -> set[str]:
    return {one["setting"] for one in settings.departures}


def test_the_manifest_is_the_basis_where_nothing_is_said() -> None:
    settings = made(Wish())
    assert (settings.basis, settings.scenario) == ("manifest", "Server")
    assert origin(settings, "min_query_count") == (20, "manifest")
    assert origin(settings, "server_target_qps") == (50.0, "measured")
    assert origin(settings, "server_target_latency_ns") == (100_000_000, "measured")
    assert settings.values["qsl_rng_seed"] > 0
    assert departing(settings) == {
        "min_duration_ms", "min_query_count", "server_target_latency_percentile",
        "server_target_latency_ns",
    }  # fmt: skip


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Server", "Offline"])
def test_mlperfs_rules_alone_depart_in_nothing(scenario: str) -> None:
    settings = made(Wish(scenario, basis="mlperf"))
    assert settings.departures == []
    assert settings.values["min_duration_ms"] == 600_000
    assert settings.origins["min_duration_ms"] == "MLPerf's rules inside LoadGen"


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Server", "Offline"])
def test_emulation_is_told_setting_by_setting(scenario: str) -> None:
    settings = made(Wish(scenario, basis="emulation"))
    by_name = {one["setting"]: one for one in settings.departures}
    assert by_name["min_duration_ms"] == {
        "setting": "min_duration_ms", "value": 0, "mlperf": 600_000, "from": "emulation",
    }  # fmt: skip
    assert "min_query_count" in by_name


def test_layers_lie_over_each_other_in_order() -> None:
    mlperf = as_data("*.*.min_duration = 5\n*.*.min_query_count = 5\n*.*.max_duration = 5\n")
    user = as_data("*.*.min_query_count = 6\n*.*.max_duration = 6\n*.Server.target_qps = 6\n")
    flags = {"max_duration_ms": 7, "target_qps": None}
    settings = made(Wish(mlperf_conf=mlperf, user_conf=user, flags=flags))
    assert settings.basis == "mlperf"
    assert origin(settings, "min_duration_ms") == (5, "mlperf.conf")
    assert origin(settings, "min_query_count") == (6, "user.conf")
    assert origin(settings, "max_duration_ms") == (7, "flag")
    assert origin(settings, "server_target_qps") == (6.0, "user.conf")


def test_a_given_mlperf_conf_does_not_move_the_rules() -> None:
    """A file that asks for less conforms no more than a flag that does."""
    settings = made(Wish("Offline", mlperf_conf=as_data("*.Offline.min_duration = 1\n")))
    found = {one["setting"]: one["from"] for one in settings.departures}
    assert found["min_duration_ms"] == "mlperf.conf"
    assert {"qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"} <= set(found)


def test_seeds_that_differ_in_the_last_digit_depart() -> None:
    rules = made(Wish("Offline", basis="mlperf")).values
    settings = made(Wish("Offline", basis="mlperf",
                         settings={"qsl_rng_seed": rules["qsl_rng_seed"] + 1}))  # fmt: skip
    assert departing(settings) == {"qsl_rng_seed"}


def test_a_tighter_bound_and_more_queries_do_not_depart() -> None:
    flags = {"target_latency_ns": 9_000_000, "min_query_count": 101, "min_duration_ms": 600_001}
    assert made(Wish("Server", basis="mlperf", flags=flags)).departures == []
    assert departing(made(Wish("Server", basis="mlperf", flags={"target_latency_ns": 11_000_000})))


def test_a_library_that_is_smaller_than_the_benchmarks() -> None:
    settings = made(Wish("Offline", basis="mlperf", benchmark="resnet50"))
    assert settings.values["performance_sample_count_override"] == 0
    assert departing(settings) == {"performance_sample_count"}
    assert (
        made(Wish("Offline", basis="mlperf", benchmark="resnet50"), samples=1024).departures == []
    )


def test_an_accuracy_run_departs_only_in_what_it_answers() -> None:
    assert made(Wish(mode="accuracy")).departures == []


def test_find_peak_is_servers_alone_and_no_result_of_mlperfs() -> None:
    with pytest.raises(UsageError, match="LoadGen searches for the peak of Server alone"):
        made(Wish("MultiStream", mode="find-peak"))
    settings = made(Wish("Server", mode="find-peak", basis="mlperf"))
    assert departing(settings) == {"mode"}
    assert settings.values["server_find_peak_qps_decimals_of_precision"] == 0
    slow = resolve(loadgen, Wish(mode="find-peak"), BLOCK, "m", 8.0, 5)
    assert slow.values["server_find_peak_qps_decimals_of_precision"] == 2


def test_a_search_makes_more_queries_than_the_bound_has_room_for() -> None:
    """Else LoadGen doubles the rate for ever."""
    settings = made(Wish("Server", mode="find-peak", basis="emulation"))
    assert origin(settings, "min_query_count") == (72, "measured")
    many = made(Wish("Server", mode="find-peak", flags={"min_query_count": 500}))
    assert origin(many, "min_query_count") == (500, "flag")
    assert made(Wish("Server", basis="emulation")).values["min_query_count"] == 11


def test_no_search_for_a_share_of_nothing(tmp_path: Path) -> None:
    conf = tmp_path / "user.conf"
    conf.write_text("*.Server.target_latency_percentile = 0\n")
    with pytest.raises(UsageError, match="target_latency_percentile above 0"):
        made(Wish("Server", mode="find-peak", user_conf=str(conf)))


@pytest.mark.parametrize("count", [1 << 64, 1 << 200])
def test_more_than_loadgen_can_hold(count: int) -> None:
    settings = made(Wish("Server", flags={"min_query_count": count}))
    with pytest.raises(UsageError, match=f"min_query_count: {count} is more than LoadGen takes"):
        settings.apply(loadgen)


def test_latencies_of_tokens_are_refused() -> None:
    with pytest.raises(BenchError, match="the latency of tokens"):
        made(Wish("Server", basis="mlperf", benchmark="llama2-70b"))


def test_requested_has_the_names_of_the_manifests_block() -> None:
    assert made(Wish()).requested() == {
        "scenario": "Server", "min_query_count": 20, "percentile": 0.9, "min_duration_ms": 0,
        "max_duration_ms": 0, "target_qps": 50.0, "target_latency_ns": 100_000_000,
        "samples_per_query": None,
    }  # fmt: skip


def test_chosen_has_nothing_of_other_scenarios() -> None:
    chosen = made(Wish("Offline")).chosen()
    assert "offline_expected_qps" in chosen and "min_duration_ms" in chosen
    assert not [name for name in chosen if name.startswith(("server_", "single_", "token_"))]


def test_bad_flags_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="min_query_count: expected greater than or equal to 1"):
        made(Wish(flags={"min_query_count": 0}))
    with pytest.raises(UsageError, match=r"user.conf, line 1"):
        path = tmp_path / "user.conf"
        path.write_text("oops\n")
        made(Wish(user_conf=str(path)))
