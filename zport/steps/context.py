"""Contexts: the folder that a step's Dockerfile is built from, filled from cache and checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from zport.debian.packages import DebianPackage
from zport.engines.process import DIE_WITH_PARENT
from zport.errors import BuildError, HostError
from zport.sources.fetch import Fetcher, Member, Remote
from zport.steps.step import BootstrapRoot, ContextFile, Derived, Step
from zport.workspace import (
    Workspace,
    make_folder,
    part_file,
    part_folder,
    sha256_file,
    write_whole,
)


def fetch_sources(step: Step, fetcher: Fetcher) -> None:
    """Bring everything that a step's context names into the cache, checked."""
    sources = [file.source for file in step.context]
    packages = [source for source in sources if isinstance(source, DebianPackage)]
    for root in (source for source in sources if isinstance(source, BootstrapRoot)):
        packages += root.closure.packages
    fetcher.debian(packages)
    for source in sources:
        if isinstance(source, Remote | Member):
            fetcher.file(source)


def write_context(step: Step, workspace: Workspace, fetcher: Fetcher, log: Path) -> Path:
    """The step's folder with its Dockerfile and context, moved in whole. Fetches first.

    The caller holds the step's lock. The step's key is kept beside the folder and says what it
    holds; not in it, where an image could take it up.
    """
    fetch_sources(step, fetcher)
    for file in step.context:
        if isinstance(file.source, BootstrapRoot):
            _bootstrap(file, step.epoch, workspace, fetcher, log)
    folder, key = make_folder(workspace.plan) / step.name, _key_of_context(step, workspace)
    key.unlink(missing_ok=True)
    with part_folder(folder) as part:
        (part / "Dockerfile").write_text(step.dockerfile)
        for file in step.context:
            if ".." in Path(file.path).parts or Path(file.path).is_absolute():
                raise BuildError(f"the file name {file.path!r} leaves the context", where=step.name)
            _place(file, make_folder((part / file.path).parent) / Path(file.path).name, fetcher)
    write_whole(key, step.key)
    return folder


def has_context(step: Step, workspace: Workspace) -> bool:
    """Whether the step's folder is there and holds what its key says."""
    key = _key_of_context(step, workspace)
    there = (workspace.plan / step.name / "Dockerfile").exists() and key.exists()
    return there and key.read_text() == step.key


def _key_of_context(step: Step, workspace: Workspace) -> Path:
    return workspace.plan / f"{step.name}.key"


def _place(file: ContextFile, path: Path, fetcher: Fetcher) -> None:
    """Link a fetched file, copy one of the checkout (its permissions may change), write a text."""
    if isinstance(file.source, str | Derived):
        path.write_text(file.source if isinstance(file.source, str) else file.source.make())
        path.chmod(file.mode)
    elif isinstance(file.source, Path):
        shutil.copyfile(file.source, path)
        path.chmod(file.mode)
        if sha256_file(path) != file.sha256:
            raise BuildError(
                "the file changed after the build was planned",
                where=file.source,
                next_step="run the same command again",
            )
    else:
        os.link(fetcher.cached(file.sha256), path)


def _bootstrap(
    file: ContextFile, epoch: int, workspace: Workspace, fetcher: Fetcher, log: Path
) -> None:
    """Make the host's own Debian root with mmdebstrap from pinned packages, into the cache."""
    root = file.source
    assert isinstance(root, BootstrapRoot)
    cached = fetcher.cached(file.sha256)
    with workspace.exclusive(f"bootstrap-{root.target.name}"):
        if cached.exists():
            return
        with TemporaryDirectory(dir=make_folder(workspace.cache), prefix=".bootstrap.") as name:
            repository = Path(name)
            repository.chmod(0o755)
            for package in root.closure.packages:
                os.link(fetcher.cached(package.sha256), repository / package.file)
            (repository / "Packages").write_text(root.closure.index())
            with part_file(cached) as part:
                _mmdebstrap(root, repository, part, epoch, log)


def _mmdebstrap(root: BootstrapRoot, repository: Path, tar: Path, epoch: int, log: Path) -> None:
    command = [
        "mmdebstrap", "--mode=root", "--variant=apt", "--format=tar",
        f"--architectures={root.target.debian}", '--aptopt=APT::Sandbox::User "root"',
        "--dpkgopt=force-unsafe-io", root.suite, str(tar),
        f"deb [trusted=yes] copy:{repository} ./",
    ]  # fmt: skip
    make_folder(log.parent)
    with log.open("ab") as file:
        try:
            done = subprocess.run(
                [*DIE_WITH_PARENT, *command], stdout=file, stderr=subprocess.STDOUT,
                env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise HostError(
                "mmdebstrap is not installed", next_step="apt-get install mmdebstrap"
            ) from error
    if done.returncode != 0:
        raise BuildError(
            "the first root could not be made from packages",
            where="mmdebstrap",
            next_step="read the log; mmdebstrap needs root",
            log=log,
        )
