"""Made-up results: as many cells as asked for, always the same ones, of every kind that there is.

They have the shape of real ones (``CellResult.record``), with what the page has to stand: every
verdict, numbers that are not finite, differing operators, logs, names with markup in them.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from zport.workspace import Workspace, write_json, write_whole

HOSTILE = "<script>document.title='broken'</script>"
AGENTS = (
    ("onnxruntime", "onnxruntime"),
    ("pytorch", "torch"),
    ("tflite", "tflite"),
    ("openvino", "openvino"),
)
PLACES = (
    ("s390x", "qemu", True), ("amd64", "native", False), ("s390x", "ssh://z16", False),
    ("arm64", "qemu", True), ("ppc64le", "qemu", True),
)  # fmt: skip
BIG = ("s390x",)
VERDICTS = ("pass",) * 44 + ("differs", "differs", "crash", "unsupported", "blocked", "timeout")
REASONS = {
    "differs": "first at output logits: 12 of 1000 outside; looks like swapped float32",
    "crash": "the container ended with status 139",
    "unsupported": "the image has no operator com.microsoft.QAttention",
    "blocked": "no reference to compare with: run zport models expect",
    "timeout": "no answer within 3600 s",
}
FAMILIES = (
    "resnet",
    "bert",
    "mobilenet",
    "vgg",
    "densenet",
    "silero-vad",
    "whisper",
    "unet",
    "dlrm",
)
SETTINGS = {f"setting_{number}": number for number in range(30)}


def run_file(
    count: int, seed: int = 1, written: str = "2026-11-01T12:00:00+00:00"
) -> dict[str, Any]:
    """A whole run file with that many cells."""
    return {
        "schema": 1,
        "zport": "0.1.0",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "written": written,
        "host": "amd64",
        "engine": "buildah",
        "emulators": {"s390x": "qemu-s390x version 7.2"},
        "images": images(),
        "cells": cells(count, seed),
    }


def images() -> list[dict[str, Any]]:
    """The images of all agents on all targets."""
    targets = dict.fromkeys(target for target, _, _ in PLACES)
    return [
        {
            "agent": agent,
            "target": target,
            "image": f"localhost/zport/{agent}:{target}",
            "key": f"{number:016x}",
            "bytes": 250_000_000 + 37_000_000 * number,
            "compressed": False,
            "layers": ["sha256:a", "sha256:b"],
            "requirements": [{"name": "numpy", "version": "2.2", "kind": "distribution"}],
        }
        for number, (agent, target) in enumerate((a, t) for a, _ in AGENTS for t in targets)
    ]


def cells(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """That many cells: model by model, in each agent at each place."""
    chance = random.Random(seed)
    across = [(agent, place) for agent in AGENTS for place in PLACES]
    return [
        _cell(number // len(across), *across[number % len(across)], chance)
        for number in range(count)
    ]


def _cell(
    number: int, agent: tuple[str, str], place: tuple[str, str, bool], chance: random.Random
) -> dict[str, Any]:
    target, runner, emulated = place
    family = FAMILIES[number % len(FAMILIES)]
    model = f"{family}-{number}" if number else f'{HOSTILE} & "{family}"'
    reference = runner == "native"
    verdict = "pass" if reference else chance.choice(VERDICTS)
    judged = verdict in ("pass", "differs")
    size = 0.0 if reference else 10 ** chance.uniform(-9, -5)
    if verdict == "differs":
        size = float("nan") if number % 7 == 0 else 10 ** chance.uniform(-2, 3)
    return {
        "model": model,
        "model_version": "1.0",
        "weights": "trained" if number % 3 else "seeded",
        "agent": agent[0],
        "framework": agent[1],
        "target": target,
        "byte_order": "big" if target in BIG else "little",
        "runner": runner,
        "emulated": emulated,
        "key": f"{chance.getrandbits(64):016x}",
        "image_key": f"{number:016x}",
        "verdict": verdict,
        "reason": REASONS.get(verdict),
        "compared_with": "amd64 in this run" if judged else None,
        "tolerance": {"absolute": 1e-5, "relative": 1e-4, "reason": None},
        "largest_absolute": size if judged else None,
        "largest_relative": size * 3 if judged else None,
        "outputs": [_output(name, verdict, size) for name in ("logits", "boxes")] if judged else [],
        "differing": _differing() if verdict == "differs" else None,
        "metrics": {"ulp": chance.randrange(9), "cosine": 1 - size / 10} if judged else None,
        "bench": None if reference or not judged else _bench(number, emulated, chance),
        "seconds": round(chance.uniform(0.3, 400), 1),
        "folder": f"results/cells/{model}",
        "log": None,
    }


def _output(name: str, verdict: str, size: float) -> dict[str, Any]:
    return {
        "name": name,
        "verdict": verdict,
        "elements": 1000,
        "largest_absolute": size,
        "largest_relative": size * 3,
        "top": {"top1": 1, "top5": None, "rows": 1},
        "hint": "looks like swapped float32" if verdict == "differs" else None,
        "not_finite": 0,
        "outside": 12 if verdict == "differs" else 0,
        "reasons": [],
    }


def _differing() -> dict[str, Any]:
    return {
        "operator": "QLinearConv",
        "node": "conv1/quant",
        "inputs": ["input", "w_scale"],
        "output": "conv1_out",
        "hint": "looks like swapped float32",
        "reference": [0.1, 0.2],
        "candidate": [3.4e38, 1.2e-30],
    }


def _bench(number: int, emulated: bool, chance: random.Random) -> dict[str, Any]:
    latency = (4e8 if emulated else 2e6) * (1 + number % 9) * chance.uniform(0.8, 1.3)
    single = number % 2 == 0
    valid = number % 11 != 0
    return {
        "schema": 1,
        "scenario": "SingleStream" if single else "Offline",
        "mode": "performance",
        "valid": valid,
        "invalid_reasons": [] if valid else ["Min duration satisfied: NO"],
        "metric": {"name": "latency", "unit": "ns", "value": latency}
        if single
        else {"name": "result", "unit": "samples/s", "value": 1e9 / latency},
        "latency_ns": {p: latency * f for p, f in (("50.00", 1), ("90.00", 1.2), ("99.00", 1.7))},
        "query_count": 11,
        "batch": 1 << number % 5,
        "cpu_level": "z14" if number % 2 else "z13",
        "requested": {"scenario": "SingleStream" if single else "Offline", "percentile": 0.9},
        "settings": SETTINGS,
        "info": {"threads": 1 + number % 4, "framework": {"name": "x", "version": "1"}},
        "model": {"name": "made-up", "files": [{"name": "model.onnx", "bytes": 5}]},
    }


def write_run(workspace: Workspace, number: int, count: int, **more: Any) -> Path:
    """Write ``run-N.json`` with that many cells, and logs of those that did not pass."""
    record = run_file(count, seed=number, **more)
    for index, cell in enumerate(record["cells"]):
        if cell["verdict"] != "pass":
            log = workspace.results / "cells" / f"{number}-{index}" / "log.txt"
            lines = "".join(f"\x1b[31mline {line}\x1b[0m of {HOSTILE}\n" for line in range(100))
            cell["log"] = str(write_whole(log, lines))
    return write_json(workspace.results / f"run-{number}.json", record)
