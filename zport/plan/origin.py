"""Where the first root of an image comes from: a registry, or Debian's packages.

``auto`` asks the registry once and bootstraps where none answers; the answer is kept in the build
folder so that later runs ask nobody. A pulled root is pinned by its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from zport.engines import Engine
from zport.errors import EngineError
from zport.targets import Target
from zport.workspace import Workspace, digest, read_json, write_json

Policy = Literal["auto", "pull", "bootstrap"]
STATUS_FILE = "/var/lib/dpkg/status"


@dataclass(frozen=True)
class Root:
    """A pulled root: its reference by digest, and dpkg's status file in it."""

    reference: str
    status: str


class Origin:
    """The roots of the plan's targets: all pulled, or all made from packages."""

    def __init__(self, roots: dict[str, Root]) -> None:
        self._roots = roots

    def root(self, target: Target) -> Root | None:
        """The pulled root of a target; ``None`` when it is made from packages."""
        return self._roots.get(target.name)

    def restore(self, engine: Engine, target: Target) -> None:
        """Pull a target's root again, by its digest, where the engine has lost it since."""
        root = self.root(target)
        if root:
            engine.pull(root.reference, target)

    @property
    def phrase(self) -> str:
        return "pulled" if self._roots else "made from packages"


def find_origin(
    workspace: Workspace,
    engine: Engine,
    image: str,
    targets: Sequence[Target],
    policy: Policy = "auto",
    *,
    refresh: bool = False,
) -> Origin:
    """Decide where roots come from. Raises :class:`EngineError` when ``pull`` cannot be had."""
    if policy == "bootstrap":
        return Origin({})
    names = [target.name for target in targets]
    lock = workspace.locks / "origin" / f"{digest([engine.name, image, policy, names])[:16]}.json"
    known = None if refresh else read_json(lock)
    if known is None:
        known = {"image": image, "roots": _pull(engine, image, targets, policy)}
        write_json(lock, known)
    return Origin({name: Root(**root) for name, root in known["roots"].items()})


def _pull(
    engine: Engine, image: str, targets: Sequence[Target], policy: Policy
) -> dict[str, dict[str, str]]:
    roots = {}
    for target in targets:
        try:
            reference = engine.pull(image, target)
        except EngineError as error:
            if policy == "pull":
                error.next_step = "check the name and the network, or use --base bootstrap"
                raise
            return {}
        status = engine.read_file(reference, target, STATUS_FILE).decode()
        roots[target.name] = asdict(Root(reference, status))
    return roots
