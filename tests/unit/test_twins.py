"""Networks that stand in two formats: what a twin is compared with is what its twin is."""

from __future__ import annotations

import pytest

from zport.models import MODELS, Model, load_model, load_models
from zport.workspace import sha256_file

KEY = "twin_of"
"""The attribute with which a manifest names the model whose network and answers it has."""
TWINS = [model for model in load_models(["all"]) if KEY in (model.manifest.attributes or {})]


def other(twin: Model) -> Model:
    return load_model(MODELS / str((twin.manifest.attributes or {})[KEY]))


def test_both_of_pytorchs_formats_have_some() -> None:
    endings = {model.manifest.model.graph_path.rpartition(".")[2] for model in TWINS}
    assert {"pt", "pt2"} <= endings


@pytest.mark.parametrize("twin", TWINS, ids=lambda model: model.name)
def test_a_twin_has_the_other_ones_network_inputs_and_answers(twin: Model) -> None:
    first, second = other(twin).manifest, twin.manifest
    assert first.framework.name != second.framework.name
    assert (first.preprocess, first.postprocess) == (second.preprocess, second.postprocess)
    own = ("weights", "seed", "build", "inputs", "tolerance", "sample")
    for name in own:
        assert getattr(first.extension(), name) == getattr(second.extension(), name), name
    for name in (*second.extension().inputs, second.extension().expected):
        assert sha256_file(twin.folder / name) == sha256_file(other(twin).folder / name), name
