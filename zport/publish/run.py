"""One publication: images by digest, signatures, and at last the tags."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from zport.errors import RegistryError, UsageError
from zport.job import Job
from zport.publish.images import Bundle, bundle
from zport.publish.layout import blob_path
from zport.publish.oras import Repository, find_repository
from zport.publish.sign import KeyPair, key_pair, require_password, sign
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
    """What is to be done: where to, under which date, signed by which key, as a release or not.

    ``revision`` is the commit that a release was planned from, as :func:`require_possible` had it.
    """

    where: str
    stamp: str = field(default_factory=today)
    key: str | None = None
    release: bool = False
    wheels: bool = True
    revision: str | None = None


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


def publish(
    job: Job, publication: Publication, tell: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Publish the images of the targets that were asked for, and the wheels in them.

    What is pushed has its digest for a name until all of it is there; the tags come last, those
    that move after the one that does not. Nothing is pushed when one agent's fixed tag is taken.
    ``tell`` hears of each agent as soon as its tags are there: what comes after it may fail.

    Raises as :func:`require_possible` does, :class:`UsageError` for a release from another commit
    than it was planned from, and :class:`RegistryError` for a registry that does not answer or
    refuses and for a fixed tag that is taken.
    """
    revision = require_possible(publication)
    if publication.revision not in (None, revision):
        raise UsageError(
            f"the checkout is at {revision} now, and what was built is of {publication.revision}",
            where="--release",
            next_step="run the same command again: it builds what the other commit changes",
        )
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
        done = []
        for one, repository in zip(bundles, there, strict=True):
            done.append(_publish_bundle(one, repository, publication, pair))
            if tell:
                tell(done[-1])
        if publication.wheels:
            publish_wheels(job, publication.where, pair)
    return done


def require_possible(publication: Publication) -> str | None:
    """Raise for what can be known before anything is built; returns the commit of a release.

    :class:`UsageError` for a stamp that cannot stand in a tag, a release from a tree with changes
    and a key whose password cannot be had, :class:`RegistryError` for a place of another form,
    :class:`HostError` without oras.
    """
    find_repository(publication.where, WHEELS)
    if not STAMP.fullmatch(publication.stamp):
        raise UsageError(f"not a part of a tag: {publication.stamp!r}", where="--stamp",
                         next_step="letters, digits, dots, underscores and hyphens")  # fmt: skip
    revision = clean_revision() if publication.release else None
    for command in ("oras", "cosign") if publication.key else ("oras",):
        require_command(command)
    if publication.key:
        require_password(publication.key)
    return revision


def fixed_tag(one: Bundle, publication: Publication) -> str:
    """The tag that never moves: ``onnxruntime-1.21.0-20261123``."""
    return f"{version_tag(one)}-{publication.stamp}"


def version_tag(one: Bundle) -> str:
    """The tag of the newest image of a version: ``onnxruntime-1.21.0``."""
    return f"{one.agent.framework}-{one.version}"


def require_free(
    repository: Repository, tag: str, digest: str, state: str = "nothing was pushed"
) -> None:
    """Raise :class:`RegistryError` when the tag names anything else than this digest.

    ``state`` tells what was done until now.
    """
    known = repository.resolve(tag)
    if known not in (None, digest):
        raise RegistryError(
            f"this tag never moves, and it is {known} already",
            where=repository.at(tag),
            next_step=f"{state}; publish under another one with --stamp, "
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
    fixed = fixed_tag(one, publication)
    # Another publication may have been faster.
    require_free(repository, fixed, digest, "what was pushed here has no tag")
    for image in one.images:
        _tag(repository, image.image["digest"], [image.key_tag])
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
    head = _git("rev-parse", "HEAD").strip()
    changed = _git("status", "--porcelain")
    if changed:
        files = [line[3:] for line in changed.splitlines()]
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        raise UsageError(
            f"the tree has changes: {', '.join(files[:3])}{more}",
            where="--release",
            next_step="commit or remove them, or publish without --release",
        )
    return head


def _git(*arguments: str) -> str:
    """What git says of the checkout. Raises :class:`UsageError` when it cannot tell."""
    if not shutil.which("git"):
        raise UsageError("git is not installed, and a release names its commit", where="--release",
                         next_step="install git, or publish without --release")  # fmt: skip
    done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise UsageError(
            f"not a git checkout, or a broken one: {said}",
            where=PROJECT,
            next_step="publish without --release",
        )
    return done.stdout
