"""The zoo: every manifest is whole, small and honest; and which models are run."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner
from zport_zoo.architectures import ARCHITECTURES

from zport.cli import app
from zport.errors import DefinitionError, UsageError
from zport.models import (
    EMULATION_LIMIT,
    MODELS,
    Model,
    load_model,
    load_models,
    model_names,
    preparation,
)
from zport.sources.fetch import Member

SMOKE = ["alexa-int8", "face-detection", "facial-expression", "magika", "ppocr-direction",
         "resnet50-light", "silero-vad", "silero-vad-sequence",
         "silero-vad-torchscript"]  # fmt: skip
LARGEST_EXPECTED = 100_000
LARGEST_FOLDER = 5_000_000


@pytest.fixture(params=model_names())
def model(request: pytest.FixtureRequest) -> Model:
    return load_model(MODELS / request.param)


def test_a_manifest_is_whole(model: Model) -> None:
    manifest, own = model.manifest, model.manifest.extension()
    assert manifest.name == model.name
    assert manifest.license
    assert manifest.references
    assert model.task
    assert own.megabytes
    assert own.gflop is not None
    assert own.weights in (manifest.description or "").lower()
    code = [own.network] if own.network else []
    assert set(model.definition()) == {"manifest.yml", *own.inputs, *code}


def test_what_is_expected_is_small(model: Model) -> None:
    assert 0 < model.expected.stat().st_size <= LARGEST_EXPECTED


def test_what_is_fetched_is_pinned_and_what_is_built_is_known(model: Model) -> None:
    own = model.manifest.extension()
    for source in model.sources().values():
        assert isinstance(source, Member)
        assert len(source.sha256) == len(source.archive.sha256) == 64
    if own.build:
        assert own.build.architecture in ARCHITECTURES
    else:
        assert model.sources()


def test_there_are_enough_of_several_kinds() -> None:
    models = load_models(["all"])
    assert len(models) >= 30
    assert len({model.task for model in models}) >= 15
    assert sum(model.manifest.extension().weights == "trained" for model in models) >= 15
    assert sum(path.stat().st_size for path in MODELS.rglob("*")) < LARGEST_FOLDER


def test_unless_named_the_smoke_set_is_run() -> None:
    assert [model.name for model in load_models()] == SMOKE
    assert [model.name for model in load_models(["all"])] == model_names()
    assert [model.name for model in load_models(["dlrm"])] == ["dlrm"]
    with pytest.raises(UsageError, match="unknown model 'dlmr'"):
        load_models(["dlmr"])


def test_heavy_ones_are_known() -> None:
    heavy = {model.name for model in load_models(["all"]) if model.is_heavy}
    assert heavy == {"bert-large", "dnsmos", "unet3d-128", "vgg19-light"}
    assert not any(model.is_heavy for model in load_models())
    assert EMULATION_LIMIT > 8.2, "ResNet-50 is emulated"


class Recorder:
    """Stands for a planner: keeps what it is asked for."""

    def model_preparation(self, name, framework, sources, arguments):
        self.asked = name, [file.path for file in sources], " ".join(arguments)
        self.framework = framework
        return self


@pytest.mark.parametrize(
    ("name", "sources", "arguments"),
    [
        (
            "resnet50-light",
            ["source/light_resnet50.onnx"],
            "seed /source/light_resnet50.onnx /model/light_resnet50.onnx --seed 2026",
        ),
        (
            "unet3d-32",
            [],
            "build unet3d /model/unet3d-32.onnx --seed 2026 --option levels=5 --option size=32",
        ),
    ],
)
def test_how_a_model_is_made(name: str, sources: list[str], arguments: str) -> None:
    planner = Recorder()
    preparation(load_model(MODELS / name), planner)
    assert planner.asked == (name, sources, arguments)


def test_a_framework_writes_its_own_files() -> None:
    planner = Recorder()
    preparation(load_model(MODELS / "resnet8-torchscript"), planner)
    assert planner.framework == "pytorch"
    assert planner.asked[2] == "build resnet8 /model/resnet8.pt --seed 2026"


def test_a_fetched_model_needs_no_step() -> None:
    assert preparation(load_model(MODELS / "magika"), Recorder()) is None


def changed(tmp_path: Path, **own: object) -> Path:
    """A copy of magika's folder whose zport block is changed."""
    document = yaml.safe_load((MODELS / "magika" / "manifest.yml").read_text())
    document["zport"] |= own
    (tmp_path / "manifest.yml").write_text(yaml.safe_dump(document))
    return tmp_path


def test_a_big_endian_graph_is_converted(tmp_path: Path) -> None:
    planner = Recorder()
    preparation(load_model(changed(tmp_path, byte_order="big")), planner)
    assert planner.asked[2] == "swap /source/model.onnx /model/model.onnx"


def test_a_graph_of_unknown_order_is_refused(tmp_path: Path) -> None:
    folder = changed(tmp_path)
    path = folder / "manifest.yml"
    path.write_text(path.read_text().replace("model.onnx", "model.params"))
    with pytest.raises(DefinitionError, match="does not say its byte order"):
        load_model(folder)


def test_the_list() -> None:
    shown = CliRunner().invoke(app, ["models"])
    assert shown.exit_code == 0, shown.output
    line = next(line for line in shown.output.splitlines() if line.startswith("magika"))
    assert line.split()[-2:] == ["Apache-2.0", "smoke"]
    assert f"{len(model_names())} models: " in shown.output
    listed = CliRunner().invoke(app, ["models", "--json"])
    assert '"name": "dlrm"' in listed.output
