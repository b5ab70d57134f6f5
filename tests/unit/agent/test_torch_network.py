"""Networks that are code beside the manifest, and inputs of which a framework says little."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zport_agent import backends
from zport_agent.backends import TensorSpec
from zport_agent.errors import ManifestError, ProcessingError, UnsupportedError
from zport_agent.manifest import load_manifest
from zport_agent.pipeline import _define
from zport_agent.processing import model_inputs


class Given:
    """A backend that may be given a network."""

    name = "given"

    def __init__(self) -> None:
        self.code: Path | None = None

    def define(self, code: Path) -> None:
        self.code = code


def with_network(document: dict[str, Any], name: str) -> dict[str, Any]:
    return document | {"zport": document["zport"] | {"network": name}}


def test_the_backend_gets_the_file_beside_the_manifest(write, document):
    manifest = load_manifest(write(with_network(document, "network.py")))
    backend = Given()
    _define(backend, manifest)  # type: ignore[arg-type]
    assert backend.code == manifest.path.parent / "network.py"


def test_a_backend_that_takes_none_refuses_it(write, document):
    manifest = load_manifest(write(with_network(document, "network.py")))

    class Without:
        name = "without"

    with pytest.raises(UnsupportedError, match=r"zport\.network: without has its networks"):
        _define(Without(), manifest)  # type: ignore[arg-type]


def test_a_network_outside_the_models_folder_is_refused(write, document):
    with pytest.raises(ManifestError, match=r"zport\.network"):
        load_manifest(write(with_network(document, "../network.py")))


def test_the_protocol_tells_which_backends_take_one():
    assert isinstance(Given(), backends.Defining)


def test_an_input_of_unknown_type_and_shape_takes_any_array():
    array = np.zeros((2, 3), np.int16)
    assert model_inputs(array, [TensorSpec("x", None, None)], "here")["x"] is array


@pytest.mark.parametrize("array", [np.array(["abc"]), np.array(["abc"], object)])
def test_texts_of_any_length_are_one_type(array):
    assert model_inputs(array, [TensorSpec("x", "str", (1,))], "here")["x"] is array
    with pytest.raises(ProcessingError, match=r"input 'x' as str\[1\]; the model takes float32"):
        model_inputs(array, [TensorSpec("x", "float32", (1,))], "here")


def test_objects_are_no_texts():
    with pytest.raises(ProcessingError, match="input 'x' as object"):
        model_inputs(np.array([b"abc"], object), [TensorSpec("x", "str", (1,))], "here")


@pytest.mark.parametrize(
    "spec", [TensorSpec("x", "float32", None), TensorSpec("x", None, (None, None, None))]
)
def test_what_is_known_of_an_input_is_checked(spec):
    with pytest.raises(ProcessingError, match="input 'x' as int16"):
        model_inputs(np.zeros((2, 3), np.int16), [spec], "here")
