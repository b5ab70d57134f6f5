"""Task accuracy: whether what postprocess says of an input is what the manifest's label says.

The toolkit on the host reads this module too, so it imports nothing.
"""

from collections.abc import Sequence
from typing import Any


def count_right(features: Sequence[Any], labels: Sequence[Any]) -> int:
    """How many inputs' features say what is labelled."""
    return sum(is_right(said, label) for said, label in zip(features, labels, strict=False))


def is_right(features: Any, label: Any) -> bool:
    """Whether the first feature of one input is the label, or has all of the label's keys."""
    first = features[0] if isinstance(features, list) and features else features
    if isinstance(label, dict):
        return isinstance(first, dict) and all(
            key in first and first[key] == value for key, value in label.items()
        )
    answer = first.get("label") if isinstance(first, dict) else first
    return bool(answer == label)
