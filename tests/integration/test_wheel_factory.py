"""The wheel factory for real: cross-built, tested under emulation, installed from the index."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path

import pip
import pytest
from rich.console import Console

from tests.integration.conftest import IBM_Z, ROOT, MainJob
from zport.engines import Mount
from zport.engines.buildah import Buildah
from zport.job import Job, Request
from zport.wheels.built import check_wheel, wheel_of

PACKAGES = ("markupsafe", "lz4", "pyzmq")
"""C by setuptools; tested with another recipe's wheel (psutil); CMake, with bundled libraries."""
INSTALL = ("python3", "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir",
           "--only-binary=:all:", "--target", "/tmp/installed")  # fmt: skip
OVER_HTTP = """
import subprocess, sys, threading
from functools import partial
from http.server import SimpleHTTPRequestHandler as Files, ThreadingHTTPServer

server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory="/index"))
threading.Thread(target=server.serve_forever, daemon=True).start()
index = f"http://127.0.0.1:{server.server_port}/simple"
sys.exit(subprocess.call([*sys.argv[1:], "--index-url", index]))
"""


def zport(*arguments: str) -> str:
    done = subprocess.run(
        [ROOT / ".venv" / "bin" / "zport", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=2400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def job(main_job: MainJob) -> Job:
    """The plan that the commands below serve."""
    return Job(Request(
        [IBM_Z], [], Buildah(), main_job.workspace, Console(), test=False,
        recipes=PACKAGES, suites=["markupsafe"],
    ))  # fmt: skip


@pytest.fixture(scope="module")
def wheels(job: Job) -> dict[str, Path]:
    """The packages' wheels, by package: those of this very plan."""
    zport("wheel", *PACKAGES, "--arch", IBM_Z.name, "--engine", "buildah")
    found = {plan.recipe.name: wheel_of(plan.step, job.request.workspace) for plan in job.wheels}
    return {name: wheel for name, wheel in found.items() if wheel}


@pytest.fixture(scope="module")
def suite(job: Job) -> tuple[str, str]:
    """What the suite of a package said, and the image for IBM Z that it ran in."""
    said = zport("suite", "markupsafe", "--engine", "buildah")
    [image] = [s.step.image for s in job.suites["markupsafe"] if s.target == IBM_Z]
    return said, image


@pytest.fixture(scope="module")
def index(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All wheels that are built here, and what they require."""
    folder = tmp_path_factory.mktemp("wheels") / "index"
    zport("index", str(folder), "--complete", "--engine", "buildah")
    return folder


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_is_for_any_recent_machine_of_the_target(
    wheels: dict[str, Path], package: str
) -> None:
    wheel = wheels[package]
    assert re.search(rf"[-.]manylinux_2_\d+_{IBM_Z.machine}\.whl$", wheel.name)
    check_wheel(wheel, IBM_Z)


def test_a_wheel_says_what_it_was_made_of(wheels: dict[str, Path]) -> None:
    """Each library that pyzmq's wheel bundles has its licence and its line in the SBOM."""
    wheel = wheels["pyzmq"]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        sbom = json.loads(archive.read(next(n for n in names if n.endswith("zport.cdx.json"))))
    bundled = [name for name in names if ".libs/" in name and not name.endswith("/")]
    described = {one["bom-ref"]: one["purl"] for one in sbom["components"]}
    assert bundled
    assert {f"bundled:{name}" for name in bundled} <= {*described}
    assert any(purl.startswith("pkg:deb/debian/libzmq5@") for purl in described.values())
    assert any(name.endswith("/licenses/libzmq5/copyright") for name in names)
    provenance = json.loads(wheel.with_name(f"{wheel.name}.provenance.json").read_text())
    assert provenance["subject"][0]["name"] == wheel.name


@pytest.mark.parametrize("way", ["file", "http"])
def test_pip_on_the_target_installs_all_from_the_index(
    index: Path, suite: tuple[str, str], tmp_path: Path, way: str
) -> None:
    """In a clean container for IBM Z; without a network, so from nowhere else."""
    projects = sorted(path.name for path in (index / "simple").iterdir() if path.is_dir())
    assert {*PACKAGES, "psutil", "pytest"} <= {*projects}
    (tmp_path / "over-http").write_text(OVER_HTTP)
    (tmp_path / "results").mkdir()
    command = [*INSTALL, *projects]
    if way == "http":
        command = ["python3", "/test/over-http", *command]
    else:
        command += ["--index-url", "file:///index/simple"]
    log = tmp_path / "log.txt"
    mounts = [
        Mount(index, "/index"), Mount(tmp_path, "/test"),
        Mount(Path(pip.__file__).parent, "/usr/lib/python3/dist-packages/pip"),
    ]  # fmt: skip
    status = Buildah().run(suite[1], IBM_Z, command, mounts, log, seconds=1200)
    assert status == 0, log.read_text()[-3000:]
    assert "Successfully installed" in log.read_text()


def test_upstreams_own_tests_say_the_same_as_on_the_reference(suite: tuple[str, str]) -> None:
    said = suite[0]
    counted = re.findall(r"markupsafe \S+ +\S+ +(\d+) +(\d+)", said)
    assert len(counted) == 2
    assert all(int(passed) > 20 and failed == "0" for passed, failed in counted)
    assert "0 outcomes differ" in said
