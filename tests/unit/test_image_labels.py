"""What an image says of itself: content alone, by OCI's names."""

import pytest

from zport.agents import Agent
from zport.definitions import load_definition
from zport.errors import DefinitionError
from zport.plan.labels import PREFIX, image_labels, licenses

AGENT = 'name = "tiny"\nframework = "tiny"\nsummary = "a small agent"\nrequirements = ["app"]\n'


@pytest.fixture
def agent(tmp_path):
    def load(more=""):
        path = tmp_path / "tiny.toml"
        path.write_text(AGENT + more)
        return load_definition(path, Agent)

    return load


def said(agent, base="localhost/zport/base:s390x-1"):
    labels = image_labels(agent, "1.2", 1_700_000_000, base)
    return {key.removeprefix(PREFIX): value for key, value in labels.items()}


def test_they_are_made_of_what_is_in_the_key(agent):
    assert said(agent('license = "mit"')) == {
        "title": "tiny",
        "description": "a small agent",
        "version": "1.2",
        "created": "2023-11-14T22:13:20Z",
        "licenses": "Apache-2.0 AND MIT",
        "base.name": "localhost/zport/base:s390x-1",
    }


def test_licences_are_the_programs_and_the_frameworks(agent):
    assert licenses(agent('license = "BSD-3-Clause"')) == "Apache-2.0 AND BSD-3-Clause"


def test_a_licence_stands_once(agent):
    assert said(agent())["licenses"] == "Apache-2.0"
    assert said(agent('license = "Apache-2.0"'))["licenses"] == "Apache-2.0"


def test_a_pulled_base_is_named_with_its_digest(agent):
    labels = said(agent(), f"docker.io/library/debian@sha256:{'a' * 64}")
    assert labels["base.name"] == "docker.io/library/debian"
    assert labels["base.digest"] == f"sha256:{'a' * 64}"


def test_a_licence_that_spdx_does_not_know_is_told(agent):
    with pytest.raises(DefinitionError, match=r"tiny\.toml: license"):
        agent('license = "free"')
