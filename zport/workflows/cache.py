"""The registry as a cache of built steps: who builds one pushes it, and no other machine builds it.

A step's name there carries its key, as everywhere. The content under it is what was pushed, so
nobody but the builders may be allowed to push there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rich.console import Console

from zport.engines import Engine
from zport.errors import EngineError, UsageError
from zport.publish.oras import NAMESPACE
from zport.steps.step import Step

PLACE = re.compile(rf"[a-z0-9.-]+(:[0-9]+)?{NAMESPACE}")
ABSENT = re.compile(r"manifest unknown|name unknown|not found")


class StepCache:
    """The steps that lie in ``REGISTRY/NAMESPACE/cache``.

    Raises :class:`UsageError` for a place that is not of that form.
    """

    def __init__(self, place: str, engine: Engine, console: Console) -> None:
        self.place = check_place(place.rstrip("/"), "--cache")
        self.engine = engine
        self.console = console
        self._known: set[str] = set()

    def reference(self, step: Step) -> str:
        """Where a step lies."""
        return f"{self.place}/cache:{step.image.rpartition('/')[2].replace(':', '-')}"

    def restore(self, steps: Mapping[str, Step], wanted: Iterable[str]) -> list[Step]:
        """Pull the wanted steps, and where one is not there what it is made of; those that came."""
        here, restored, seen = self.engine.images(), [], set()

        def visit(name: str) -> None:
            step = steps[name]
            if name in seen or step.image in here:
                return
            seen.add(name)
            if self._pull(step):
                restored.append(step)
                return
            for need in step.needs:
                visit(need)

        for name in wanted:
            visit(name)
        return restored

    def save(self, steps: Iterable[Step]) -> list[Step]:
        """Push the steps that were not restored from there; those that were pushed."""
        absent = [step for step in steps if step.name not in self._known]
        for step in absent:
            self.engine.push(step.image, self.reference(step))
        return absent

    def _pull(self, step: Step) -> bool:
        reference = self.reference(step)
        try:
            pinned = self.engine.pull(reference, step.target)
        except EngineError as error:
            if not ABSENT.search(error.message):
                self.console.print(f"warning   {error.message}", style="yellow", soft_wrap=True,
                                   markup=False)  # fmt: skip
            return False
        self.engine.tag(reference, step.image)
        self._known.add(step.name)
        # An image has one name, as if it had been built here.
        self.engine.remove([name for name in (pinned, reference) if name in self.engine.images()])
        return True


def check_place(place: str, option: str) -> str:
    """A registry with a namespace. Raises :class:`UsageError` for anything else."""
    if not PLACE.fullmatch(place):
        raise UsageError(
            f"{place!r} is not REGISTRY/NAMESPACE in lower case", where=option,
            next_step="such as registry.example.org/team/zport",
        )  # fmt: skip
    return place
