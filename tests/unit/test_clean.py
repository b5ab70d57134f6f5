"""Cleaning takes what a later build replaced, and nothing else."""

import pytest

from zport.clean import replaced_images
from zport.workspace import write_json

OLD, NEW, OTHER = "0" * 16, "1" * 16, "2" * 16


@pytest.fixture
def built(workspace):
    """A build folder whose last build of one wheel has the new key."""
    write_json(workspace.root / "builds" / "wheel-leaf-s390x.json", {"key": NEW, "inputs": {}})
    return workspace


def image(key, name="wheel-leaf", tag="1.2-s390x"):
    return f"localhost/zport/{name}:{tag}-{key}"


def test_an_earlier_image_of_a_step_is_replaced(built):
    assert replaced_images({image(OLD), image(NEW)}, built) == [image(OLD)]


@pytest.mark.parametrize(
    "other",
    [
        image(OLD, tag="1.2-amd64"),
        image(OLD, tag="1.2-s390x-emulated"),
        image(OLD, name="wheel-twig"),
        "localhost/zport/leaf:1.2-s390x",
        "docker.io/library/debian:trixie-slim",
        f"localhost/zport/wheel-leaf:1.2-s390x-{OLD}0",
    ],
)
def test_what_this_folder_did_not_build_again_stays(built, other):
    assert replaced_images({other, image(NEW)}, built) == []


def test_without_the_later_image_the_earlier_one_stays(built):
    assert replaced_images({image(OLD)}, built) == []


def test_a_broken_record_is_passed_over(built):
    (built.root / "builds" / "broken.json").write_text("{")
    assert replaced_images({image(OLD), image(NEW)}, built) == [image(OLD)]


def test_an_empty_folder_knows_nothing(workspace):
    assert replaced_images({image(OLD), image(NEW)}, workspace) == []
