"""Files on the package index: which wheel or sdist serves a requirement on a target.

The index is the one that pip is configured for, mirrors and extra indexes included; nothing here
names a host. Links are found by `unearth`, which reads pip's kinds of index and checks tags for
any platform, so no target code and no build backend runs to answer the question.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from zport.distribution import Distribution
from zport.errors import FetchError
from zport.targets import Target

if TYPE_CHECKING:
    from unearth import Package, PackageFinder, TargetPython

PIP_SECTIONS = ("global", "install", ":env:")
"""The sections of pip's configuration that say where packages are, the strongest last."""


@dataclass(frozen=True)
class IndexFile:
    """A file of a package index, named by coordinates; its place is looked up when needed.

    ``filename`` is empty where only the hash is known.
    """

    name: str
    version: str
    filename: str
    sha256: str

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")

    @property
    def is_pure(self) -> bool:
        """Whether the wheel has no code of one architecture (platform tag ``any``)."""
        return self.filename.endswith("-any.whl")


class Index:
    """The package index as pip is configured to see it."""

    def wheel(
        self, name: str, version: str, target: Target, distribution: Distribution
    ) -> IndexFile | None:
        """The best published wheel of that version for the target's Python, if there is one."""
        python = _target_python(target, distribution)
        return self._best(self._finder(python, only_binary=[":all:"]), name, version)

    def sdist(self, name: str, version: str | None, distribution: Distribution) -> IndexFile | None:
        """The source distribution of that version, or of the newest for the target's Python."""
        from unearth import TargetPython

        finder = self._finder(TargetPython(py_ver=distribution.python), no_binary=[":all:"])
        if version is None:
            newest = self._asked(lambda s, **_: finder.find_matches(s, None, False), name, "newest")
            version = newest[0].version if newest else None
        return self._best(finder, name, version) if version else None

    def knows(self, name: str) -> bool:
        """Whether the index has any file of that package."""
        finder = self._finder(ignore_compatibility=True)
        return bool(self._asked(finder.find_all_packages, name, "any"))

    def locate(self, file: IndexFile) -> str:
        """The URL of the file with that hash, whatever platform it is for.

        Raises :class:`FetchError` when the index does not list it.
        """
        finder = self._finder(ignore_compatibility=True)
        for candidate in self._asked(finder.find_all_packages, file.name, file.version):
            if file.sha256 in (candidate.link.hash_option or {}).get("sha256", []):
                return str(candidate.link.url_without_fragment)
        raise FetchError(
            f"the package index lists no {file.filename or 'file'} with SHA-256 {file.sha256}",
            where=f"pypi:{file.name}=={file.version}",
            next_step="check the pin, the network and pip's index configuration",
        )

    def _finder(
        self,
        python: TargetPython | None = None,
        *,
        only_binary: Sequence[str] = (),
        no_binary: Sequence[str] = (),
        ignore_compatibility: bool = False,
    ) -> PackageFinder:
        from unearth import PackageFinder

        return PackageFinder(
            session=self._client,
            index_urls=self._configuration["index"],
            find_links=self._configuration["links"],
            target_python=python,
            only_binary=only_binary,
            no_binary=no_binary,
            ignore_compatibility=ignore_compatibility,
        )

    @cached_property
    def _client(self) -> Any:
        """What asks the servers, for all questions."""
        return self._make_client()

    def _make_client(self) -> Any:
        from unearth import PackageFinder

        client: Any = PackageFinder(index_urls=self._configuration["index"]).session
        client.event_hooks = {"response": [_require_answer]}
        return client

    def _best(self, finder: PackageFinder, name: str, version: str) -> IndexFile | None:
        matches = self._asked(finder.find_matches, f"{name}=={version}", version)
        best = next(iter(matches), None)
        if best is None:
            return None
        digests = (best.link.hash_option or {}).get("sha256", [])
        if not digests:
            raise FetchError(
                f"the index gives no SHA-256 for {best.link.filename}",
                where=f"pypi:{name}=={version}",
                next_step="use an index that lists hashes (PEP 503)",
            )
        return IndexFile(str(canonicalize_name(name)), version, best.link.filename, digests[0])

    def _asked(
        self, question: Callable[..., Iterable[Package]], subject: str, version: str
    ) -> list[Package]:
        try:
            return list(question(subject, allow_yanked=True))
        except Exception as error:  # the finder lets its HTTP library's exceptions through
            raise FetchError(
                f"the package index does not answer: {error}",
                where=f"pypi:{subject.partition('==')[0]}=={version}",
                next_step="check the network and pip's index configuration",
            ) from error

    @cached_property
    def _configuration(self) -> dict[str, list[str]]:
        """Index URLs and link folders from pip's configuration files and environment."""
        listed = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found: dict[str, dict[str, list[str]]] = {section: {} for section in PIP_SECTIONS}
        for line in listed.stdout.splitlines():
            key, _, value = line.partition("=")
            section, _, option = key.partition(".")
            if section in found:
                found[section][option] = str(ast.literal_eval(value)).split()
        options = {key: value for section in found.values() for key, value in section.items()}
        index = options.get("index-url") or [_default_index()]
        forbidden = options.get("no-index", ["0"])[0].lower() in ("1", "true", "yes", "on")
        return {
            "index": [] if forbidden else [*index, *options.get("extra-index-url", [])],
            "links": options.get("find-links", []),
        }


@cache
def _target_python(target: Target, distribution: Distribution) -> TargetPython:
    """The Python that wheels are for. Its tags are hundreds, and each of these lists them anew."""
    from unearth import TargetPython

    return TargetPython(
        py_ver=distribution.python,
        platforms=target.wheel_platforms(distribution.glibc),
        impl="cp",
    )


def _require_answer(response: Any) -> None:
    """Raise for a server that is in trouble: the finder takes that for a page without links."""
    if response.status_code >= 500 or response.status_code == 429:
        response.raise_for_status()


def _default_index() -> str:
    """pip's own default; asked of pip so that it is written nowhere else."""
    from pip._internal.models.index import PyPI

    return PyPI.simple_url
