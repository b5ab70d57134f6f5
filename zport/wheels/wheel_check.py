"""What a wheel must not be: for another machine, bound to the place where it was built.

It is asked at the end of the build, in the build's own image, and again of every wheel that comes
from elsewhere, so it stands alone: the standard library, pyelftools and packaging.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

DF_TEXTREL = 0x4
BUILD_PLACE = re.compile(rb"/build/(?:source|requirements|wheel|work)(?!\.?[\w-])")
"""Folders of a build that have no place in what comes out of it, but not ``/build/workflow``."""
LONGER_PATH = re.compile(rb"[\w.-](?<!-[A-Z])\Z")
"""What ends so before a place is the rest of its path; ``-I`` is a compiler's option."""
AR_MARK, AR_HEADER, AR_HEADER_END = b"!<arch>\n", 60, b"`\n"


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
                yield from _in_static_library(content, where, expected)
                yield from _in_any_file(content, where)
    except (InvalidWheelFilename, zipfile.BadZipFile) as error:
        yield Problem(path.name, f"not a wheel: {error}", "build it again")


def _in_any_file(content: bytes, where: str) -> Iterator[Problem]:
    for place in sorted(set(_build_places(content))):
        yield Problem(
            where,
            f"holds the build's own path {place.decode()}",
            "it would not be the same elsewhere: mend the recipe or patch the source",
        )


def _build_places(content: bytes) -> Iterator[bytes]:
    # In binary data what comes before may be a length, or another string without an end mark.
    text = b"\0" not in content
    for found in BUILD_PLACE.finditer(content):
        before = content[max(found.start() - 3, 0) : found.start()]
        if not (text and LONGER_PATH.search(before)):
            yield found.group()


def _in_static_library(content: bytes, where: str, expected: Expected) -> Iterator[Problem]:
    if not content.startswith(AR_MARK):
        return
    try:
        for name, member in _ar_members(content):
            yield from _in_machine_code(member, f"{where}({name})", expected)
    except ValueError as error:
        yield Problem(where, f"a broken static library: {error}", "build it again")


def _ar_members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents in an archive as GNU's ar writes it, its own tables among them."""
    long_names, start = b"", len(AR_MARK)
    while start < len(content):
        header = content[start : start + AR_HEADER]
        name, digits = header[:16].rstrip(), header[48:58].rstrip()
        if not (header[58:] == AR_HEADER_END and digits.isdigit()):
            raise ValueError(f"no header of a member at byte {start}")
        start, size = start + AR_HEADER, int(digits)
        member = content[start : start + size]
        if len(member) < size:
            raise ValueError("it is cut")
        if name == b"//":
            long_names = member
        elif name[:1] == b"/" and name[1:].isdigit():
            name = long_names[int(name[1:]) :].partition(b"\n")[0]
        yield name.removesuffix(b"/").decode(errors="replace"), member
        start += size + size % 2


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
