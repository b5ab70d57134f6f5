"""What a wheel must not be: for another machine, bound to the place where it was built.

It is asked at the end of the build, in the build's own image, and again of every wheel that comes
from elsewhere, so it stands alone: the standard library, pyelftools and packaging.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

DF_TEXTREL = 0x4
BUILD_PLACES = (b"/build/source", b"/build/requirements", b"/build/wheel", b"/build/work")
"""Folders of a build that have no place in what comes out of it."""


class Expected(NamedTuple):
    """What the target table says of machine code: ``uname -m``, ``e_machine``, byte order."""

    machine: str
    elf_machine: str
    byte_order: str


class Problem(NamedTuple):
    """Why a wheel is refused: in which of its files, what, and what to do."""

    where: str
    message: str
    next_step: str


def problems(path: Path, expected: Expected) -> Iterator[Problem]:
    """Every reason to refuse the wheel."""
    try:
        platforms = {tag.platform for tag in parse_wheel_filename(path.name)[3]}
        for platform in sorted(platforms):
            if platform != "any" and not platform.endswith(f"_{expected.machine}"):
                yield Problem(
                    path.name,
                    f"tagged {platform}, not for {expected.machine}",
                    "the build took the build machine's platform: check the recipe",
                )
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                content, where = archive.read(name), f"{path.name}: {name}"
                yield from _in_machine_code(content, where, expected)
                yield from _in_any_file(content, where)
    except (InvalidWheelFilename, zipfile.BadZipFile) as error:
        yield Problem(path.name, f"not a wheel: {error}", "build it again")


def _in_any_file(content: bytes, where: str) -> Iterator[Problem]:
    for place in BUILD_PLACES:
        if place in content:
            yield Problem(
                where,
                f"holds the build's own path {place.decode()}",
                "it would not be the same elsewhere: mend the recipe or patch the source",
            )


def _in_machine_code(content: bytes, where: str, expected: Expected) -> Iterator[Problem]:
    if not content.startswith(b"\x7fELF"):
        return
    try:
        elf = ELFFile(io.BytesIO(content))
        machine, order = elf["e_machine"], "little" if elf.little_endian else "big"
        dynamic = [one for one in elf.iter_segments() if isinstance(one, DynamicSegment)]
        textrel = any(map(_has_text_relocations, dynamic))
    except ELFError as error:
        yield Problem(where, f"a broken ELF file: {error}", "build it again")
        return
    if (machine, order) != (expected.elf_machine, expected.byte_order):
        yield Problem(
            where,
            f"compiled for {machine} ({order}-endian), not for {expected.machine}",
            "the build took the build machine's compiler: check the recipe",
        )
    if textrel:
        yield Problem(
            where,
            "has text relocations: code that is not position-independent was linked in",
            "link that library as a shared one, or compile it with -fPIC",
        )


def _has_text_relocations(dynamic: DynamicSegment) -> bool:
    flags = sum(tag.entry.d_val for tag in dynamic.iter_tags("DT_FLAGS"))
    return bool(flags & DF_TEXTREL) or any(True for _ in dynamic.iter_tags("DT_TEXTREL"))
