"""The distribution's packages of Python requirements, and their versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from zport.debian import apt
from zport.debian.packages import Archive, upstream_version
from zport.targets import Target
from zport.workspace import digest, write_json

OTHER_NAMES = {
    "attrs": "attr",
    "beautifulsoup4": "bs4",
    "faiss-cpu": "faiss",
    "opencv-python-headless": "opencv",
    "pillow": "pil",
    "psycopg2-binary": "psycopg2",
    "pyjwt": "jwt",
    "pynacl": "nacl",
    "pyopenssl": "openssl",
    "pysocks": "socks",
    "pyyaml": "yaml",
    "pyzmq": "zmq",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
}
"""Packages whose module, after which Debian names them, has another name than the project."""
STANZA = re.compile(r"(?m)^Package: (\S+)$(?:\n.*?)*?^Version: (\S+)$")


class PythonPackages(Archive):
    """Debian's archive, asked for Python packages by the names that the index has for them."""

    def versions(self, target: Target, names: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Debian's package and upstream's version in it, by the index's name, where there is one.

        Raises :class:`FetchError` when the archive does not answer, :class:`HostError` without
        apt.
        """
        asked = {name: debian_names(name) for name in sorted(set(names))}
        if not asked:
            return {}
        question = {"suite": self.distribution.suite, "target": target.debian, "asked": asked}
        lock = self.workspace.locks / "debian" / f"python-{digest(question)[:16]}.json"
        known = self._known(lock)
        if known is None:
            packages = [package for several in asked.values() for package in several]
            known = {"versions": self._shown(target, packages)}
            write_json(lock, known)
        versions: dict[str, str] = known["versions"]
        return {
            name: (package, versions[package])
            for name, several in asked.items()
            for package in several[::-1]
            if package in versions
        }

    def _shown(self, target: Target, packages: Iterable[str]) -> dict[str, str]:
        with self._root([target.debian]) as root:
            shown = apt.run(
                root, "apt-cache", "show", "--no-all-versions", *dict.fromkeys(packages)
            )
        return {name: upstream_version(version) for name, version in STANZA.findall(shown.stdout)}


def debian_names(name: str) -> list[str]:
    """What Debian may call a package of the index, the likeliest first."""
    stem = name.removeprefix("python-").removesuffix("-python")
    module = OTHER_NAMES.get(name)
    names = [*([module] if module else []), name, stem]
    return list(dict.fromkeys(f"python3-{one}" for one in names))
