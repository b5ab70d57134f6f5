"""Imported manifests as models: every file that they name is copied, and nothing else is."""

from pathlib import Path
from typing import Any

import pytest
from test_models_import import (  # noqa: F401 - put is a fixture
    AGENT,
    put,
    run,
    said,
    second,
    weights,
)

from zport.errors import DefinitionError, UsageError
from zport.models import load_model
from zport.models.foreign import Foreign, read_foreign
from zport.models.importing import Wish, judge, write_model


@pytest.fixture
def own(put, tmp_path: Path):  # noqa: F811
    """Reads a manifest of zport's own kind, whose network and inputs lie in folders beside it."""

    def own_one(**changes: Any) -> Foreign:
        block = {"weights": "trained", "network": "code/net.py", "inputs": ["d/x.npy", "e/x.npy"]}
        graph = {"graph_path": "https://example.org/new.onnx", "graph_checksum": "0" * 64}
        path = put(second(model=graph, zport=block | changes))
        for name in ("code/net.py", "d/x.npy", "e/x.npy", "kept/expected.npz"):
            (path.parent / name).parent.mkdir(exist_ok=True)
            (path.parent / name).write_text(name)
        (tmp_path / "given.npy").write_text("given")
        return weights(tmp_path).examined(judge(read_foreign(path), [AGENT], Wish()))

    return own_one


def written(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in paths
            if path.name != "manifest.yml"}  # fmt: skip


def test_a_copy_has_every_file_that_the_manifest_names(own, tmp_path: Path) -> None:
    one = own(expected="kept/expected.npz")
    assert one.runnable, said(one)
    folder = write_model(one, tmp_path / "models", Wish())
    names = ("code/net.py", "d/x.npy", "e/x.npy", "kept/expected.npz")
    assert written(folder) == {name: name for name in names}
    assert load_model(folder).manifest.extension().inputs == ["d/x.npy", "e/x.npy"]


def test_other_inputs_leave_the_stored_outputs_behind(own, tmp_path: Path) -> None:
    wish = Wish((tmp_path / "given.npy",))
    folder = write_model(own(expected="kept/expected.npz"), tmp_path / "models", wish)
    assert written(folder) == {"code/net.py": "code/net.py", "given.npy": "given"}


@pytest.mark.parametrize(
    "changes",
    [{"inputs": ["out/x.npy"]}, {"network": "out/net.py"}, {"expected": "out/expected.npz"}],
    ids=lambda changes: next(iter(changes)),
)
def test_no_file_of_another_folder_is_copied(own, tmp_path: Path, changes: dict[str, Any]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("x.npy", "net.py", "expected.npz"):
        (elsewhere / name).write_text("secret")
    one = own(**changes)
    (tmp_path / "foreign" / "out").symlink_to(elsewhere)
    with pytest.raises(DefinitionError, match="leads out of the folder foreign") as caught:
        write_model(one, tmp_path / "models", Wish())
    assert caught.value.where == str(one.path)
    assert not (tmp_path / "models").exists()


def test_a_file_outside_is_not_even_looked_for(own, tmp_path: Path) -> None:
    one = own(inputs=["out/absent.npy"])
    (tmp_path / "foreign" / "out").symlink_to(tmp_path)
    with pytest.raises(DefinitionError, match="leads out"):
        write_model(one, tmp_path / "models", Wish())


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "i.npy").write_text(folder)
    inputs = [str(tmp_path / folder / "i.npy") for folder in ("a", "c")]
    shown = run(str(tmp_path), "--input", inputs[0], "--input", inputs[1])
    assert isinstance(shown.exception, UsageError)
    assert "two inputs of one name" in shown.exception.message


@pytest.mark.parametrize("name", ["net.py", "manifest.yml"])
def test_an_input_takes_no_other_file_s_name(own, tmp_path: Path, name: str) -> None:
    one = own(network="net.py")
    (tmp_path / "foreign" / "net.py").write_text("net.py")
    (tmp_path / name).write_text("given")
    with pytest.raises(UsageError, match=f"another file of the model is named {name}"):
        write_model(one, tmp_path / "models", Wish((tmp_path / name,)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"labels": ["cat", "dog"]}, "as many 'labels' as 'inputs', which are 1"),
        ({"weights": "seeded", "seed": 1}, "a 'seed' exactly when 'weights' is 'seeded'"),
    ],
    ids=["labels", "seeded"],
)
def test_what_would_be_no_model_is_not_written(
    own, tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    one = own(**changes)
    with pytest.raises(DefinitionError, match=f"it would be no valid model: .*{text}") as caught:
        write_model(one, tmp_path / "models", Wish((tmp_path / "given.npy",)))
    assert caught.value.where == str(one.path)
    assert str(tmp_path / "models") not in caught.value.message
    assert caught.value.next_step
    assert list((tmp_path / "models").iterdir()) == []
