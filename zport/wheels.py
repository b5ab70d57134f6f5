"""Built wheels: taken out of their image, checked, and laid where pip finds them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from zport.engines import Engine
from zport.errors import BuildError
from zport.fetch import Fetcher
from zport.plan_wheel import TEST_WHEELS, WheelPlan
from zport.pypi import IndexFile
from zport.sbom import SBOM_NAME
from zport.step import Step
from zport.targets import Target
from zport.workspace import Workspace, part_folder, write_whole

DF_TEXTREL = 0x4
BUILD_PLACES = (b"/build/source", b"/build/requirements", b"/build/wheel")
"""Folders of a build that have no place in what comes out of it."""


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
        path = wheel.with_name(f"{wheel.name}.cdx.json")
        return write_whole(path, archive.read(inside[0])) if inside else None


def check_wheel(path: Path, target: Target) -> None:
    """Raise :class:`BuildError` unless the tag and every ELF file in the wheel are the target's.

    No file may hold a path of the build.
    """
    try:
        _check_wheel(path, target)
    except (InvalidWheelFilename, zipfile.BadZipFile) as error:
        raise BuildError(f"not a wheel: {error}", where=path.name) from error


def _check_wheel(path: Path, target: Target) -> None:
    platforms = {tag.platform for tag in parse_wheel_filename(path.name)[3]}
    wrong = [p for p in platforms if p != "any" and not p.endswith(f"_{target.machine}")]
    if wrong:
        raise BuildError(f"tagged {wrong[0]}, not for {target.machine}", where=path.name)
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content, where = archive.read(name), f"{path.name}: {name}"
            _check_elf(content, where, target)
            _check_paths(content, where)


def _check_paths(content: bytes, where: str) -> None:
    for place in BUILD_PLACES:
        if place in content:
            raise BuildError(
                f"holds the build's own path {place.decode()}",
                where=where,
                next_step="it would not be the same elsewhere: mend the recipe or patch the source",
            )


def _check_elf(content: bytes, where: str, target: Target) -> None:
    if not content.startswith(b"\x7fELF"):
        return
    try:
        elf = ELFFile(io.BytesIO(content))
        machine, order = elf["e_machine"], "little" if elf.little_endian else "big"
        dynamic = [one for one in elf.iter_segments() if isinstance(one, DynamicSegment)]
        textrel = any(map(_has_text_relocations, dynamic))
    except ELFError as error:
        raise BuildError(f"a broken ELF file: {error}", where=where) from error
    if machine != target.elf_machine or order != target.byte_order:
        raise BuildError(
            f"compiled for {machine} ({order}-endian), not for {target.name}",
            where=where,
            next_step="the build took the build machine's compiler: check the recipe",
        )
    if textrel:
        raise BuildError(
            "has text relocations: code that is not position-independent was linked in",
            where=where,
            next_step="link that library as a shared one, or compile it with -fPIC",
        )


def _has_text_relocations(dynamic: DynamicSegment) -> bool:
    flags = sum(tag.entry.d_val for tag in dynamic.iter_tags("DT_FLAGS"))
    return bool(flags & DF_TEXTREL) or any(True for _ in dynamic.iter_tags("DT_TEXTREL"))
