"""One publication: images by digest, signatures, and at last the tags."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from zport.errors import RegistryError, UsageError
from zport.job import Job
from zport.publish.images import Bundle, bundle
from zport.publish.layout import blob_path
from zport.publish.oras import Repository, find_repository
from zport.publish.sign import KeyPair, key_pair, sign
from zport.publish.tools import require_command
from zport.publish.wheels import WHEELS, wheel_artifacts
from zport.workspace import PROJECT

LATEST = "latest"
STAMP = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def today() -> str:
    """Today's date in UTC, as it stands in a tag."""
    return time.strftime("%Y%m%d", time.gmtime())


@dataclass(frozen=True)
class Publication:
    """What is to be done: where to, under which date, signed by which key, as a release or not."""

    where: str
    stamp: str = field(default_factory=today)
    key: str | None = None
    release: bool = False
    wheels: bool = True


@dataclass(frozen=True)
class Outcome:
    """What became of an agent: the tags of its index, and what had to be sent for it."""

    repository: Repository
    digest: str
    tags: tuple[str, ...]
    platforms: int
    blobs: int
    size: int
    signed: int

    @property
    def phrase(self) -> str:
        """One line for the user; sizes are those of the blobs as they are sent."""
        sent = f"{self.blobs} blobs, {self.size / 1e6:.1f} MB sent" if self.blobs else "no change"
        return f"{self.digest} {self.platforms} platforms, {sent}, {self.signed} signed"


def publish(job: Job, publication: Publication) -> list[Outcome]:
    """Publish the images of the targets that were asked for, and the wheels in them.

    What is pushed has its digest for a name until all of it is there; the tags come last, those
    that move after the one that does not. Nothing is pushed when one agent's fixed tag is taken.

    Raises as :func:`require_possible` does, and :class:`RegistryError` for a registry that does not
    answer or refuses and for a fixed tag that is taken.
    """
    revision = require_possible(publication)
    request = job.request
    with ExitStack() as stack:
        pair = stack.enter_context(key_pair(publication.key)) if publication.key else None
        bundles = []
        for agent in request.agents:
            plans = [plan for plan in job.agents
                     if plan.agent == agent and plan.target in request.targets]  # fmt: skip
            bundles.append(stack.enter_context(bundle(job, agent, plans, revision)))
        there = [find_repository(publication.where, one.agent.name) for one in bundles]
        for one, repository in zip(bundles, there, strict=True):
            require_free(repository, fixed_tag(one, publication), one.index["digest"])
        done = [
            _publish_bundle(one, repository, publication, pair)
            for one, repository in zip(bundles, there, strict=True)
        ]
        if publication.wheels:
            publish_wheels(job, publication.where, pair)
    return done


def require_possible(publication: Publication) -> str | None:
    """Raise for what can be known before anything is built; returns the commit of a release.

    :class:`UsageError` for a stamp that cannot stand in a tag and a release from a tree with
    changes, :class:`RegistryError` for a place of another form, :class:`HostError` without oras.
    """
    find_repository(publication.where, WHEELS)
    if not STAMP.fullmatch(publication.stamp):
        raise UsageError(f"not a part of a tag: {publication.stamp!r}", where="--stamp",
                         next_step="letters, digits, dots, underscores and hyphens")  # fmt: skip
    revision = clean_revision() if publication.release else None
    for command in ("oras", "cosign") if publication.key else ("oras",):
        require_command(command)
    return revision


def fixed_tag(one: Bundle, publication: Publication) -> str:
    """The tag that never moves: ``onnxruntime-1.21.0-20261123``."""
    return f"{version_tag(one)}-{publication.stamp}"


def version_tag(one: Bundle) -> str:
    """The tag of the newest image of a version: ``onnxruntime-1.21.0``."""
    return f"{one.agent.framework}-{one.version}"


def require_free(repository: Repository, tag: str, digest: str) -> None:
    """Raise :class:`RegistryError` when the tag names anything else than this digest."""
    known = repository.resolve(tag)
    if known not in (None, digest):
        raise RegistryError(
            f"this tag never moves, and it is {known} already",
            where=repository.at(tag),
            next_step="nothing was pushed; publish under another one with --stamp, "
            f"for example {tag.rpartition('-')[2]}.2",
        )


def _publish_bundle(
    one: Bundle, repository: Repository, publication: Publication, pair: KeyPair | None
) -> Outcome:
    digest = one.index["digest"]
    sent: set[str] = set()
    for image in one.images:
        sent |= repository.push(one.layout, image.image["digest"], referrers=True)
    # oras forgets the index itself when it is asked for it with the referrers of its images.
    sent |= repository.push(one.layout, digest)
    signed = []
    if pair:
        parts = [part["digest"] for i in one.images for part in (i.image, *i.artifacts)]
        signed = sign(repository, [digest, *parts], pair)
    for image in one.images:
        _tag(repository, image.image["digest"], [image.key_tag])
    fixed = fixed_tag(one, publication)
    # Another publication may have been faster.
    require_free(repository, fixed, digest)
    tags = [fixed, version_tag(one), LATEST]
    _tag(repository, digest, tags)
    size = sum(_size(one, start) for start in sent)
    return Outcome(repository, digest, tuple(tags), len(one.images), len(sent), size, len(signed))


def _tag(repository: Repository, digest: str, tags: Iterable[str]) -> None:
    repository.tag(digest, [tag for tag in tags if repository.resolve(tag) != digest])


def _size(one: Bundle, start: str) -> int:
    blobs = blob_path(one.layout, one.index["digest"]).parent
    return sum(blob.stat().st_size for blob in blobs.glob(f"{start}*"))


def publish_wheels(job: Job, where: str, pair: KeyPair | None) -> None:
    """Publish the wheels of ours that the plan has for the targets."""
    repository = find_repository(where, WHEELS)
    with wheel_artifacts(job) as (layout, wheels):
        for wheel in wheels:
            digest = wheel.manifest["digest"]
            if repository.resolve(wheel.key_tag) != digest:
                repository.push(layout, digest, referrers=True)
            if pair:
                sign(repository, [digest, *(part["digest"] for part in wheel.artifacts)], pair)
            _tag(repository, digest, [wheel.key_tag, wheel.tag])
            job.request.console.print(f"published {repository.at(wheel.tag)}", soft_wrap=True)


def clean_revision() -> str:
    """The commit of the checkout. Raises :class:`UsageError` unless it is one, without changes."""
    asked = ["git", "-C", str(PROJECT)]
    head = subprocess.run([*asked, "rev-parse", "HEAD"], capture_output=True, text=True,
                          check=False)  # fmt: skip
    changed = subprocess.run([*asked, "status", "--porcelain"], capture_output=True, text=True,
                             check=False)  # fmt: skip
    if head.returncode != 0:
        raise UsageError("not a git checkout", where=PROJECT,
                         next_step="publish without --release")  # fmt: skip
    if changed.stdout:
        files = [line[3:] for line in changed.stdout.splitlines()]
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        raise UsageError(
            f"the tree has changes: {', '.join(files[:3])}{more}",
            where="--release",
            next_step="commit or remove them, or publish without --release",
        )
    return head.stdout.strip()
