"""What others published, taken into the engine's store and the build folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from zport.engines import Engine
from zport.errors import RegistryError, TrustError
from zport.plan.planner import REPOSITORY
from zport.provenance import SUFFIX
from zport.publish.images import PROVENANCE_TYPE, exports
from zport.publish.layout import (
    INDEX,
    KEY,
    TITLE,
    VERSION,
    annotation,
    blob_path,
    check_blobs,
    checked_digest,
    read_manifest,
    scratch_layout,
    well_formed,
)
from zport.publish.oras import Repository
from zport.publish.sign import require_public, require_signature
from zport.publish.verify import attached, platform_of, verify
from zport.publish.wheels import WHEEL_TYPE
from zport.steps.step import KEY_LENGTH
from zport.targets import Target
from zport.wheels.built import check_wheel, write_sbom
from zport.workspace import Workspace, part_folder

KEY_FORM = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
VERSION_FORM = re.compile(r"[0-9A-Za-z][0-9A-Za-z._]*")


class Puller:
    """Takes images and wheels from registries, for an engine and a build folder.

    ``public`` is the publisher's public key: then nothing is taken that it has not signed. Raises
    :class:`zport.errors.UsageError` when there is no such key.
    """

    def __init__(self, engine: Engine, workspace: Workspace, public: str | None = None) -> None:
        require_public(public)
        self.engine = engine
        self.workspace = workspace
        self.public = public

    def image(self, repository: Repository, tag: str, target: Target) -> list[str]:
        """Pull the image of a target out of an index; returns the names that it has here.

        One name is for people, the other carries its key: a build of the same key finds it.
        Raises :class:`RegistryError` when it is not there, :class:`TrustError` when it is not
        what it claims.
        """
        digest, where = repository.require(tag), repository.at(tag)
        index = repository.manifest(digest)
        if index.get("mediaType") != INDEX:
            raise TrustError("not an image index", where=where)
        with well_formed(where):
            there = {platform_of(one): one for one in index["manifests"]}
        if target.oci not in there:
            raise RegistryError(f"it has no image for {target.oci}", where=where,
                                next_step=f"there are: {', '.join(sorted(there))}")  # fmt: skip
        found = there[target.oci]
        image = checked_digest(found.get("digest"), where)
        key = _checked(KEY_FORM, annotation(found, KEY), where)
        version = _checked(VERSION_FORM, annotation(index, VERSION), where)
        self.trust_image(repository, digest, key, target)
        agent = repository.name.rpartition("/")[2]
        names = [f"{REPOSITORY}/{agent}:{version}-{target.name}",
                 f"{REPOSITORY}/{agent}:{target.name}-{key}"]  # fmt: skip
        self.take(repository, image, target, names)
        return names

    def take(
        self, repository: Repository, digest: str, target: Target, names: Sequence[str]
    ) -> None:
        """Pull one image by its digest, and give it these names here."""
        here = self.engine.pull(repository.at(digest), target)
        for name in names:
            self.engine.tag(here, name)

    def trust_image(self, repository: Repository, digest: str, key: str, target: Target) -> None:
        """With a public key: raise :class:`TrustError` unless all of an image is signed, and it is
        the one of this key of a step, and of the agent that the repository is for."""
        if not self.public:
            return
        verified = verify(repository, digest, self.public, exports(self.workspace), key)
        keys = {image.platform: image.key for image in verified.images}
        if keys.get(target.oci) != key:
            raise TrustError(
                "its provenance has another key",
                where=repository.at(digest),
                next_step="the tag was moved to another image: ask the publisher",
            )

    def wheel(self, repository: Repository, tag: str, target: Target) -> Path:
        """Take a wheel into the build folder, under its key; returns its path.

        Raises :class:`TrustError` for an artefact that is no wheel, or whose file has no wheel's
        name, such as a path that leads elsewhere; :class:`zport.errors.BuildError` for a wheel that
        is not for the target.
        """
        digest = repository.require(tag)
        where = repository.at(tag)
        with self._fetched(repository, digest) as layout:
            manifest = read_manifest(layout, digest)
            with well_formed(where):
                if manifest.get("artifactType") != WHEEL_TYPE or len(manifest["layers"]) != 1:
                    raise TrustError("not a wheel", where=where)
                layer = manifest["layers"][0]
                content = blob_path(layout, layer["digest"])
                name = wheel_name(annotation(layer, TITLE), where)
            key = _checked(KEY_FORM, annotation(manifest, KEY), where)
            if KEY_FORM.fullmatch(tag[-KEY_LENGTH:]) and not tag.endswith(key):
                raise TrustError("it has another key than its tag", where=where)
            folder = self.workspace.wheels / key
            with self.workspace.exclusive(f"wheel-{key}"):
                if not folder.is_dir():
                    with part_folder(folder) as part:
                        shutil.copyfile(content, part / name)
                        check_wheel(part / name, target)
                        write_sbom(part / name)
                        for statement in attached(
                            repository, layout, digest, PROVENANCE_TYPE, self.public
                        ):
                            shutil.copyfile(statement, part / f"{name}{SUFFIX}")
        return folder / name

    @contextmanager
    def _fetched(self, repository: Repository, digest: str) -> Iterator[Path]:
        """An artefact with its referrers in a layout, blobs and perhaps signature checked."""
        if self.public:
            require_signature(repository, digest, self.public)
        with scratch_layout(exports(self.workspace)) as layout:
            repository.fetch(digest, layout, referrers=True)
            check_blobs(layout)
            yield layout


def wheel_tags_of(repository: Repository, target: Target) -> list[str]:
    """The tags of the newest builds of a target's wheels."""
    return sorted(tag for tag in repository.tags() if tag.endswith(f"-{target.name}"))


def wheel_name(name: object, where: str) -> str:
    """The file name that an artefact gives its wheel; :class:`TrustError` unless it is one."""
    try:
        if not isinstance(name, str) or Path(name).name != name:
            raise InvalidWheelFilename
        parse_wheel_filename(name)
    except (InvalidWheelFilename, ValueError) as error:
        raise TrustError(
            f"not the file name of a wheel: {name!r}",
            where=where,
            next_step="do not use it; it was not published by zport",
        ) from error
    return name


def _checked(form: re.Pattern[str], value: object, where: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise TrustError(f"an annotation is not as zport writes it: {value!r}", where=where)
    return value
