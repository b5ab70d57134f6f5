"""The plan in words: what is known to be wrong in an image is said before it is built."""

from dataclasses import dataclass

import pytest

from zport.report.plan import dangers
from zport.resolve.providers import Provided
from zport.targets import TARGETS, Target


@dataclass
class Planned:
    """What of an agent's plan is looked at."""

    target: Target
    provided: tuple[Provided, ...]


DEBIAN = Provided("onnxruntime", "1.21.0+dfsg-1", "distribution", package="python3-onnxruntime")
RECIPE = Provided("onnxruntime", "1.21.0", "recipe")
HARMLESS = Provided("pyyaml", "6.0.2-1+b2", "distribution", package="python3-yaml")


def test_a_package_that_is_known_to_be_wrong_is_told_with_the_next_step():
    external, sparse, *_ = dangers(Planned(TARGETS["s390x"], (HARMLESS, DEBIAN)))
    assert external.startswith(
        "python3-onnxruntime 1.21.0 on s390x: external data is read unswapped"
    )
    assert "; next: make sparse tensors dense" in sparse


@pytest.mark.parametrize(
    ("target", "provided"), [("amd64", DEBIAN), ("s390x", RECIPE), ("s390x", HARMLESS)]
)
def test_what_is_right_is_not_warned_of(target, provided):
    assert dangers(Planned(TARGETS[target], (provided,))) == []
