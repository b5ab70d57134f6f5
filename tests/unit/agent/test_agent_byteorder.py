"""Byte order of model files, files that are not prepared yet, and outputs kept in part."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zport_agent.byteorder import FORMATS, format_of, is_against_format, refusal
from zport_agent.errors import ManifestError, ModelFileError
from zport_agent.files import check_files
from zport_agent.manifest import load_manifest
from zport_agent.pipeline import Job
from zport_agent.predict import predict
from zport_agent.sampling import sampled

Document = dict[str, Any]
Write = Callable[[Any], Path]


@pytest.mark.parametrize(
    ("path", "declared", "reason"),
    [
        ("a/model.onnx", None, None),
        ("a/model.onnx", "big", None),
        ("weights.NPZ", None, None),
        ("weights.npz", "big", None),
        ("labels.txt", None, None),
        ("net-0000.params", "little", None),
        ("net-0000.params", "big", None),
        ("net-0000.params", None, "MXNet: the file does not say its byte order; declare it"),
        ("graph.pb", None, "TensorFlow: the file does not say"),
        ("weights.bin", None, "unknown format: the file does not say"),
        ("net.tflite", "big", "TensorFlow Lite files are little-endian by definition"),
        ("net.safetensors", "big", "safetensors files are little-endian by definition"),
    ],
)
def test_what_is_known_of_a_file(path: str, declared: Any, reason: str | None) -> None:
    found = refusal(path, declared)
    assert found is None if reason is None else found is not None and reason in found


def test_only_a_declared_little_format_is_converted() -> None:
    assert is_against_format("m.onnx", "big")
    assert not is_against_format("m.onnx", "little")
    assert not is_against_format("m.npy", "big")
    assert format_of("m.ONNX") == FORMATS[".onnx"]


def change(document: Document, **own: Any) -> Document:
    document["zport"] |= own
    return document


def test_a_file_whose_order_nobody_declared_is_not_loaded(
    write: Write, document: Document, files: Path
) -> None:
    document["model"] |= {"graph_path": "graph.params", "graph_checksum": None}
    document["zport"]["byte_order"] = None
    (files / "graph.params").write_bytes(b"numbers")
    with pytest.raises(ModelFileError, match=r"MXNet: the file does not say.*zport.byte_order"):
        check_files(load_manifest(write(document)), files)
    check_files(load_manifest(write(change(document, byte_order="little"))), files)


def test_a_file_that_is_not_converted_yet_is_not_loaded(
    write: Write, document: Document, files: Path
) -> None:
    content = b"big-endian numbers"
    pin = f"sha256:{hashlib.sha256(content).hexdigest()}"
    document["model"] |= {"graph_path": "graph.onnx", "graph_checksum": pin}
    manifest = load_manifest(write(change(document, byte_order="big")))
    assert manifest.preparation == "swap"
    (files / "graph.onnx").write_bytes(content)
    with pytest.raises(ModelFileError, match="python -m zport_zoo swap"):
        check_files(manifest, files)
    (files / "graph.onnx").write_bytes(b"the same numbers, converted")
    assert not check_files(manifest, files)[0].pinned


@pytest.mark.parametrize(
    ("own", "model", "expected"),
    [
        ({"build": {"architecture": "a"}}, {}, "because 'build' makes the weights"),
        (
            {"build": {"architecture": "a"}, "weights": "seeded", "seed": 1},
            {},
            "without base_url and graph_checksum",
        ),
        (
            {"weights": "seeded", "seed": 1, "byte_order": "big"},
            {"graph_path": "a.onnx"},
            "the seeded file is little",
        ),
        ({"byte_order": "middle"}, {}, "zport.byte_order: expected 'little' or 'big'"),
        ({"build": {"architekture": "a"}}, {}, "did you mean 'architecture'"),
        ({"sample": {"y": 0}}, {}, "zport.sample.y: expected greater"),
        ({"gflop": -1}, {}, "zport.gflop: expected greater"),
    ],
)
def test_what_does_not_fit_together(
    write: Write, document: Document, own: Document, model: Document, expected: str
) -> None:
    document["model"] |= model
    with pytest.raises(ManifestError) as caught:
        load_manifest(write(change(document, **own)))
    assert expected in str(caught.value)


def test_a_part_is_spread_over_the_whole_and_the_summary_is_of_all() -> None:
    whole = np.arange(1000, dtype=np.float32).reshape(10, 100)
    whole[9, 99] = np.nan
    kept = sampled({"y": whole, "n": np.arange(3)}, {"y": 10, "n": 5})
    assert kept["y"].tolist() == list(range(0, 1000, 100))
    assert kept["n"].tolist() == [0, 1, 2]
    assert np.isnan(kept["y.summary"]).all(), "what is not kept shows in the summary"
    calm = sampled({"y": np.array([-3, 1, 2, 4], np.float32)}, {"y": 2})
    assert calm["y.summary"].tolist() == pytest.approx([-3, 4, 1, 7.5**0.5])
    assert calm["y.summary"].dtype == np.float32


def test_sampling_an_output_that_is_not_there() -> None:
    with pytest.raises(ManifestError, match=r"no output 'z'; it has y"):
        sampled({"y": np.zeros(3)}, {"z": 1})


def test_predict_keeps_the_part(
    write: Write, document: Document, files: Path, tmp_path: Path
) -> None:
    folder = write(change(document, sample={"y": 1}))
    predict(Job(folder, files, tmp_path / "out"))
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    found = {one["name"]: one["shape"] for one in result["outputs"]}
    assert found["0/y"] == [1]
    assert found["0/y.summary"] == [4]
    assert found["0/n"] == []
