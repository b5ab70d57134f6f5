"""Reading manifests: what is accepted, and what each mistake is answered with."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zport_agent.errors import ManifestError
from zport_agent.manifest import load_manifest
from zport_agent.source import ModelSource

Document = dict[str, Any]
Write = Callable[[Any], Path]
ROOT = Path(__file__).resolve().parents[3]
HASH = "0123456789abcdef" * 4


def change(document: Document, path: str, value: Any) -> None:
    """Set (or, for ..., remove) a field by its dotted path."""
    *parents, last = path.split(".")
    for part in parents:
        document = document.setdefault(part, {})
    if value is ...:
        del document[last]
    else:
        document[last] = value


def refusal(write: Write, document: Any) -> str:
    with pytest.raises(ManifestError) as caught:
        load_manifest(write(document))
    message = str(caught.value)
    assert message.count("manifest.yml") == 1
    return message


def test_reads_a_whole_manifest(write: Write, document: Document) -> None:
    manifest = load_manifest(write(document))
    assert manifest.extension().inputs == ["a.npy", "b.npy"]
    assert manifest.extension().expected == "expected.npz"
    assert manifest.extension().tolerance.absolute == 1e-5
    assert manifest.path.name == "manifest.yml"


@pytest.mark.parametrize("name", ["silero-vad", "magika", "ppocr-direction", "resnet50-light"])
def test_reads_our_own(name: str) -> None:
    manifest = load_manifest(ROOT / "models" / name)
    assert manifest.name == name
    source = manifest.model.source
    assert source and source.kind == "pypi" and source.sha256
    assert all(checksum for _, checksum in manifest.model.files())
    for file in manifest.extension().inputs:
        assert (manifest.path.parent / file).is_file()


def test_plain_mlmodelscope_manifest_has_no_extension(write: Write, document: Document) -> None:
    del document["zport"]
    document["container"] = {"amd64": {"cpu": "an/image"}}
    document["model"]["graph_checksum"] = "d41d8cd98f00b204e9800998ecf8427e"
    manifest = load_manifest(write(document))
    assert manifest.zport is None
    with pytest.raises(ManifestError, match=r"zport: missing.*'weights'"):
        manifest.extension()


def test_version_is_text_even_when_it_looks_like_a_number(write: Write, document: Document) -> None:
    folder = write(document)
    path = folder / "manifest.yml"
    path.write_text(path.read_text().replace("version: '1.0'", "version: 1.10"))
    assert load_manifest(path).version == "1.10"


def test_numbers_yaml_takes_for_text(write: Write, document: Document) -> None:
    path = write(document) / "manifest.yml"
    path.write_text(path.read_text() + "  tolerance: {absolute: 1e-6, relative: 2E-5}\n")
    tolerance = load_manifest(path).extension().tolerance
    assert (tolerance.absolute, tolerance.relative) == (1e-6, 2e-5)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("name", ..., "name: missing"),
        ("name", 7, "name: expected a valid string, found 7"),
        ("inputs", "x", "inputs: expected a valid list, found 'x'"),
        ("inputs", [{"element_type": "float32"}], r"inputs\[0\].type: missing"),
        ("framework", "onnxruntime", "framework: expected"),
        ("model.graph_path", ..., "model.graph_path: missing"),
        ("model.graph_checksum", "sha256:abc", "model.graph_checksum: expected sha256:.*'sha256:a"),
        ("model.base_url", "pypi:a==1", "model.base_url: expected pypi:.*found 'pypi:a==1'"),
        ("zport.weights", "random", "zport.weights: expected 'trained', 'seeded' or 'constant'"),
        ("zport.seed", 7, "zport: expected a 'seed' exactly when"),
        ("zport.weights", "seeded", "zport: expected a 'seed' exactly when"),
        ("zport.inputs", [], "zport.inputs: "),
        ("zport.inputs", ["../a.npy"], r"zport.inputs\[0\]: expected a file name relative"),
        ("zport.expected", "/etc/passwd", "zport.expected: expected a file name relative"),
        ("zport.tolerence", {}, "zport.tolerence: unknown key; did you mean 'tolerance'"),
        ("zport.bench.min_query", 1, "did you mean 'min_query_count'"),
        ("zport.bench.scenario", "Offlin", "zport.bench.scenario: expected 'SingleStream'"),
        ("zport.bench.percentile", 50, "zport.bench.percentile: expected less than 1, found 50"),
        ("zport.bench.min_query_count", True, "zport.bench.min_query_count: expected a valid int"),
        ("zport.tolerance.absolute", -1, "zport.tolerance.absolute: expected greater"),
        ("zport.tolerance.relative", float("nan"), "zport.tolerance.relative: expected a finite"),
        ("zport.tolerance.absolute", 0.1, "zport.tolerance: expected a 'reason'"),
    ],
)
def test_a_wrong_field_is_named(
    write: Write, document: Document, path: str, value: Any, expected: str
) -> None:
    change(document, path, value)
    assert re.search(expected, refusal(write, document))


def test_several_wrong_fields_are_all_named(write: Write, document: Document) -> None:
    document["name"], document["outputs"] = 1, 2
    message = refusal(write, document)
    assert "2 fields are wrong" in message
    assert "name: " in message and "outputs: " in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [unclosed", "not valid YAML: line"),
        ("- a\n- b\n", "expected a YAML mapping"),
        ("", "expected a YAML mapping"),
        ("just words", "expected a YAML mapping"),
        ("name: a\nname: b\n", "line 2: key 'name' is given twice"),
        ("name: !!python/object:os.system {}\n", "not valid YAML: line 1"),
        ("a: \x00\n", "not valid YAML"),
    ],
)
def test_broken_yaml(write: Write, text: str, expected: str) -> None:
    assert expected in refusal(write, text)


def test_a_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest.yml: no such file"):
        load_manifest(tmp_path)


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "manifest.yml").write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(ManifestError, match="cannot be read as UTF-8"):
        load_manifest(tmp_path)


def test_needs_neither_numpy_nor_a_framework() -> None:
    code = (
        "import sys; sys.modules['numpy'] = sys.modules['onnxruntime'] = None\n"
        "import zport_agent.manifest"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "agent")


def test_sources() -> None:
    source = ModelSource.parse(f"pypi:silero-vad==6.2.3#sha256={HASH}")
    assert (source.kind, source.package, source.version) == ("pypi", "silero-vad", "6.2.3")
    assert source.sha256 == HASH
    assert ModelSource.parse("https://example.org/a").kind == "http"
    assert ModelSource.parse("file:///models/a").kind == "file"


@pytest.mark.parametrize(
    "text",
    [
        "silero-vad",
        "ftp://example.org",
        f"pypi:silero-vad#sha256={HASH}",
        "pypi:a==1#md5=00",
        f"pypi:a==1#sha256={HASH[:-1]}",
        f"pypi:../a==1#sha256={HASH}",
    ],
)
def test_sources_refused(text: str) -> None:
    with pytest.raises(ValueError, match="pypi:<package>==<version>#sha256="):
        ModelSource.parse(text)
