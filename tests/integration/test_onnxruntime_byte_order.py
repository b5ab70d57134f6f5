"""Files that ONNX Runtime writes on one machine and reads on the other, of the other byte order.

Compiling the runtime takes an hour or two for each machine, so this is for where that was done:
``zport wheel onnxruntime --arch ...`` and then this file.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from tests.integration.conftest import IBM_Z, MainJob
from zport.engines import Mount
from zport.engines.buildah import Buildah
from zport.job import Job, Request
from zport.suites.plan import SuitePlan
from zport.targets import REFERENCE, TARGETS

PACKAGE = "onnxruntime"
MACHINES = (IBM_Z.name, REFERENCE.name)
EXCHANGE = ("python3", "/suite/exchange.py")
PATIENCE = 1500


@pytest.fixture(scope="module")
def images(main_job: MainJob) -> dict[str, str]:
    """The images that the package's suite runs in, by machine."""
    job = Job(Request(
        [IBM_Z, REFERENCE], [], Buildah(), main_job.workspace, Console(), test=False,
        suites=[PACKAGE],
    ))  # fmt: skip
    unbuilt = {step.name for step in job.missing()} & set(job.planner.wheels)
    if unbuilt:
        pytest.skip(f"not built yet: {', '.join(sorted(unbuilt))}")
    job.build()
    [plans] = job.suites.values()
    return {plan.target.name: image_of(plan) for plan in plans}


def image_of(plan: SuitePlan) -> str:
    return plan.step.image


def run(machine: str, image: str, command: tuple[str, ...], mount: Mount, log: Path) -> int:
    return Buildah().run(image, TARGETS[machine], command, [mount], log, seconds=PATIENCE)


@pytest.fixture(scope="module")
def written(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every case as each machine's runtime saves it, at every level."""
    folders = {}
    for machine in MACHINES:
        folders[machine] = tmp_path_factory.mktemp(machine) / "files"
        folders[machine].mkdir()
        log = folders[machine].with_name("log.txt")
        mount = Mount(folders[machine], "/files", writable=True)
        status = run(machine, images[machine], (*EXCHANGE, "write", "/files"), mount, log)
        assert status == 0, log.read_text()[-3000:]
    return folders


@pytest.mark.parametrize(("writer", "reader"), list(product(MACHINES, MACHINES)))
def test_files_of_one_machine_mean_the_same_on_the_other(
    images: dict[str, str], written: dict[str, Path], tmp_path: Path, writer: str, reader: str
) -> None:
    log = tmp_path / "log.txt"
    mount = Mount(written[writer], "/files")
    status = run(reader, images[reader], (*EXCHANGE, "read", "/files"), mount, log)
    said = log.read_text()
    assert status == 0, said[-3000:]
    assert " 0 wrong" in said
