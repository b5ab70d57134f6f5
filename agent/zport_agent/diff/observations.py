"""What two sides gave for the values of a model, read from their folders when asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zport_agent.arrays import Array, read_npz, to_native

SIDES = ("reference", "candidate")


@dataclass(frozen=True)
class Value:
    """An observed value: the first node that gives or reads it, and where each side's lies."""

    key: str
    node: int
    initializer: bool
    dtype: str | None
    file: str
    output: str


class Observations:
    """Values by key, from the probes that both sides ran.

    ``folders`` are the two sides' by name. Graph inputs are the same for both.
    """

    def __init__(
        self, probes: list[dict[str, Any]], folders: dict[str, Path], inputs: dict[str, Array]
    ) -> None:
        self.folders = folders
        self.inputs = inputs
        self.values = {
            value["key"]: Value(
                value["key"], value["node"], value["initializer"], value["dtype"],
                f"{probe['file']}.{probe['level']}.npz", value["output"],
            )
            for probe in probes
            for value in probe["values"]
        }  # fmt: skip
        self._files: dict[Path, dict[str, Array]] = {}

    def in_order(self) -> list[Value]:
        """The values in the order in which the model needs them, a node's weights before it."""
        return sorted(self.values.values(), key=lambda value: (value.node, not value.initializer))

    def get(self, side: str, key: str) -> Array | None:
        """A side's value; None where it was not observed."""
        value = self.values.get(key)
        if value is None:
            given = self.inputs.get(key)
            return None if given is None else to_native(given)
        if side not in self.folders:
            return None
        path = self.folders[side] / value.file
        if path not in self._files:
            self._files[path] = read_npz(path)
        array = self._files[path].get(value.output)
        return None if array is None else to_native(array)

    def both(self, key: str) -> tuple[Array | None, Array | None]:
        """The reference's and the candidate's value; None of a side that is not there."""
        return self.get("reference", key), self.get("candidate", key)
