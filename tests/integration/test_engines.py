"""Both engines, for real, on both architectures: the same files, the same contract."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import AGENT, IBM_Z, IMAGE, ROOT, MainJob, build_py

from zport.engines import TIMED_OUT, Engine, Mount, select_engine
from zport.engines.buildah import Buildah
from zport.errors import BuildError, EngineError
from zport.targets import TARGETS, host_target

EPOCH = 1_700_000_000


@pytest.fixture(scope="session")
def built_by_docker(main_job: MainJob) -> str:
    """The s390x image as the Docker engine builds it from the same Dockerfiles."""
    built = build_py("--arch", "s390x", "--engine", "docker", "--model", "ppocr-direction")
    assert built.returncode == 0, built.stdout + built.stderr
    return built.stdout


@pytest.fixture
def image(engine: Engine, main_job: MainJob, request: pytest.FixtureRequest) -> str:
    """The s390x agent image in the engine's store."""
    if engine.name == "docker":
        request.getfixturevalue("built_by_docker")
    return IMAGE


def test_an_image_is_removed_by_its_name(engine: Engine, image: str) -> None:
    name = "localhost/zport-test/removed:1"
    engine.tag(image, name)
    assert name in engine.images()
    engine.remove([name])
    assert name not in engine.images()
    assert image in engine.images()
    with pytest.raises(EngineError, match="removed"):
        engine.remove([name])


def test_docker_builds_and_proves_the_same_agent(built_by_docker: str) -> None:
    assert "2 of 2 cells pass" in built_by_docker


def test_the_wheel_does_not_depend_on_the_engine(built_by_docker: str, main_job: MainJob) -> None:
    """The image of the Docker store holds the bytes that Buildah's build gave."""
    wheel = main_job.wheel()
    docker = select_engine("docker")
    name = next(
        name for name in docker.images()
        if name.startswith("localhost/zport/wheel-mlcommons-loadgen:") and wheel.parent.name in name
    )  # fmt: skip
    taken = docker.extract(name, IBM_Z, "*.whl", wheel.parent.parent)[0]
    try:
        assert taken.read_bytes() == wheel.read_bytes()
    finally:
        taken.unlink()


def test_runs_foreign_code_without_a_network(engine: Engine, image: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert engine.run(image, IBM_Z, ["info"], [], log, 120) == 0
    assert "big-endian" in log.read_text()


def test_mounts_are_read_only_unless_said(engine: Engine, image: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    mounts = [Mount(tmp_path / "in", "/out")]
    arguments = ["compare", "--pairs", "/out/none.json", "--out", "/out/x.json"]
    assert engine.run(image, IBM_Z, arguments, mounts, tmp_path / "log", 120) != 0
    assert not (tmp_path / "in" / "x.json").exists()


def test_a_hung_container_is_ended(engine: Engine, tmp_path: Path, image: str) -> None:
    # Two seconds are too short for Python to start under emulation.
    arguments = ["predict", "--model", "/none", "--files", "/none", "--out", "/tmp/none"]
    assert engine.run(image, IBM_Z, arguments, [], tmp_path / "log", 0.3) == TIMED_OUT


def test_files_of_an_image_can_be_read(engine: Engine, image: str) -> None:
    release = engine.read_file(image, IBM_Z, "/usr/lib/os-release")
    assert b"trixie" in release
    with pytest.raises(EngineError):
        engine.read_file(image, IBM_Z, "/no/such/file")


def test_facts_know_layers_and_size(engine: Engine, image: str) -> None:
    facts = engine.facts(image)
    assert len(facts.layers) >= 4
    assert facts.size > 50_000_000
    assert "MB" in facts.size_phrase


def test_a_failing_step_is_told_with_its_log(engine: Engine, image: str, tmp_path: Path) -> None:
    context = tmp_path / "failing"
    context.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM --platform={IBM_Z.oci} {image}\nUSER 0\nRUN echo 'error: told' && false\n"
    )
    with pytest.raises(BuildError) as caught:
        engine.build(context, "localhost/zport-test/failing:1", IBM_Z, EPOCH, tmp_path / "log")
    assert caught.value.log == tmp_path / "log"
    assert "localhost/zport-test/failing:1" not in engine.images()


def test_a_build_has_no_network(engine: Engine, image: str, tmp_path: Path) -> None:
    context = tmp_path / "offline"
    context.mkdir()
    ask = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    (context / "Dockerfile").write_text(
        f'FROM --platform={IBM_Z.oci} {image}\nRUN python3 -c "{ask}"\n'
    )
    with pytest.raises(BuildError):
        engine.build(context, "localhost/zport-test/offline:1", IBM_Z, EPOCH, tmp_path / "log")
    assert "unreachable" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("manifest", "status", "words"),
    [
        ("name: [", 3, "manifest.yml"),
        (None, 4, "light"),
        ("raise", 5, "preprocess"),
    ],
)
def test_a_bad_model_gets_one_message_on_ibm_z(
    main_job: MainJob, tmp_path: Path, manifest: str | None, status: int, words: str
) -> None:
    """A broken manifest, a model file cut short, Python that raises: in the s390x image."""
    source = ROOT / "models" / "ppocr-direction"
    files = next(main_job.workspace.models.glob("ppocr-direction-*"))
    model, cut, out = tmp_path / "model", tmp_path / "files", tmp_path / "out"
    for folder in (model, cut, out):
        folder.mkdir()
    out.chmod(0o777)
    for path in source.iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    for path in files.iterdir():
        content = path.read_bytes()
        (cut / path.name).write_bytes(content if status != 4 else content[:1000])
        words = path.name if status == 4 else words
    text = (model / "manifest.yml").read_text()
    if manifest == "raise":
        text = text.replace("def preprocess(ctx, data):", "def preprocess(ctx, data):\n      1 / 0")
    (model / "manifest.yml").write_text(manifest if manifest == "name: [" else text)
    log = tmp_path / "log"
    ended = Buildah().run(
        IMAGE, IBM_Z,
        ["predict", "--model", "/model", "--files", "/files", "--out", "/out"],
        [Mount(model, "/model"), Mount(cut, "/files"), Mount(out, "/out", True)], log, 300,
    )  # fmt: skip
    said = [line for line in log.read_text().splitlines() if line.startswith("zport-agent: ")]
    assert ended == status, log.read_text()
    assert len(said) == 1
    assert words in said[0]
    assert not list(out.iterdir())


def test_bake_builds_the_plan_without_zport(built_by_docker: str, main_job: MainJob) -> None:
    plan = main_job.workspace.plan
    baked = subprocess.run(
        ["docker", "buildx", "bake", "--builder", "default", "--file", "docker-bake.json"],
        cwd=plan, capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert baked.returncode == 0, baked.stderr[-3000:]


def test_another_row_of_the_table_needs_no_other_code(tmp_path: Path, main_job: MainJob) -> None:
    """arm64's base, which nothing else here uses: built, configured, and it runs."""
    from rich.console import Console

    from zport import binfmt
    from zport.agents import load_agents
    from zport.job import Job, Request
    from zport.steps.build import Builder, missing_steps

    arm = TARGETS["arm64"]
    binfmt.register_emulators([arm])
    buildah = Buildah()
    request = Request([arm], load_agents(AGENT), buildah, main_job.workspace, Console(), test=False)
    job = Job(request)
    step = job.planner.base(arm)
    builder = Builder(main_job.workspace, buildah, job.fetcher, job.progress, 2)
    builder.build(missing_steps(job.planner.steps, [step.name], buildah.images()))
    log = tmp_path / "log"
    assert buildah.run(step.image, arm, ["dpkg", "--print-architecture"], [], log, 120) == 0
    assert "arm64" in log.read_text().splitlines()
    assert buildah.run(step.image, arm, ["dpkg", "--audit"], [], log, 120) == 0
    assert host_target() != arm
