"""An index, an archive and defects that are made up, for the tests of scanning."""

import hashlib

from zport.scan.listing import KeptIndex
from zport.sources.pypi import IndexFile


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def file_of(filename):
    name, version = filename.removesuffix(".tar.gz").split("-")[:2]
    return IndexFile(name.replace("_", "-"), version, filename, sha256(filename))


class Shelf(KeptIndex):
    """An index of some files; a wheel serves the target whose machine its name ends with."""

    FILES = (
        "pure-1.0-py3-none-any.whl",
        "both-1.0-cp313-cp313-manylinux2014_s390x.whl",
        "both-1.0-cp313-cp313-manylinux2014_x86_64.whl",
        "elsewhere-1.0-cp313-cp313-manylinux2014_x86_64.whl",
        "sourced-1.0.tar.gz",
        "sourced-1.0-cp313-cp313-manylinux2014_x86_64.whl",
        "refusing-1.0.tar.gz",
        "settable-1.0.tar.gz",
        "wrong-1.0-cp313-cp313-manylinux2014_s390x.whl",
        "debianized-2.0-cp313-cp313-manylinux2014_x86_64.whl",
    )

    def __init__(self, *_, **__):
        self.known = [file_of(name) for name in self.FILES]

    def prepare(self):
        pass

    def files(self, name, version):
        return [one for one in self.known if (one.name, one.version) == (name, version)]

    def wheel(self, name, version, target, distribution):
        fitting = (f"{target.machine}.whl", "any.whl")
        return next((f for f in self.files(name, version) if f.filename.endswith(fitting)), None)

    def sdist(self, name, version, distribution):
        return next((f for f in self.files(name, version) if not f.is_wheel), None)


class Debian:
    """An archive with one package."""

    def __init__(self, *_, **__):
        pass

    def versions(self, target, names):
        known = {"debianized": ("python3-debianized", "1.5")}
        return {name: known[name] for name in names if name in known}


DEFECTS = """\
[[defect]]
package = "wrong"
versions = "<2"
kind = "numbers"
wrong = "2 and 2 is 5"
fix = "pin wrong>=2"
evidence = "made up"
upstream = ["https://tracker.example/1"]

[[defect]]
package = "refusing"
versions = "*"
kind = "build"
wrong = "it says #error"
fix = "pin refusing>=2"
evidence = "made up"

[[defect]]
package = "settable"
versions = "*"
kind = "build"
wrong = "it carries another library"
fix = "take the system's"
evidence = "made up"
environment = { USE_SYSTEM = "1" }
"""
