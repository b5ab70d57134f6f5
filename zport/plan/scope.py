"""For which machine and targets a plan is made.

Usually for this machine and what it was asked for. Where one plan is worked off by many machines,
its keys must be the same on all of them: the first one writes the scope among the locks, and who
has these locks plans as the first one did, whatever it is itself and whatever it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zport.targets import Target, find_target
from zport.workspace import Workspace, read_json, write_json

FILE = "scope.json"


@dataclass(frozen=True)
class Scope:
    """The machine that builds, and all targets that the plan is made for, the reference among them
    where numbers are compared with it."""

    machine: Target
    targets: tuple[Target, ...]

    @property
    def all(self) -> list[Target]:
        """The machine and the targets, each once."""
        return list(dict.fromkeys([self.machine, *self.targets]))


def write_scope(workspace: Workspace, scope: Scope) -> None:
    """Keep a scope among the locks of a build folder."""
    names = [target.name for target in scope.targets]
    write_json(workspace.locks / FILE, {"machine": scope.machine.name, "targets": names})


def find_scope(workspace: Workspace, machine: Target, targets: Sequence[Target]) -> Scope:
    """The scope among the locks if it covers the targets; else that of this machine.

    Raises :class:`zport.errors.UsageError` for an architecture in it that is not known.
    """
    known = read_json(workspace.locks / FILE)
    if known is not None:
        kept = tuple(find_target(name) for name in known["targets"])
        if set(targets) <= set(kept):
            return Scope(find_target(known["machine"]), kept)
    return Scope(machine, tuple(targets))
