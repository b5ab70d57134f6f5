"""What only the whole source can tell: names that are used and defined nowhere, or read with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from zport.audit.files import Files
from zport.audit.languages import language_of
from zport.audit.model import Finding, Wanted


def decided(wanted: Sequence[Wanted], files: Files) -> list[Finding]:
    """The findings that stand when all files have been asked."""
    absent = [one for one in wanted if not one.name.use]
    return undefined(absent, files) + used([one for one in wanted if one.name.use], files)


def used(wanted: Sequence[Wanted], files: Files) -> list[Finding]:
    """The findings whose name some file uses as the rule says: a layout that data are read with."""
    open_ones = {one.name.use: re.compile(one.name.use.encode()) for one in wanted}
    seen: set[str] = set()
    for file in files() if wanted else ():
        if file.data is None or language_of(file.path) is None:
            continue
        for use, pattern in list(open_ones.items()):
            if pattern.search(file.data):
                seen.add(use)
                del open_ones[use]
    return [one.finding for one in wanted if one.name.use in seen]


def undefined(wanted: Sequence[Wanted], files: Files) -> list[Finding]:
    """The findings whose name no other line of the source has.

    The lines of the findings themselves do not count: code that does not compile for one byte order
    may call the same missing function in many places. A name in a namespace that no file of the
    source opens is another library's, and not missing.
    """
    if not wanted:
        return []
    own = {(one.finding.path, one.finding.line) for one in wanted}
    missing = {one.name.text for one in wanted}
    foreign = {name.rpartition("::")[0] for name in missing} - {""}
    for file in files():
        if file.data is None or not missing:
            continue
        missing -= {name for name in missing if _defined(name, file.path, file.data, own)}
        foreign -= {scope for scope in foreign if _opens(scope, file.data)}
    return [
        one.finding
        for one in wanted
        if one.name.text in missing and one.name.text.rpartition("::")[0] not in foreign
    ]


def _opens(scope: str, data: bytes) -> bool:
    """Whether a file has code in a namespace."""
    last = scope.rpartition("::")[2].encode()
    return (
        re.search(rb"\b(namespace|class|struct)\b[^{;(]*\b" + re.escape(last) + rb"\b", data)
        is not None
    )


def _defined(name: str, path: str, data: bytes, own: Iterable[tuple[str, int]]) -> bool:
    """Whether a file has the name, with a namespace inside of it, outside the lines that use it."""
    scope, _, plain = name.encode().rpartition(b"::")
    if plain not in data:
        return False
    lines = {line for where, line in own if where == path}
    return any(
        data.count(b"\n", 0, found.start()) + 1 not in lines
        and (not scope or _inside(scope, data, found.start()))
        for found in re.finditer(rb"\b" + re.escape(plain) + rb"\b", data)
    )


def _inside(scope: bytes, data: bytes, offset: int) -> bool:
    """Whether a place is qualified with a namespace, or in its braces as far as comments tell."""
    if data[:offset].endswith(scope + b"::"):
        return True
    opened = list(
        re.finditer(rb"\bnamespace[^{;]*\b" + re.escape(scope) + rb"\s*\{", data[:offset])
    )
    if not opened:
        return False
    closed = re.search(rb"\}\s*//.*\b" + re.escape(scope) + rb"\b", data[opened[-1].end() : offset])
    return closed is None
