"""Built wheels: taken out of their image, checked, and laid where pip finds them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from zport.engines import Engine
from zport.errors import BuildError
from zport.plan.wheel import TEST_WHEELS, WheelPlan
from zport.sources.fetch import Fetcher
from zport.sources.pypi import IndexFile
from zport.steps.step import Step
from zport.targets import Target
from zport.wheels.sbom import SBOM_NAME
from zport.wheels.wheel_check import Expected, problems
from zport.workspace import Workspace, part_folder, write_whole

SBOM_SUFFIX = ".cdx.json"
"""After the name of a wheel: the file beside it with its SBOM."""


def take_wheel(step: Step, engine: Engine, workspace: Workspace) -> Path:
    """The wheel of a finished step in the build folder, checked for its target."""
    folder = workspace.wheels / step.key
    with workspace.exclusive(f"wheel-{step.key}"):
        if not folder.is_dir():
            with part_folder(folder) as part:
                engine.extract(step.image, step.target, "*.whl", part)
                for wheel in part.glob("*.whl"):
                    check_wheel(wheel, step.target)
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise BuildError(f"{len(wheels)} wheels came out, expected one", where=step.name)
    return wheels[0]


def wheel_of(step: Step, workspace: Workspace) -> Path | None:
    """The wheel of a step in the build folder, if it was built."""
    return next((workspace.wheels / step.key).glob("*.whl"), None)


def lay_published(plans: Iterable[WheelPlan], fetcher: Fetcher, folder: Path) -> list[Path]:
    """The published wheels that these wheels and their tests import, by name in a folder."""
    context = [file for plan in plans for file in plan.step.context]
    sources = {file.source for file in context if file.path.startswith(f"{TEST_WHEELS}/")}
    for file in (source for source in sources if isinstance(source, IndexFile)):
        (folder / file.filename).hardlink_to(fetcher.file(file))
    return sorted(folder.iterdir())


def write_sbom(wheel: Path) -> Path | None:
    """Lay the SBOM that is inside a wheel beside it, where an index can link it."""
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if name.endswith(f"/sboms/{SBOM_NAME}")]
        path = wheel.with_name(wheel.name + SBOM_SUFFIX)
        return write_whole(path, archive.read(inside[0])) if inside else None


def check_wheel(path: Path, target: Target) -> None:
    """Raise :class:`BuildError` for the first thing wrong: tag, ELF files, paths of the build."""
    expected = Expected(target.machine, target.elf_machine, target.byte_order)
    for problem in problems(path, expected):
        raise BuildError(problem.message, where=problem.where, next_step=problem.next_step)
