"""LoadGen on its target: every scenario to a verdict, and the bytes of its accuracy log.

Needs nothing but Python. Each run has a process of its own, because LoadGen keeps settings of
the first one.
"""

import json
import struct
import subprocess
import sys
import tempfile
import unittest
from array import array
from pathlib import Path
from typing import Any

import mlperf_loadgen as loadgen

SAMPLES = 4
QUERIES = 100  # LoadGen asks for 64 at the 90th percentile before it calls a run VALID.
SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
SECOND = 10**9


def answer(index: int) -> bytes:
    """The response to a sample: a float32 in little-endian order, on any machine."""
    return struct.pack("<f", 1.0 + index)


def run(scenario: str, mode: str, patience: str, folder: str) -> None:
    """One run of LoadGen against a system that answers at once."""

    def issue(samples: list[Any]) -> None:
        for sample in samples:
            content = array("B", answer(sample.index))
            address, size = content.buffer_info()
            response = loadgen.QuerySampleResponse(sample.id, address, size)
            loadgen.QuerySamplesComplete([response])

    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = getattr(loadgen.TestMode, mode)
    settings.min_query_count = QUERIES
    settings.min_duration_ms = 0
    settings.single_stream_target_latency_percentile = 0.9
    settings.multi_stream_target_latency_percentile = 0.9
    settings.multi_stream_samples_per_query = 2
    settings.server_target_latency_percentile = 0.9
    settings.server_target_latency_ns = int(patience)
    settings.server_target_qps = 5 * QUERIES
    settings.offline_expected_qps = QUERIES
    logs = loadgen.LogSettings()
    logs.enable_trace = False
    logs.log_output.outdir = folder
    system = loadgen.ConstructSUT(issue, lambda: None)
    library = loadgen.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
    loadgen.StartTestWithLogSettings(system, library, settings, logs)
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(system)


def logs_of(scenario: str, mode: str, patience: int = SECOND) -> tuple[str, dict[str, Any], str]:
    """The logs of a run in a new process: summary, values of the detail log, accuracy log."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, scenario, mode, str(patience), folder]
        subprocess.run(command, check=True, timeout=120)
        summary, detail, accuracy = (
            Path(folder, f"mlperf_log_{name}").read_text()
            for name in ("summary.txt", "detail.txt", "accuracy.json")
        )
    lines = [line for line in detail.splitlines() if line.startswith(":::MLLOG ")]
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines]
    return summary, {entry["key"]: entry["value"] for entry in entries}, accuracy


class LoadGen(unittest.TestCase):
    """What every user of LoadGen stands on."""

    def test_every_scenario_is_valid(self) -> None:
        for scenario in SCENARIOS:
            with self.subTest(scenario):
                summary, detail, _ = logs_of(scenario, "PerformanceOnly")
                self.assertIn("Result is : VALID", summary)
                self.assertEqual(detail["result_validity"], "VALID")
                self.assertEqual(detail["effective_scenario"], scenario)
                self.assertEqual(detail["effective_min_duration_ms"], 0)
                least, most = (detail[f"result_{end}_latency_ns"] for end in ("min", "max"))
                self.assertLess(0, least)
                self.assertLessEqual(least, detail["result_mean_latency_ns"])
                self.assertLessEqual(detail["result_mean_latency_ns"], most)

    def test_a_late_server_is_invalid(self) -> None:
        summary, detail, _ = logs_of("Server", "PerformanceOnly", patience=1)
        self.assertIn("Result is : INVALID", summary)
        self.assertEqual(detail["result_validity"], "INVALID")

    def test_accuracy_log_holds_the_bytes_that_were_given(self) -> None:
        _, _, accuracy = logs_of("Offline", "AccuracyOnly")
        logged = {entry["qsl_idx"]: entry["data"] for entry in json.loads(accuracy)}
        self.assertEqual(logged[0], "0000803F")
        expected = {index: answer(index).hex().upper() for index in range(SAMPLES)}
        self.assertEqual(logged, expected)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(*sys.argv[1:])
    else:
        unittest.main()
