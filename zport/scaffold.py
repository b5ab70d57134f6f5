"""First recipes: written from what a source distribution says of itself, without running it.

The archive is read in place: `pyproject.toml`, `PKG-INFO` and the names of its files. What cannot
be read off them becomes a comment of the recipe that says what to look at.
"""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from jinja2 import StrictUndefined, Template
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import ValidationError

from zport import recipes as project
from zport.distribution import TRIXIE
from zport.errors import BlockedError, UsageError
from zport.recipes import Build, Recipe, recipe_names
from zport.resolve.graph import holds_somewhere
from zport.resolve.lock import write_recipe_locks
from zport.sources.fetch import Fetcher
from zport.sources.kinds import PyPISource
from zport.sources.pypi import Index, IndexFile
from zport.targets import REFERENCE
from zport.workspace import part_folder

BY_HAND = "write the recipe by hand (see CONTRIBUTING)"
READ = ("PKG-INFO", "pyproject.toml", "setup.py", "meson.build", "CMakeLists.txt")
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, RuntimeError)
"""What a damaged or encrypted archive raises."""
BESIDE = {"test", "tests", "test cases", "doc", "docs", "examples", "benchmarks", "bench"}
"""Folders whose files do not go into the wheel."""


@dataclass(frozen=True)
class Trait:
    """A build backend or a language: how it shows, and what a recipe needs for it.

    ``shows`` are modules of a backend or suffixes of a language's files, ``names`` the build
    requirements that mean it. ``requires`` are Python packages that it asks for only when it runs.
    """

    title: str
    shows: tuple[str, ...]
    names: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    target_packages: tuple[str, ...] = ()
    look: str = ""


BACKENDS = (
    Trait("setuptools", ("setuptools",), requires=("wheel",)),
    Trait("meson-python", ("mesonpy",), packages=("patchelf",)),
    Trait("scikit-build-core", ("scikit_build_core",)),
    Trait("hatchling", ("hatchling",), look="a build hook of hatchling may ask for more packages"),
    Trait("flit-core", ("flit_core",)),
    Trait("poetry-core", ("poetry.core",), look="a build script of poetry may ask for setuptools"),
    Trait("pdm-backend", ("pdm.backend",), look="a build script of pdm may ask for setuptools"),
    Trait("maturin", ("maturin",)),
)
LANGUAGES = (
    Trait("C", (".c",), ("cffi", "mypy")),
    Trait("C++", (".cc", ".cpp", ".cxx"), ("cppy", "nanobind", "pybind11")),
    Trait("Cython", (".pyx",), ("cython",)),
    Trait("Fortran", (".f", ".f90", ".f95", ".for"),
          look="Fortran: packages needs gfortran, for the machine that it compiles for"),
    Trait("Rust", ("cargo.toml",), ("maturin", "setuptools-rust"),
          packages=("cargo",), target_packages=("libstd-rust-dev",),
          look="Rust: builds have no network; crates come from Debian's librust-*-dev packages,"
               " or are vendored in the source"),
)  # fmt: skip
FROM_DEBIAN = {"cmake": "cmake", "ninja": "ninja-build", "patchelf": "patchelf", "swig": "swig"}
"""Programs that the index has as wheels; Debian's packages of them are taken."""
RENAMED = {"oldest-supported-numpy": Requirement("numpy")}
"""Packages that only chose a version of another one for Pythons of the past."""
COMPILED_AGAINST = {"blis", "cymem", "murmurhash", "numpy", "preshed", "pyarrow", "scipy", "thinc"}
"""Packages with code for one machine whose headers or declarations other packages include."""
SUSPECTS = {
    "backend-path": "{file} has a build backend of its own, which may ask for more packages",
    "setup_requires": "{file} has setup_requires: what stands there belongs in requires too",
    "-march=native": "{file} asks for the building machine's own instructions: -march=native",
    "platform.machine(": "{file} looks at the machine it runs on, which is not the target",
    "pkg-config": "{file} asks pkg-config: the -dev packages it means go into target_packages",
    "dependency(": "{file}: a dependency() that is no Python package goes into target_packages",
    "find_package(": "{file}: what find_package() wants of Debian goes into target_packages",
    "try_run(": "{file} runs what it compiled: try_run() cannot be crossed",
}

TEMPLATE = """\
# Drafted by: zport recipe new {{ recipe.name }}=={{ recipe.version }}
name = {{ toml(recipe.name) }}
version = {{ toml(recipe.version) }}
summary = {{ toml(recipe.summary) }}
# To be taken out once the wheel is built and its test has passed.
not_run = {{ toml(recipe.not_run) }}

[source]
kind = "pypi"
filename = {{ toml(recipe.source.filename) }}
sha256 = {{ toml(recipe.source.sha256) }}

[build]
# Backend: {{ backend }}. Languages: {{ languages | join(", ") or "none that is compiled" }}.
{% for look in looks %}
# To look at: {{ (look ~ ".") | wordwrap(85, false, "\\n# ", false) }}
{% endfor %}
mode = {{ toml(recipe.build.mode) }}
# Pinned with hashes in build-requirements.lock.
requires = {{ toml(recipe.build.requires) }}
{% for key in ("links", "packages", "target_packages") if recipe.build[key] %}
{{ key }} = {{ toml(recipe.build[key]) }}
{% endfor %}

[test]
# Without imports, all top-level modules of the wheel are imported. That proves little: name a
# script of this folder, such as script = "test_numbers.py", that computes what is known.
{% if tests %}

# Upstream's own tests are in the source:
# [suite]
# pytest = {{ toml([tests]) }}
# files = {{ toml([tests]) }}
{% endif %}
"""


@dataclass(frozen=True)
class Sdist:
    """A source distribution: its files without the top folder, and the texts of those in READ."""

    file: IndexFile
    paths: tuple[str, ...]
    texts: dict[str, str]


@dataclass(frozen=True)
class Draft:
    """A recipe, and what was seen of its source: ``looks`` are sentences for who goes on."""

    recipe: Recipe
    backend: str
    languages: list[str]
    looks: list[str]
    tests: str | None


def new_recipe(request: str, fetcher: Fetcher, *, force: bool = False) -> Draft:
    """Write a first recipe, with its locks, for ``package`` or ``package==version``.

    What fails leaves all as it was. With ``force`` recipe and locks are written anew, and other
    files of the folder stay. Raises :class:`UsageError` for a malformed or unknown name, an
    existing recipe and a pure-Python package, :class:`BlockedError` for a package whose source is
    not published or cannot be read, and what fetching and locking raise.
    """
    name, version = _parse(request)
    folder = project.RECIPES / name
    if (folder / "recipe.toml").exists() and not force:
        raise UsageError(
            f"{name} has a recipe already",
            where=f"recipes/{name}",
            next_step="edit it, or write it anew with --force",
        )
    file = find_sdist(fetcher.index, name, version)
    _require_machine_code(fetcher.index, file)
    draft = draft_recipe(read_sdist(fetcher.file(file), file), recipe_names())
    _write(draft, folder)
    return draft


def _write(draft: Draft, folder: Path) -> None:
    """Write the recipe and its locks; the folder changes when all of them are there."""
    with part_folder(folder) as part:
        if folder.exists():
            shutil.copytree(folder, part, dirs_exist_ok=True)
        (part / "recipe.toml").write_text(recipe_text(draft), encoding="utf-8")
        write_recipe_locks(draft.recipe, part)


def _parse(request: str) -> tuple[str, str | None]:
    """The package's normalized name, and the version if one is asked for."""
    name, given, version = request.strip().partition("==")
    try:
        return str(canonicalize_name(name, validate=True)), str(Version(version)) if given else None
    except (InvalidName, InvalidVersion) as error:
        raise UsageError(
            f"not a package: {request!r}", next_step="write PACKAGE or PACKAGE==VERSION"
        ) from error


def find_sdist(index: Index, name: str, version: str | None = None) -> IndexFile:
    """The source distribution of that version, or of the newest for the distribution's Python.

    Raises :class:`UsageError` for an unknown package, :class:`BlockedError` for one without it.
    """
    file = index.sdist(name, version, TRIXIE)
    if file:
        return file
    if not index.knows(name):
        raise UsageError(f"the package index has no package {name!r}", next_step="check the name")
    raise BlockedError(
        f"the index has no source distribution for Python {TRIXIE.python_version}",
        where=f"pypi:{name}" + (f"=={version}" if version else ""),
        next_step="choose another version, or write a recipe of another kind of source by hand",
    )


def _require_machine_code(index: Index, file: IndexFile) -> None:
    """Raise for a package whose published wheel is of no architecture."""
    wheel = index.wheel(file.name, file.version, REFERENCE, TRIXIE)
    if wheel and wheel.is_pure:
        raise UsageError(
            f"{file.name} {file.version} is pure Python: its wheel serves every target",
            where=wheel.filename,
            next_step="no recipe is needed: name the package in an agent's requirements",
        )


def read_sdist(path: Path, file: IndexFile) -> Sdist:
    """Read a source distribution in place. Raises :class:`BlockedError` when it is not one."""
    tops, paths, texts = set(), [], {}
    try:
        for member, content in _members(path, zipped=file.filename.endswith(".zip")):
            top, _, inner = member.removeprefix("./").partition("/")
            tops.add(top if inner else "")
            paths.append(inner)
            if inner in READ:
                texts[inner] = content.decode(errors="replace")
    except (*BROKEN, OSError) as error:
        raise _unreadable(file, str(error).partition(":\n")[0]) from error
    if len(tops) != 1 or "" in tops:
        raise _unreadable(file, "it has no top folder that holds all files")
    return Sdist(file, tuple(paths), texts)


def _members(path: Path, *, zipped: bool) -> Iterator[tuple[str, bytes]]:
    """The files of an archive, with the content of those that are read."""
    if zipped:
        with zipfile.ZipFile(path) as opened:
            for name in [name for name in opened.namelist() if not name.endswith("/")]:
                yield name, opened.read(name) if name.endswith(READ) else b""
        return
    with tarfile.open(path) as tar:
        for member in tar:
            found = tar.extractfile(member) if member.isreg() else None
            if found:
                yield member.name, found.read() if member.name.endswith(READ) else b""


def draft_recipe(sdist: Sdist, known: Sequence[str]) -> Draft:
    """What the source says of itself as a recipe. ``known`` are the packages that have one.

    Raises :class:`BlockedError` when it says nothing, or something else than the index.
    """
    version, summary = _described(sdist)
    module, asked = _build_system(sdist)
    named = {str(canonicalize_name(requirement.name)) for requirement in asked}
    backend = next((trait for trait in BACKENDS if module.startswith(trait.shows)), None)
    languages = [trait for trait in LANGUAGES if _shows(trait, sdist.paths, named)]
    traits = [*([backend] if backend else []), *languages]
    packages = {package for trait in traits for package in trait.packages}
    packages |= {package for name, package in FROM_DEBIAN.items() if name in named}
    try:
        source = PyPISource(kind="pypi", filename=sdist.file.filename, sha256=sdist.file.sha256)
    except ValidationError as error:
        raise _unreadable(sdist.file, "no kind of archive that zport reads") from error
    build = Build(
        requires=tuple(_requires(asked, backend)),
        links=tuple(sorted(named & COMPILED_AGAINST & set(known))),
        packages=tuple(sorted(packages.difference(TRIXIE.toolchain_packages))),
        target_packages=tuple(name for trait in traits for name in trait.target_packages),
    )
    recipe = Recipe(name=sdist.file.name, version=version, summary=summary,
                    not_run="drafted, not built yet", source=source, build=build)  # fmt: skip
    looks = [trait.look for trait in traits if trait.look] + _suspicions(sdist)
    if backend is None:
        looks.insert(0, f"zport does not know the backend {module}: it may ask for more packages")
    titles = [trait.title for trait in languages]
    return Draft(recipe, backend.title if backend else module, titles, looks, _tests(sdist.paths))


def _described(sdist: Sdist) -> tuple[str, str]:
    """Version and summary in PKG-INFO, once it is clear that this is the right package."""
    info = HeaderParser().parsestr(sdist.texts.get("PKG-INFO", ""))
    name, pythons = str(info["Name"] or ""), str(info["Requires-Python"] or "")
    try:
        version = Version(str(info["Version"] or "0"))
        fits = SpecifierSet(pythons).contains(f"{TRIXIE.python_version}.0")
    except (InvalidVersion, InvalidSpecifier) as error:
        raise _unreadable(sdist.file, f"PKG-INFO: {error}") from error
    if canonicalize_name(name) != sdist.file.name or version != Version(sdist.file.version):
        said = f"is of {name} {version}" if name else "is missing or names no package"
        raise _unreadable(sdist.file, f"its PKG-INFO {said}")
    if not fits:
        step = f"choose a version for Python {TRIXIE.python_version}"
        raise _unreadable(sdist.file, f"{name} {version} needs Python {pythons}", step)
    summary = " ".join(str(info["Summary"] or "UNKNOWN").split())
    return str(version), name if summary == "UNKNOWN" else summary


def _build_system(sdist: Sdist) -> tuple[str, list[Requirement]]:
    """The backend's module and the build requirements (PEP 518), with that PEP's defaults."""
    try:
        whole = tomllib.loads(sdist.texts.get("pyproject.toml", ""))
        table = whole.get("build-system", {"requires": ["setuptools"]})
        asked = [Requirement(text) for text in table["requires"]]
        module = str(table.get("build-backend", "setuptools.build_meta"))
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(sdist.file, f"its pyproject.toml is not valid TOML: {error}") from error
    except (AttributeError, KeyError, TypeError, InvalidRequirement) as error:
        raise _unreadable(sdist.file, "its [build-system] does not follow PEP 518") from error
    applying = [one for one in asked if holds_somewhere(str(one.marker) if one.marker else None)]
    return module.partition(":")[0], [RENAMED.get(one.name, one) for one in applying]


def _requires(asked: Sequence[Requirement], backend: Trait | None) -> list[str]:
    """The build requirements that are to be wheels, each once, the backend's own last."""
    texts = {str(canonicalize_name(one.name)): str(one) for one in asked}
    for name in backend.requires if backend else ():
        texts.setdefault(name, name)
    return [text for name, text in texts.items() if name not in FROM_DEBIAN]


def _shows(trait: Trait, paths: Sequence[str], named: set[str]) -> bool:
    """Whether a language is used for what goes into the wheel."""
    return bool(named & set(trait.names)) or any(
        path.lower().endswith(trait.shows) and not BESIDE & set(PurePosixPath(path).parts[:-1])
        for path in paths
    )


def _suspicions(sdist: Sdist) -> list[str]:
    """What a build script that the archive holds does not do well for another machine."""
    texts = {file: sdist.texts.get(file, "") for file in READ[1:]}
    found = [
        (file, look) for file in texts for word, look in SUSPECTS.items() if word in texts[file]
    ]
    return [look.format(file=file) for file, look in found]


def _tests(paths: Sequence[str]) -> str | None:
    """The folder nearest to the top that holds upstream's tests."""
    folders = {
        "/".join(parts[: depth + 1])
        for parts in (PurePosixPath(path).parts for path in paths)
        for depth, part in enumerate(parts[:-1])
        if part in ("test", "tests") and re.match(r"test_.*\.py$|.*_test\.py$", parts[-1])
    }
    return min(folders, key=lambda folder: (folder.count("/"), folder), default=None)


def recipe_text(draft: Draft) -> str:
    """The draft as TOML, with comments that say what to look at."""
    template = Template(
        TEMPLATE, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return str(template.render(draft.__dict__, toml=_toml))


def _toml(value: str | Sequence[str]) -> str:
    """A TOML string, or a list of them; JSON's are the same but for one control character."""
    if isinstance(value, str):
        literal = '"' in value and "'" not in value and value.isprintable()
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        return f"'{value}'" if literal else text
    line = f"[{', '.join(map(_toml, value))}]"
    whole = "[\n" + "".join(f"    {_toml(one)},\n" for one in value) + "]"
    return line if len(line) <= 80 else whole


def _unreadable(file: IndexFile, why: str, step: str = BY_HAND) -> BlockedError:
    return BlockedError(f"no recipe can be drafted: {why}", where=file.filename, next_step=step)
