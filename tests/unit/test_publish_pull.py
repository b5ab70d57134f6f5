"""What is taken from a registry: what was asked for, under names of its own."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from test_publish_verify import (
    DIGEST,
    MANIFEST,
    NEW,
    NONE,
    OLD,
    Local,
    Z,
    check,
    made_up,
    members,
    signed,
    step_of,
)

from zport.errors import RegistryError, TrustError
from zport.publish.layout import (
    KEY,
    TITLE,
    VERSION,
    annotation,
    new_layout,
    put,
    put_index,
    read_top,
    write_top,
)
from zport.publish.prebuilt import take_prebuilt
from zport.publish.pull import Puller, wheel_name
from zport.publish.wheels import LAYER_TYPE, WHEEL_TYPE

__all__ = ["signed"]  # A fixture: it is used by its name.


class Store:
    """An engine that is asked for nothing but to pull and to tag."""

    def __init__(self):
        self.names = []

    def pull(self, reference, target):
        return reference

    def tag(self, image, name):
        self.names.append(name)


def puller(workspace, public="cosign.pub"):
    return Puller(Store(), workspace, public)


def test_an_image_of_two_keys_is_pulled_by_each(tmp_path, workspace, signed):
    local = made_up(tmp_path, keys=(NEW, OLD), named=NEW)
    assert f"localhost/zport/leaf:s390x-{NEW}" in puller(workspace).image(local, "latest", Z)
    local.digest = read_top(local.layout)[1]["digest"]
    for key in (OLD, NEW):
        puller(workspace).trust_image(local, local.digest, key, Z)
    with pytest.raises(TrustError, match=f"names the key {NONE}"):
        puller(workspace).trust_image(local, local.digest, NONE, Z)


def test_a_signed_image_of_another_agent_is_refused(tmp_path, workspace, signed, monkeypatch):
    local = made_up(tmp_path, agent="twig", named=OLD)
    for attempt in (
        lambda: check(local, tmp_path, "cosign.pub"),
        lambda: puller(workspace).image(local, "latest", Z),
    ):
        with pytest.raises(TrustError, match="an image of the agent twig, not leaf"):
            attempt()
    engine = Store()
    request = SimpleNamespace(engine=engine, workspace=workspace)
    job = SimpleNamespace(request=request, missing=lambda: [step_of(OLD)])
    monkeypatch.setattr("zport.publish.prebuilt.find_repository", lambda where, name: local)
    local.digest = read_top(local.layout)[1]["digest"]
    with pytest.raises(TrustError, match="an image of the agent twig, not leaf"):
        take_prebuilt(job, "r.example/team", "cosign.pub")
    assert engine.names == []
    assert check(local, tmp_path).images[0].agent == "twig"


@pytest.mark.parametrize("annotations", [None, [], {}, {KEY: None}, {KEY: "../x"}], ids=str)
def test_annotations_that_are_none_are_told(tmp_path, workspace, annotations):
    local, image = members(tmp_path, {})
    found = put_index(local.layout, [{**image, "annotations": annotations}], {VERSION: "1.0"})
    local.digest = found["digest"]
    with pytest.raises(TrustError, match="an annotation is not as zport writes it"):
        puller(workspace, None).image(local, "latest", Z)
    assert annotation({"annotations": annotations}, "x") is None


@pytest.mark.parametrize(
    "layers",
    [None, [], [None], [{}], [{"digest": 1}], [{"digest": DIGEST, "annotations": None}]],
    ids=str,
)
def test_a_malformed_wheel_is_told(tmp_path, workspace, layers):
    layout = new_layout(tmp_path / "registry")
    text = json.dumps({"artifactType": WHEEL_TYPE, "layers": layers, "annotations": {KEY: OLD}})
    found = put(layout, text.encode(), MANIFEST)
    write_top(layout, [found])
    with pytest.raises(TrustError):
        puller(workspace, None).wheel(Local(layout, found["digest"]), "leaf-1.0-s390x", Z)


def test_a_wheel_without_annotations_is_told(tmp_path, workspace):
    layout = new_layout(tmp_path / "registry")
    name = "leaf-1.0-py3-none-any.whl"
    layer = {**put(layout, b"wheel", LAYER_TYPE), "annotations": {TITLE: name}}
    text = json.dumps({"artifactType": WHEEL_TYPE, "layers": [layer], "annotations": None})
    found = put(layout, text.encode(), MANIFEST)
    write_top(layout, [found])
    with pytest.raises(TrustError, match="an annotation is not as zport writes it: None"):
        puller(workspace, None).wheel(Local(layout, found["digest"]), "leaf-1.0-s390x", Z)


def test_a_platform_that_is_not_there_is_told(tmp_path, workspace):
    local = made_up(tmp_path, named=OLD)
    with pytest.raises(RegistryError, match="no image for linux/arm64") as caught:
        puller(workspace, None).image(local, "latest", replace(Z, oci="linux/arm64"))
    assert "there are: linux/s390x" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["../x-1.0-py3-none-any.whl", "/x-1.0-py3-none-any.whl", "a/x-1.0-py3-none-any.whl", "x.whl",
     "x-1.0.tar.gz", "", "..", None, 1, "x-1.0-py3-none-any.whl\0", "x-1.0-py3-none-any.whl/"],
)  # fmt: skip
def test_only_a_wheels_own_name_is_a_file_name(name):
    with pytest.raises(TrustError, match="not the file name of a wheel"):
        wheel_name(name, "here")


def test_a_wheels_name_is_taken():
    assert wheel_name("x-1.0-py3-none-any.whl", "here") == "x-1.0-py3-none-any.whl"
