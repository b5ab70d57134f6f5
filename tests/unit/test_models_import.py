"""Foreign manifests: what of them runs, what is missing, how their files are pinned and kept."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from loopback import cut, refuse
from typer.testing import CliRunner
from zport_agent.manifest import load_manifest

from zport.agents import Agent
from zport.cli import app
from zport.errors import ChecksumError, ImportedError, UsageError
from zport.models.foreign import Foreign, manifest_files, read_foreign
from zport.models.importing import Wish, judge, modules_of, write_model
from zport.models.table import foreign_as_json
from zport.models.weights import Weights, places
from zport.sources import fetch
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index
from zport.workspace import Workspace

GRAPH = b"a graph of a model"
LABELS = b"cat\ndog\n"
AGENT = Agent(
    name="a", framework="onnxruntime", summary="s", requirements=("numpy", "pillow", "onnxruntime")
)

FIRST = """\
name: Old Net # the name
framework: {name: MXNet, version: 1.3.0}
version: 1.0
container:
  amd64: {cpu: an/image, gpu: another/image}
  ppc64le: {cpu: a/third}
description: A network of the first generation.
license: unrestricted
inputs:
  - type: image
    description: the input image
    parameters: {dimensions: [3, 227, 227], mean: [123, 117, 104]}
output:
  type: feature
  description: the label
  parameters:
    features_url: http://example.org/synset.txt
    features_checksum: 0123456789abcdef0123456789abcdef
model:
  base_url: http://example.org/old
  graph_path: old-symbol.json
  weights_path: old-0000.params
  is_archive: false
  graph_checksum: 0123456789abcdef0123456789abcdef
attributes: {kind: CNN}
"""

DATASET = """\
name: two-pictures
version: 1.0
init: |
  def init(count):
    global dataset
    dataset = {}
    return 2
load: |
  def load(samples):
    for one in samples:
      dataset[one] = f"{one}.png"
"""


def second(**changes: Any) -> dict[str, Any]:
    """A manifest of the second generation that nothing hinders but its files."""
    return {
        "name": "New_Net",
        "framework": {"name": "Onnxruntime", "version": "1.7.1"},
        "version": "1.0",
        "license": "MIT",
        "modality": "image_classification",
        "inputs": [{"type": "image", "parameters": {"element_type": "float32"}}],
        "outputs": [{"type": "probability", "parameters": {"element_type": "float32"}}],
        "preprocess": "import numpy as np\ndef preprocess(ctx, data):\n  return np.load(data)\n",
        "postprocess": "def postprocess(ctx, data):\n  return [data[0].tolist()]\n",
        "model": {"graph_path": "https://example.org/new.onnx", "is_archive": False},
        "attributes": {"kind": "CNN"},
    } | changes


@pytest.fixture
def put(tmp_path: Path):
    """Writes a manifest and gives its path."""

    def put_it(content: Any, name: str = "net.yml") -> Path:
        path = tmp_path / "foreign" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return put_it


def weights(tmp_path: Path, *, fetch: bool = False) -> Weights:
    return Weights(Fetcher(Workspace(tmp_path / "build"), Index()), fetch=fetch)


def subjects(one: Foreign) -> set[str]:
    return {finding.subject for finding in one.findings if finding.hinders}


def said(one: Foreign) -> str:
    return "\n".join(f"{f.subject}: {f.text} | {f.next_step}" for f in one.findings)


def test_the_first_generation_is_read_as_it_is(put, tmp_path: Path) -> None:
    one = weights(tmp_path).examined(judge(read_foreign(put(FIRST)), [AGENT], Wish()))
    assert (one.generation, one.name) == ("MLModelScope 1", "Old Net")
    assert one.manifest
    assert one.manifest.framework.name == "mxnet"
    assert one.manifest.outputs[0].type == "feature"
    assert one.manifest.model.features_path == "http://example.org/synset.txt"
    assert subjects(one) == {"framework", "processing", "weights", "byte order", "inputs"}
    text = said(one)
    assert "framework: no agent for mxnet; there is onnxruntime | see CONTRIBUTING" in text
    assert "processing: preprocess: missing | write preprocess(ctx, data)" in text
    assert "weights: old-symbol.json is pinned by MD5 only | fetch it with --fetch" in text
    assert "weights: old-0000.params is pinned by nothing" in text
    assert "byte order: old-0000.params: MXNet: the file does not say its byte order" in text


def test_where_each_file_is(put) -> None:
    manifest = read_foreign(put(FIRST)).manifest
    assert manifest
    assert [(place.field, place.url) for place in places(manifest)] == [
        ("graph", "http://example.org/old/old-symbol.json"),
        ("weights", "http://example.org/old/old-0000.params"),
        ("features", "http://example.org/synset.txt"),
    ]


def test_the_second_generation_needs_its_files_alone(put, tmp_path: Path) -> None:
    wish = Wish((tmp_path / "a.npy",))
    one = weights(tmp_path).examined(judge(read_foreign(put(second())), [AGENT], wish))
    assert one.generation == "MLModelScope 2"
    assert subjects(one) == {"weights"}
    assert not one.runnable


@pytest.mark.parametrize(
    ("preprocess", "text"),
    [
        ("import cv2\ndef preprocess(ctx, data):\n  return data\n", "imports cv2, which the agent"),
        ("def preprocess(ctx, data):\n  return dataset[int(data)]\n", "an MLHarness dataset"),
        ("def preprocess(ctx, data)\n  return data\n", "not valid Python"),
        ("def prepare(ctx, data):\n  return data\n", "defines no preprocess"),
        (None, "preprocess: missing"),
    ],
)
def test_processing_that_does_not_run_here(put, preprocess: str | None, text: str) -> None:
    one = judge(read_foreign(put(second(preprocess=preprocess))), [AGENT], Wish())
    assert text in said(one)


def test_what_an_image_can_import() -> None:
    assert modules_of(AGENT) == {"numpy", "PIL", "onnxruntime"}


def test_a_dataset_is_read_and_not_run(put) -> None:
    one = read_foreign(put(DATASET))
    assert one.generation == "MLHarness dataset"
    assert not one.runnable
    assert "a dataset for MLHarness" in said(one)
    assert "unload: missing" in said(one)
    assert "load: missing" not in said(one).replace("unload: missing", "")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a: [", "not valid YAML: line 2"),
        ("- a\n", "expected a YAML mapping"),
        ("name: a\nname: b\n", "key 'name' is given twice"),
        ("name: a\n", "5 fields are wrong"),
        ("name: a\nmodel: x\noutput: 7\ninputs: 8\nframework: y\nversion: 1\n", "fields are wrong"),
        ("", "expected a YAML mapping"),
    ],
)
def test_what_cannot_be_read_says_why(put, content: str, text: str) -> None:
    one = read_foreign(put(content))
    assert (one.generation, one.runnable) == ("unreadable", False)
    assert text in said(one)


def test_a_place_without_manifests(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no YAML file"):
        manifest_files(tmp_path)
    with pytest.raises(UsageError, match="no such file or folder"):
        manifest_files(tmp_path / "absent")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def served(tmp_path: Path) -> str:
    """A folder with a model's files, as a URL."""
    folder = tmp_path / "foreign" / "served"
    folder.mkdir(parents=True)
    (folder / "new.onnx").write_bytes(GRAPH)
    (folder / "labels.txt").write_bytes(LABELS)
    return folder.as_uri()


def model_at(base: str, **more: Any) -> dict[str, Any]:
    files = {"graph_path": "new.onnx", "graph_checksum": md5(GRAPH), "features_path": "labels.txt"}
    return {"base_url": base, **files} | more


def test_what_was_fetched_once_is_known_without_a_network(put, tmp_path: Path, served: str) -> None:
    wish = Wish((tmp_path / "a.npy",))
    path = put(second(model=model_at(served)))
    judged = judge(read_foreign(path), [AGENT], wish)
    assert subjects(weights(tmp_path).examined(judged)) == {"weights"}
    fetched = weights(tmp_path, fetch=True).examined(judged)
    assert fetched.runnable, said(fetched)
    assert fetched.manifest
    sha256 = hashlib.sha256(GRAPH).hexdigest()
    assert fetched.manifest.model.graph_checksum == f"sha256:{sha256}"
    (tmp_path / "foreign" / "served" / "new.onnx").unlink()
    assert weights(tmp_path).examined(judged).runnable


def test_what_an_interrupted_run_left_is_not_joined_with_another_file(
    put, tmp_path: Path, server, monkeypatch
) -> None:
    monkeypatch.setattr(fetch, "time", SimpleNamespace(sleep=lambda _: None))
    model = {"graph_path": server.url("/new.onnx"), "is_archive": False}
    judged = judge(read_foreign(put(second(model=model))), [AGENT], Wish((tmp_path / "a.npy",)))
    server.files["/new.onnx"] = b"old " * 100_000
    server.script.extend([cut(after=200_000), *[refuse(503)] * (fetch.ATTEMPTS - 1)])
    assert "503" in said(weights(tmp_path, fetch=True).examined(judged))
    new = server.files["/new.onnx"] = b"new " * 100_000
    one = weights(tmp_path, fetch=True).examined(judged)
    assert one.runnable, said(one)
    assert one.manifest
    assert one.manifest.model.graph_checksum == f"sha256:{hashlib.sha256(new).hexdigest()}"


def test_a_file_that_was_changed_since(put, tmp_path: Path, served: str) -> None:
    (tmp_path / "foreign" / "served" / "new.onnx").write_bytes(b"another")
    judged = judge(read_foreign(put(second(model=model_at(served)))), [AGENT], Wish())
    one = weights(tmp_path, fetch=True).examined(judged)
    assert "the manifest has" in said(one)
    assert not list((tmp_path / "build").rglob("*.part"))
    with pytest.raises(ChecksumError):
        weights(tmp_path, fetch=True)._file(f"{served}/new.onnx", "0" * 64)


def test_a_file_that_is_not_there(put, tmp_path: Path, served: str) -> None:
    model = model_at(served, graph_path="absent.onnx")
    one = weights(tmp_path, fetch=True).examined(
        judge(read_foreign(put(second(model=model))), [AGENT], Wish())
    )
    assert "weights: cannot read" in said(one)


def test_files_in_an_archive(put, tmp_path: Path) -> None:
    archive = tmp_path / "foreign" / "net.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in (("net/new.onnx", GRAPH), ("net/labels.txt", LABELS)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    model = model_at(archive.as_uri(), graph_path="net/new.onnx", features_path="net/labels.txt",
                     is_archive=True)  # fmt: skip
    judged = judge(read_foreign(put(second(model=model))), [AGENT], Wish((tmp_path / "a.npy",)))
    one = weights(tmp_path, fetch=True).examined(judged)
    assert one.runnable, said(one)
    assert one.manifest
    pin = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert one.manifest.model.base_url == f"{archive.as_uri()}#sha256={pin}"


def test_a_copy_is_a_model(put, tmp_path: Path, served: str) -> None:
    given = tmp_path / "a.npy"
    given.write_bytes(b"numbers")
    wish = Wish((given,), "constant")
    one = weights(tmp_path, fetch=True).examined(
        judge(read_foreign(put(second(model=model_at(served)))), [AGENT], wish)
    )
    folder = write_model(one, tmp_path / "models", wish)
    assert folder.name == "new-net"
    manifest = load_manifest(folder)
    assert manifest.framework.name == "onnxruntime"
    assert manifest.preprocess == second()["preprocess"]
    assert "preprocess: |" in (folder / "manifest.yml").read_text()
    assert manifest.extension().inputs == ["a.npy"]
    assert manifest.extension().weights == "constant"
    assert (folder / "a.npy").read_bytes() == b"numbers"
    with pytest.raises(UsageError, match="there is a model new-net already"):
        write_model(one, tmp_path / "models", wish)


def test_an_archive_without_a_pin_is_fetched_first(put, tmp_path: Path) -> None:
    pin = f"sha256:{hashlib.sha256(GRAPH).hexdigest()}"
    model = {"base_url": "https://example.org/net.tar.gz", "is_archive": True,
             "graph_path": "net/new.onnx", "graph_checksum": pin}  # fmt: skip
    wish = Wish((tmp_path / "a.npy",))

    def examined(base: str) -> Foreign:
        path = put(second(model=model | {"base_url": base}))
        return weights(tmp_path).examined(judge(read_foreign(path), [AGENT], wish))

    one = examined(model["base_url"])
    assert not one.runnable
    assert said(one) == "weights: the archive is pinned by nothing | fetch it with --fetch"
    assert examined(f"{model['base_url']}#sha256={'0' * 64}").runnable


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["models", "import", *arguments])


def test_the_command_says_how_many(put, tmp_path: Path) -> None:
    put(FIRST, "old.yml")
    put(DATASET, "data.yaml")
    folder, build = str(tmp_path / "foreign"), f"--build-folder={tmp_path / 'build'}"
    shown = run(folder, build)
    assert isinstance(shown.exception, ImportedError)
    assert shown.exception.exit_code == 15
    assert "0 of 2 manifests can be run" in shown.output
    data = json.loads(run(folder, build, "--json").output)
    assert [one["kind"] for one in data["manifests"]] == ["MLHarness dataset", "MLModelScope 1"]


def test_our_own_models_can_be_imported(tmp_path: Path) -> None:
    place = Path(__file__).resolve().parents[2] / "models" / "magika"
    shown = run(str(place), f"--build-folder={tmp_path / 'build'}")
    assert shown.exit_code == 0, shown.output
    assert "1 of 1 manifests can be run" in shown.output


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    shown = run(str(tmp_path), "--input", "absent.png")
    assert isinstance(shown.exception, UsageError)


def test_as_data(put) -> None:
    data = foreign_as_json([judge(read_foreign(put(second())), [AGENT], Wish())])
    assert data["manifests"][0]["findings"][0]["subject"] == "inputs"
