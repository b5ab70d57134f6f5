"""Publishing to a real registry: push, pull by every tool, verify, and tampering is caught."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import AGENT, IBM_Z, ROOT
from loopback_registry import PASSWORD, USER, BreakingLine, Registry, running_registry
from rich.console import Console

from zport.agents import load_agents
from zport.engines import select_engine
from zport.engines.buildah import Buildah
from zport.errors import RegistryError, TrustError, UsageError
from zport.job import Job, Request
from zport.plan.planner import AgentPlan
from zport.publish.layout import (
    INDEX,
    KEY,
    TITLE,
    new_layout,
    put,
    put_artifact,
    put_index,
    write_top,
)
from zport.publish.oras import Repository, find_repository
from zport.publish.prebuilt import take_prebuilt
from zport.publish.pull import Puller, wheel_tags_of
from zport.publish.rebuild import rebuild
from zport.publish.run import Outcome, Publication, publish
from zport.publish.verify import verify
from zport.publish.wheels import LAYER_TYPE, WHEEL_TYPE
from zport.targets import REFERENCE, Target
from zport.workspace import Workspace

TARGETS = (REFERENCE, IBM_Z)
WRITES = re.compile(r'"(?:PUT|PATCH|POST) [^"]+"|http\.request\.method=(?:PUT|PATCH|POST)')


@dataclass(frozen=True)
class Published:
    """What was published for all tests of this file, and to where."""

    registry: Registry
    outcome: Outcome
    private: str
    public: str
    scratch: Path

    @property
    def place(self) -> str:
        return f"{self.registry.address}/ns"

    @property
    def repository(self) -> Repository:
        return self.outcome.repository

    @property
    def image(self) -> str:
        return self.repository.at("latest")


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """What a publication needs."""
    for name in ("oras", "cosign", "buildah"):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed: run ci/setup-test-host")


def job_for(*targets: Target, workspace: Workspace | None = None, agent: str = AGENT) -> Job:
    known = workspace or Workspace(ROOT / "build")
    return Job(Request(list(targets), load_agents(agent), Buildah(), known, Console(), test=False))


@pytest.fixture(scope="module")
def built() -> Job:
    """The agent's images for both architectures, built."""
    job = job_for(*TARGETS)
    if job.missing():
        job.build()
    else:
        job.adopt()
    return job


@pytest.fixture(scope="module")
def published(built: Job, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch, running_registry(folder) as registry:
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(folder / "registries.conf"))
        patch.setenv("COSIGN_PASSWORD", "correct horse battery")
        patch.chdir(folder)
        subprocess.run(["cosign", "generate-key-pair"], capture_output=True, check=True)
        private, public = str(folder / "cosign.key"), str(folder / "cosign.pub")
        outcome = publish(built, Publication(f"{registry.address}/ns", "20261123", private))[0]
        yield Published(registry, outcome, private, public, folder / "scratch")


def test_an_index_of_both_platforms_is_there_under_three_tags(published: Published) -> None:
    tags = ("onnxruntime-1.21.0-20261123", "onnxruntime-1.21.0", "latest")
    assert published.outcome.tags == tags
    assert {published.repository.resolve(tag) for tag in tags} == {published.outcome.digest}
    index = published.repository.manifest("latest")
    assert index["mediaType"] == INDEX
    platforms = [f"{m['platform']['os']}/{m['platform']['architecture']}"
                 for m in index["manifests"]]  # fmt: skip
    assert platforms == [target.oci for target in TARGETS]


def test_publishing_again_sends_nothing(published: Published, built: Job) -> None:
    before = len(WRITES.findall(published.registry.log))
    again = publish(built, Publication(published.place, "20261123", published.private))[0]
    assert (again.digest, again.blobs, again.signed) == (published.outcome.digest, 0, 0)
    assert before > 0
    assert len(WRITES.findall(published.registry.log)) == before


def test_a_fixed_tag_never_moves(published: Published, built: Job) -> None:
    taken, other = "onnxruntime-1.21.0-taken", built.agents[0].step
    image = published.repository.require(f"{other.tag}-{other.key}")
    published.repository.tag(image, [taken])
    before = len(WRITES.findall(published.registry.log))
    with pytest.raises(RegistryError, match="never moves") as caught:
        publish(built, Publication(published.place, "taken"))
    assert "--stamp" in str(caught.value)
    assert published.repository.resolve(taken) == image
    assert len(WRITES.findall(published.registry.log)) == before


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("tool", ["skopeo", "podman", "docker"])
def test_each_tool_pulls_each_platform(published: Published, tool: str, target: Target) -> None:
    asked = {
        "skopeo": ["skopeo", "inspect", "--config", "--tls-verify=false", "--override-arch",
                   target.name, f"docker://{published.image}"],
        "podman": ["podman", "pull", "--quiet", "--tls-verify=false", "--platform", target.oci,
                   published.image],
        "docker": ["docker", "pull", "--quiet", "--platform", target.oci, published.image],
    }  # fmt: skip
    if not shutil.which(tool) or (tool == "docker" and not docker_answers()):
        pytest.skip(f"{tool} is not here")
    done = subprocess.run(asked[tool], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if tool == "skopeo":
        architecture = json.loads(done.stdout)["architecture"]
    else:
        shown = subprocess.run(
            [tool, "image", "inspect", "--format", "{{.Architecture}}", published.image],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        architecture = shown.stdout.strip()
        subprocess.run([tool, "rmi", "--force", published.image], capture_output=True, check=False)
    assert architecture == target.oci.partition("/")[2]


def docker_answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def test_what_zport_pulls_runs(published: Published, built: Job, tmp_path: Path) -> None:
    plan = next(plan for plan in built.agents if plan.target == IBM_Z)
    puller = Puller(Buildah(), Workspace(tmp_path / "build"), published.public)
    names = puller.image(published.repository, "latest", IBM_Z)
    assert plan.step.image in names
    log = tmp_path / "log"
    pinned = published.repository.at(published.repository.require(plan_tag(plan)))
    assert Buildah().facts(pinned).layers == Buildah().facts(plan.step.image).layers
    assert Buildah().run(pinned, IBM_Z, ["info"], [], log, 300) == 0
    assert "big-endian" in log.read_text()


def test_docker_has_all_layers_of_what_it_pulls(
    published: Published, built: Job, tmp_path: Path
) -> None:
    """Also where it has them already, in no compression, as what is loaded from an archive."""
    if not docker_answers():
        pytest.skip("docker is not here")
    plan = next(plan for plan in built.agents if plan.target == REFERENCE)
    engine = select_engine("docker")
    archive, name = tmp_path / "image.tar", "localhost/zport-test/pulled:1"
    Buildah().save(plan.step.image, archive)
    subprocess.run(["docker", "load", "--input", archive], capture_output=True, check=True)
    digest = published.repository.require(plan_tag(plan))
    engine.tag(engine.pull(published.repository.at(digest), REFERENCE), name)
    try:
        assert name in engine.images()
        engine.save(name, archive)
        assert archive.stat().st_size > 1e8
    finally:
        engine.remove([name, published.repository.at(digest), plan.step.image])


def plan_tag(plan: AgentPlan) -> str:
    return f"{plan.step.tag}-{plan.step.key}"


def test_a_wheel_is_published_and_pulled(published: Published, built: Job, tmp_path: Path) -> None:
    wheels = find_repository(published.place, "wheels")
    tags = wheel_tags_of(wheels, IBM_Z)
    assert tags == ["mlcommons-loadgen-6.0.17-s390x"]
    puller = Puller(Buildah(), Workspace(tmp_path / "build"), published.public)
    wheel = puller.wheel(wheels, tags[0], IBM_Z)
    step = built.planner.steps["wheel-mlcommons-loadgen-s390x"]
    assert wheel.parent == tmp_path / "build" / "wheels" / step.key
    own = next((ROOT / "build" / "wheels" / step.key).glob("*.whl"))
    assert (wheel.name, wheel.read_bytes()) == (own.name, own.read_bytes())
    beside = sorted(path.name.removeprefix(wheel.name) for path in wheel.parent.iterdir())
    assert beside == ["", ".cdx.json", ".provenance.json"]


def test_a_broken_push_leaves_no_tag_and_goes_on(published: Published, built: Job) -> None:
    address = published.registry.address
    line = BreakingLine(address, 40_000_000)
    with line.open() as broken, pytest.raises(RegistryError):
        publish(built, Publication(f"{broken}/resumed", "20261123"))
    there = find_repository(f"{address}/resumed", AGENT)
    assert not [tag for tag in there.tags() if not tag.startswith("sha256-")]
    outcome = publish(built, Publication(f"{address}/resumed", "20261123"))[0]
    assert 0 < outcome.blobs < published.outcome.blobs
    assert line.sent > line.limit
    assert outcome.size < published.outcome.size
    assert there.resolve("latest") == published.outcome.digest


def test_verified(published: Published) -> None:
    checked = verify(published.repository, "latest", published.public, published.scratch)
    assert [image.platform for image in checked.images] == [target.oci for target in TARGETS]
    assert {image.agent for image in checked.images} == {AGENT}
    names = {part["name"]: part for part in checked.images[1].sbom["components"]}
    assert names["libc6"]["purl"].startswith("pkg:deb/debian/libc6@2.41")
    loadgen = names["mlcommons-loadgen"]
    facts = {fact["name"]: fact["value"] for fact in loadgen["properties"]}
    patch = "0001-build-date-from-source-date-epoch.patch"
    assert facts[f"zport:patch:{patch}:file"] == "version_generator.py"
    assert not list(published.scratch.iterdir())


def test_another_key_is_told(published: Published, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["cosign", "generate-key-pair"], capture_output=True, check=True)
    other = str(tmp_path / "cosign.pub")
    with pytest.raises(TrustError, match="key"):
        verify(published.repository, "latest", other, published.scratch)


def test_a_wrong_password_of_the_key_pushes_nothing(
    published: Published, built: Job, monkeypatch
) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "another")
    with pytest.raises(UsageError) as caught:
        publish(built, Publication(f"{published.registry.address}/never", key=published.private))
    assert "another" not in str(caught.value)
    assert find_repository(f"{published.registry.address}/never", AGENT).tags() == []


def test_a_tampered_blob_is_found(published: Published) -> None:
    index = published.repository.manifest("latest")
    image = published.repository.manifest(index["manifests"][1]["digest"])
    layer = published.registry.blob(image["layers"][-1]["digest"])
    content = layer.read_bytes()
    middle = len(content) // 2
    layer.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    try:
        with pytest.raises(TrustError):
            verify(published.repository, "latest", published.public, published.scratch)
    finally:
        layer.write_bytes(content)
    verify(published.repository, "latest", published.public, published.scratch)


def test_a_changed_index_is_found(published: Published, tmp_path: Path) -> None:
    """Somebody who may write to the registry gives each platform the other one's image."""
    index = published.repository.manifest("latest")
    first, second = index["manifests"]
    swapped = [{**first, "platform": second["platform"]}, {**second, "platform": first["platform"]}]
    layout = new_layout(tmp_path / "layout")
    changed = put_index(layout, swapped, index["annotations"])
    write_top(layout, [changed])
    # Its images are there, and oras asks for no more than their names.
    (tmp_path / "index.json").write_bytes(
        (layout / "blobs" / "sha256" / changed["digest"][7:]).read_bytes()
    )
    subprocess.run(
        ["oras", "manifest", "push", "--plain-http", "--media-type", INDEX,
         published.repository.at("changed"), str(tmp_path / "index.json")],
        capture_output=True, check=True,
    )  # fmt: skip
    with pytest.raises(TrustError, match="no signature"):
        verify(published.repository, "changed", published.public, published.scratch)
    with pytest.raises(TrustError, match="the index says linux/s390x, the image linux/amd64"):
        verify(published.repository, "changed", None, published.scratch)


def test_a_stranger_may_attach_but_is_not_believed(published: Published, tmp_path: Path) -> None:
    index = published.repository.manifest("latest")
    image = index["manifests"][1]
    layout = new_layout(tmp_path / "layout")
    kind = "application/vnd.cyclonedx+json"
    layer = put(layout, b'{"metadata": {"component": {"hashes": []}}}', kind)
    forged = put_artifact(layout, kind, layer, {})
    manifest = json.loads((layout / "blobs" / "sha256" / forged["digest"][7:]).read_text())
    manifest["subject"] = {name: image[name] for name in ("mediaType", "digest", "size")}
    put(layout, b"{}", "application/vnd.oci.empty.v1+json")
    (tmp_path / "forged.json").write_text(json.dumps(manifest))
    write_top(layout, [forged])
    published.repository.push(layout, forged["digest"])
    subprocess.run(
        ["oras", "manifest", "push", "--plain-http", published.repository.name,
         str(tmp_path / "forged.json")],
        capture_output=True, check=True,
    )  # fmt: skip
    verify(published.repository, "latest", published.public, published.scratch)
    with pytest.raises(TrustError, match="of another image"):
        verify(published.repository, "latest", None, published.scratch)


@pytest.mark.parametrize("name", ["../../../../outside.whl", "/tmp/outside.whl", "notes.txt"])
def test_a_wheel_cannot_choose_where_it_lands(
    published: Published, tmp_path: Path, name: str
) -> None:
    layout = new_layout(tmp_path / "layout")
    layer = {**put(layout, name.encode(), LAYER_TYPE), "annotations": {TITLE: name}}
    evil = put_artifact(layout, WHEEL_TYPE, layer, {KEY: "0" * 16})
    write_top(layout, [evil])
    wheels = find_repository(f"{published.registry.address}/evil", "wheels")
    wheels.push(layout, evil["digest"])
    wheels.tag(evil["digest"], ["leaf-1.0-s390x"])
    workspace = Workspace(tmp_path / "here" / "build")
    with pytest.raises(TrustError, match="not the file name of a wheel"):
        Puller(Buildah(), workspace).wheel(wheels, "leaf-1.0-s390x", IBM_Z)
    assert not list(tmp_path.rglob("*.whl"))
    assert not Path("/tmp/outside.whl").exists()


def test_what_is_published_is_not_built(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an empty store, as on another machine: the image comes by its key, or its wheel does."""
    store = tmp_path / "storage.conf"
    store.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{tmp_path / "images"}"\n'
        f'runroot = "{tmp_path / "run"}"\n'
    )
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(store))
    job = job_for(IBM_Z)
    step = job.agents[0].step
    assert step.name in [missing.name for missing in job.missing()]
    taken = take_prebuilt(job, published.place, published.public)
    assert [one.name for one in taken] == [step.name]
    assert job.missing() == []
    # Where the agent's code was changed, its wheel is still the published one.
    changed = job_for(IBM_Z)
    own = changed.agents[0].step
    changed.planner.steps[own.name] = replace(own, key="0" * 16)
    names = [one.name for one in take_prebuilt(changed, published.place, published.public)]
    assert names == ["wheel-mlcommons-loadgen-s390x"]
    left = [missing.role for missing in changed.missing()]
    assert "wheel" not in left
    assert "toolchain" not in left


def test_it_can_be_built_again_bit_by_bit(published: Published) -> None:
    checked = verify(published.repository, "latest", published.public, published.scratch)
    image = next(image for image in checked.images if image.platform == IBM_Z.oci)
    assert rebuild(image, lambda agent, target: job_for(target, agent=agent)) == image.digest
    other = json.loads(json.dumps(image.provenance))
    other["predicate"]["buildDefinition"]["internalParameters"]["key"] = "0" * 16
    other["predicate"]["buildDefinition"]["resolvedDependencies"].pop(0)
    with pytest.raises(UsageError, match="makes another image: 1 inputs differ, among them"):
        rebuild(replace(image, provenance=other), lambda agent, target: job_for(target))


def test_with_tls_and_a_password(
    built: Job, published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_registry(tmp_path, guarded=True) as registry:
        place = f"{registry.address}/ns"
        job = job_for(IBM_Z)
        publication = Publication(place, "20261123", published.private, wheels=False)
        with pytest.raises(RegistryError, match="certificate") as caught:
            publish(job, publication)
        assert "SSL_CERT_FILE" in str(caught.value)
        monkeypatch.setenv("SSL_CERT_FILE", str(registry.certificate))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
        with pytest.raises(RegistryError) as caught:
            publish(job, publication)
        assert "docker login" in str(caught.value)
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "docker").mkdir()
        known = tmp_path / "docker" / "config.json"
        known.write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(known.parent))
        outcome = publish(job, publication)[0]
        assert outcome.signed == 4
        verify(outcome.repository, "latest", published.public, published.scratch)
        subprocess.run(
            ["skopeo", "inspect", "--authfile", str(known), "--override-arch", IBM_Z.name,
             f"docker://{outcome.repository.at('latest')}"],
            capture_output=True, check=True,
        )  # fmt: skip
    for file in [tmp_path / "registry.log", *(tmp_path / "registry").rglob("data"),
                 *(ROOT / "build" / "logs").rglob("*.log")]:  # fmt: skip
        content = file.read_bytes()
        assert PASSWORD.encode() not in content
        assert pair.encode() not in content
        assert b"correct horse battery" not in content
