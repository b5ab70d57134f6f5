"""Package URLs: the standard names of what a build takes in.

Like the coordinates of a source they say what a thing is and not where to get it, so they name no
host, and scanners know them.
"""

from __future__ import annotations

from packageurl import PackageURL

from zport.debian.packages import DebianPackage
from zport.recipes import Recipe, Vendored
from zport.sources.kinds import DebianSource, GitSource, PyPISource, UrlSource
from zport.sources.pypi import IndexFile


def package_purl(package: DebianPackage) -> str:
    """A Debian package: ``pkg:deb/debian/gcc@4%3A14.2.0-1?arch=…``."""
    qualifiers = {"arch": package.architecture}
    return PackageURL("deb", "debian", package.name, package.version, qualifiers).to_string()


def file_purl(file: IndexFile) -> str:
    """A file of the package index: ``pkg:pypi/wheel@0.45.1?file_name=wheel-….whl``."""
    return _pypi(file.name, file.version, file.filename)


def recipe_purl(recipe: Recipe) -> str:
    """The package that a recipe builds, whichever of its files: ``pkg:pypi/psutil@7.1.0``."""
    return _pypi(recipe.name, recipe.version, "")


def source_purl(project: Recipe | Vendored) -> str:
    """The source of a recipe, or one that it vendors."""
    match source := project.source:
        case PyPISource():
            return _pypi(project.name, project.version, source.filename)
        case DebianSource():
            qualifiers = {"arch": "source", "distro": source.suite, "file_name": source.filename}
            name, version = source.package, source.version
            return PackageURL("deb", "debian", name, version, qualifiers).to_string()
        case UrlSource():
            place = {"download_url": source.url, "checksum": f"sha256:{source.sha256}"}
        case GitSource():
            place = {"vcs_url": source_uri(project)}
    return PackageURL("generic", None, project.name, project.version, place).to_string()


def source_uri(project: Recipe | Vendored) -> str:
    """Where such a source is: its URL or commit, else its package URL."""
    match source := project.source:
        case UrlSource():
            return source.url
        case GitSource():
            return f"git+{source.url}@{source.commit}"
        case _:
            return source_purl(project)


def _pypi(name: str, version: str, filename: str) -> str:
    qualifiers = {"file_name": filename} if filename else None
    return PackageURL("pypi", None, name, version, qualifiers).to_string()
