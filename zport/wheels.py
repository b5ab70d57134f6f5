"""Built wheels: taken out of their image, checked, and laid where pip finds them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from zport.engines import Engine
from zport.errors import BuildError
from zport.step import Step
from zport.targets import Target
from zport.workspace import Workspace, part_folder


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


def check_wheel(path: Path, target: Target) -> None:
    """Raise :class:`BuildError` unless the tag and every ELF file in the wheel are the target's."""
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
            _check_elf(archive.read(name), f"{path.name}: {name}", target)


def _check_elf(content: bytes, where: str, target: Target) -> None:
    if not content.startswith(b"\x7fELF"):
        return
    try:
        elf = ELFFile(io.BytesIO(content))
        machine, order = elf["e_machine"], "little" if elf.little_endian else "big"
    except ELFError as error:
        raise BuildError(f"a broken ELF file: {error}", where=where) from error
    if machine != target.elf_machine or order != target.byte_order:
        raise BuildError(
            f"compiled for {machine} ({order}-endian), not for {target.name}",
            where=where,
            next_step="the build took the build machine's compiler: check the recipe",
        )
