"""``zport publish``, ``pull``, ``verify``, ``vulnerabilities``: images to pull and trust."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from zport.cli.options import (
    AgentNames,
    Arch,
    BaseOrigin,
    BuildFolder,
    EngineName,
    Jobs,
    make_request,
    wide_console,
)
from zport.distribution import TRIXIE
from zport.errors import UsageError
from zport.job import Job, default_jobs
from zport.publish.images import exports
from zport.publish.oras import find_reference, find_repository
from zport.publish.pull import Puller, wheel_tags_of
from zport.publish.rebuild import rebuild
from zport.publish.run import LATEST, Outcome, Publication, publish, require_possible, today
from zport.publish.verify import verify
from zport.publish.vulnerabilities import list_vulnerabilities, read_tracker
from zport.publish.wheels import WHEELS
from zport.report.plan import print_head, print_plan
from zport.targets import DEFAULT, Target
from zport.workspace import PROJECT, Workspace, read_json

Place = Annotated[str, typer.Argument(metavar="REGISTRY/NAMESPACE", show_default=False)]
Stamp = Annotated[
    str, typer.Option(metavar="TEXT", help="End of the tag that never moves.", show_default="today")
]
Prebuilt = Annotated[
    str | None,
    typer.Option(metavar="REGISTRY/NAMESPACE", help="Take what is published under its key."),
]
SigningKey = Annotated[
    str | None,
    typer.Option("--sign", metavar="KEY", help="Sign with cosign and this private key."),
]
PublicKey = Annotated[
    str | None,
    typer.Option("--key", metavar="FILE", help="Take only what this public key's owner signed."),
]
Release = Annotated[
    bool, typer.Option("--release", help="Refuse a tree with changes; name its commit.")
]


def publish_images(
    where: Place,
    arch: Arch = DEFAULT.name,
    agent: AgentNames = "onnxruntime",
    stamp: Stamp = "",
    key: SigningKey = None,
    release: Release = False,
    wheels: Annotated[bool, typer.Option(help="Publish the wheels in the images too.")] = True,
    engine: EngineName = "auto",
    base: BaseOrigin = "auto",
    jobs: Jobs = None,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Build what is missing and publish it: one image of several architectures for each agent.

    No model is run: build.py --push publishes only what passed. Exit status: 17 the registry
    refuses or a fixed tag is taken.
    """
    publication = Publication(where, stamp or today(), key, release, wheels)
    publication = replace(publication, revision=require_possible(publication))
    job = Job(make_request(
        arch, agent, engine, build_folder, test=False, base=base, jobs=jobs or default_jobs()
    ))  # fmt: skip
    if job.missing():
        print_head(job)
        print_plan(job, verbose=False)
        job.build()
    else:
        job.adopt()
    publish_and_tell(job, publication)


def publish_and_tell(job: Job, publication: Publication) -> None:
    """Publish, and print what became of each image as soon as it is there."""

    def tell(outcome: Outcome) -> None:
        for tag in outcome.tags:
            job.request.console.print(f"published {outcome.repository.at(tag)}", soft_wrap=True)
        job.request.console.print(f"          {outcome.phrase}", soft_wrap=True)

    publish(job, publication, tell)


def pull(
    where: Place,
    arch: Arch = DEFAULT.name,
    agent: AgentNames = "onnxruntime",
    tag: Annotated[str, typer.Option(metavar="TAG", help="Which of the published.")] = LATEST,
    wheels: Annotated[
        bool, typer.Option("--wheels", help="Take the wheels for the targets too.")
    ] = False,
    key: PublicKey = None,
    engine: EngineName = "auto",
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Take published images into the engine's store, and wheels into build/wheels.

    Exit status: 17 the registry does not have it, 18 it is not what it claims to be.
    """
    request = make_request(arch, agent, engine, build_folder)
    puller = Puller(request.engine, request.workspace, key)
    for target in request.targets:
        for one in request.agents:
            names = puller.image(find_repository(where, one.name), tag, target)
            for name in names:
                request.console.print(f"pulled    {name}", soft_wrap=True)
        if wheels:
            repository = find_repository(where, WHEELS)
            for one_wheel in wheel_tags_of(repository, target):
                path = puller.wheel(repository, one_wheel, target)
                request.console.print(f"pulled    {path}", soft_wrap=True)


def verify_image(
    image: Annotated[str, typer.Argument(metavar="IMAGE", show_default=False)],
    key: PublicKey = None,
    again: Annotated[
        bool, typer.Option("--rebuild", help="Build it again and compare the digests.")
    ] = False,
    engine: EngineName = "auto",
    base: BaseOrigin = "auto",
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Check a published image: digests, platforms, SBOM, provenance, and with a key signatures.

    Exit status: 18 it is not what it claims to be; 2 this checkout cannot build it again.
    """
    console = wide_console()
    repository, reference = find_reference(image)
    checked = verify(repository, reference, key, exports(Workspace(build_folder.absolute())))
    console.print(f"verified  {checked.reference} {checked.digest}", soft_wrap=True)
    signed = "signed by this key" if checked.signed else "signatures not checked: no --key"
    console.print(f"          {checked.blobs} blobs are what their digests say, {signed}")
    for one in checked.images:
        parts = len(one.sbom["components"])
        console.print(f"{one.platform:<9} {one.digest} key {one.key}, SBOM of {parts} components",
                      soft_wrap=True)  # fmt: skip

    def plan(agent: str, target: Target) -> Job:
        return Job(make_request(target.name, agent, engine, build_folder, test=False, base=base))

    for one in checked.images if again else ():
        console.print(f"rebuilt   {one.platform} {rebuild(one, plan)}: the same", soft_wrap=True)


def vulnerabilities(
    what: Annotated[str, typer.Argument(metavar="IMAGE|SBOM", show_default=False)],
    tracker: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL", show_default=False, help="JSON data of Debian's security tracker."
        ),
    ],
    release: Annotated[str, typer.Option(help="Debian's release.")] = TRIXIE.suite,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """List what Debian's security tracker knows to be open in an image's Debian packages.

    Wheels are not in Debian's data: how many components were not judged is told.
    """
    console = wide_console()
    known = read_tracker(tracker)
    for name, bill in _bills(what, build_folder):
        listing = list_vulnerabilities(bill, known, release, name)
        for one in listing.found:
            fixed = f"fixed in {one.fixed}" if one.fixed else "not fixed"
            console.print(f"{one.cve:<16} {one.source} {one.installed} {one.urgency}, {fixed} "
                          f"({', '.join(one.packages)})", soft_wrap=True, markup=False)  # fmt: skip
        console.print(
            f"{name}: {len(listing.found)} open in {listing.judged} Debian packages; "
            f"{listing.unjudged} other components not judged", soft_wrap=True,
        )  # fmt: skip


def _bills(what: str, build_folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The bills of a file, or of every image of a published index."""
    if Path(what).is_file():
        bill = read_json(Path(what))
        if not isinstance(bill, dict):
            raise UsageError("not a bill of materials in JSON", where=what,
                             next_step="give a bill in CycloneDX's JSON")  # fmt: skip
        return [(what, bill)]
    repository, reference = find_reference(what)
    checked = verify(repository, reference, None, exports(Workspace(build_folder.absolute())))
    return [(one.platform, one.sbom) for one in checked.images]
