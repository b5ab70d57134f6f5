"""The main job, for real: images built, models run on s390x under QEMU, numbers compared."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from conftest import AGENT, IBM_Z, ROOT, MainJob, build_py

from zport.wheels.built import check_wheel


def cells_of(job: MainJob, target: str) -> list[dict]:
    return [cell for cell in job.results["cells"] if cell["target"] == target]


def test_every_model_passes_on_ibm_z(main_job: MainJob) -> None:
    cells = cells_of(main_job, "s390x")
    assert len(cells) >= 4
    assert {cell["verdict"] for cell in cells} == {"pass"}
    assert {cell["compared_with"] for cell in cells} == {"amd64 in this run"}
    assert all(cell["largest_absolute"] is not None for cell in cells)


def test_the_reference_equals_what_the_repository_keeps(main_job: MainJob) -> None:
    cells = cells_of(main_job, "amd64")
    assert {(cell["verdict"], cell["compared_with"]) for cell in cells} == {
        ("pass", "stored outputs")
    }


def test_the_numbers_come_from_a_big_endian_machine(main_job: MainJob) -> None:
    for cell in cells_of(main_job, "s390x"):
        info = json.loads((Path(cell["folder"]) / "result.json").read_text())["info"]
        assert "s390x" in str(info)
        assert "big" in str(info)
        assert cell["emulated"] is True


def test_loadgen_ran_in_each_cell(main_job: MainJob) -> None:
    for cell in cells_of(main_job, "s390x"):
        assert cell["bench"]["valid"] is True, cell["bench"]
        assert (Path(cell["folder"]) / "loadgen" / "mlperf_log_detail.txt").stat().st_size > 0


def test_a_second_run_does_nothing(main_job: MainJob) -> None:
    before = sorted(main_job.workspace.logs.iterdir())
    again = build_py("--arch", "s390x", "--engine", "buildah")
    assert again.returncode == 0
    assert again.stdout.startswith(f"nothing to do: {AGENT} agent s390x")
    assert sorted(main_job.workspace.logs.iterdir()) == before


def test_the_recipe_serves_the_default_agent_where_upstream_has_no_wheel(
    main_job: MainJob,
) -> None:
    planned = build_py("--agent", "onnxruntime", "--engine", "buildah", "--plan", "--arch", "s390x")
    assert planned.returncode == 0, planned.stderr
    kinds = [line.split()[2] for line in planned.stdout.splitlines() if "onnxruntime  " in line]
    assert kinds == ["recipe", "published"]
    assert "known to" not in planned.stdout


def test_what_is_wrong_in_debians_package_is_said(main_job: MainJob) -> None:
    # Where all is there already, building says that alone.
    said = build_py("--arch", IBM_Z.name, "--engine", "buildah", "--plan").stdout
    assert "python3-onnxruntime 1.21.0 on s390x: external data is read" in said


def test_the_wheel_is_for_ibm_z(main_job: MainJob) -> None:
    wheel = main_job.wheel()
    check_wheel(wheel, IBM_Z)
    with zipfile.ZipFile(wheel) as archive:
        library = next(name for name in archive.namelist() if name.endswith(".so"))
        content = archive.read(library)
    assert content[5] == 2  # EI_DATA: big-endian
    assert b"/build/" not in content


def test_a_rendered_dockerfile_builds_by_hand_to_the_same_bytes(
    main_job: MainJob, tmp_path: Path
) -> None:
    """As its header says, without zport, in another folder, nothing cached: the same wheel."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(main_job.workspace.plan / "wheel-mlcommons-loadgen-s390x", folder)
    header = (folder / "Dockerfile").read_text().splitlines()[3]
    command = header.removeprefix("#").replace(" IMAGE ", " localhost/zport-test/by-hand:1 ")
    assert command.strip().startswith("buildah build")
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    image = "localhost/zport-test/by-hand:1"
    made = subprocess.run(
        ["buildah", "from", "--pull-never", "--platform", IBM_Z.oci, image],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    root = subprocess.run(
        ["buildah", "mount", made], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        wheel = main_job.wheel()
        assert (Path(root) / wheel.name).read_bytes() == wheel.read_bytes()
    finally:
        subprocess.run(["buildah", "rm", made], check=True, capture_output=True)
        subprocess.run(["buildah", "rmi", image], check=True, capture_output=True)


def test_a_change_rebuilds_what_stands_on_it_and_nothing_else(checkout: Path) -> None:
    source = checkout / "agent" / "zport_agent" / "info.py"
    source.write_text(source.read_text() + "\n# changed\n")
    planned = build_py("--engine", "buildah", "--plan", "--no-test", root=checkout)
    assert planned.returncode == 0, planned.stderr
    to_build = {line.split()[0] for line in planned.stdout.splitlines() if "build: " in line}
    assert to_build == {f"agent-{AGENT}-s390x"}
    assert "agent/zport_agent/info.py" in planned.stdout


def test_a_patch_that_does_not_apply_is_named(checkout: Path) -> None:
    patch = checkout / "patches" / "mlcommons-loadgen" / "0002-cannot-apply.patch"
    patch.parent.mkdir(parents=True, exist_ok=True)
    patch.write_text(
        "Description: applies to nothing\nForwarded: not-needed\n"
        "--- a/loadgen.cc\n+++ b/loadgen.cc\n@@ -1,3 +1,3 @@\n no\n-such\n+line\n here\n"
    )
    built = build_py("--engine", "buildah", "--no-test", root=checkout)
    assert built.returncode == 7, built.stdout + built.stderr
    assert "0002-cannot-apply.patch" in built.stderr
    assert "loadgen.cc" in built.stderr
    assert "Hunk #1" in built.stderr
    assert not list((checkout / "build" / "wheels").glob("*/*.whl"))


def test_killed_at_any_moment_leaves_nothing_half_done(checkout: Path, main_job: MainJob) -> None:
    """kill -9 at several points; then a run to the end gives the same machine code as ever."""
    recipe = checkout / "recipes" / "mlcommons-loadgen" / "recipe.toml"
    changed = f'\n[build.environment]\nZPORT_TEST = "{time.time_ns()}"\n\n[test]\n'
    recipe.write_text(recipe.read_text().replace("\n[test]\n", changed))
    command = ["./build.py", "--agent", AGENT, "--engine", "buildah", "--no-test"]
    for seconds in (1, 3, 8, 14):
        process = subprocess.Popen(
            command, cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for wheel in (checkout / "build" / "wheels").glob("*/*.whl"):
            check_wheel(wheel, IBM_Z)
    finished = build_py("--engine", "buildah", "--no-test", root=checkout)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    wheel = next((checkout / "build" / "wheels").glob("*/*s390x.whl"))
    assert machine_code(wheel) == machine_code(main_job.wheel())


def machine_code(wheel: Path) -> dict[str, bytes]:
    """The extension modules of a wheel. Its SBOM names the recipe, which the test has changed."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(".so")}


def test_two_builds_at_once_do_not_harm_each_other(checkout: Path) -> None:
    recipe = checkout / "recipes" / "mlcommons-loadgen" / "recipe.toml"
    changed = f'\n[build.environment]\nZPORT_TEST = "{time.time_ns()}"\n\n[test]\n'
    recipe.write_text(recipe.read_text().replace("\n[test]\n", changed))
    both = [
        subprocess.Popen(
            ["./build.py", "--agent", AGENT, "--engine", "buildah", "--no-test"], cwd=checkout,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=900)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(list((checkout / "build" / "wheels").glob("*/*s390x.whl"))) == 1


@pytest.mark.parametrize(
    ("arguments", "wrap", "env", "status", "words"),
    [
        (["--arch", "s930x"], (), {}, 2, ["s390x"]),
        (["--agent", "onnxruntim"], (), {}, 2, ["onnxruntime"]),
        (["--engine", "bildah"], (), {}, 2, ["buildah"]),
        (["--model", "silero", "--engine", "buildah"], (), {}, 2, ["silero-vad"]),
        (["--engine", "docker"], (), {"DOCKER_HOST": "unix:///none"}, 9, ["daemon", "buildah"]),
    ],
)
def test_bad_requests_get_one_clear_message(
    main_job: MainJob,
    arguments: list[str],
    wrap: tuple[str, ...],
    env: dict[str, str],
    status: int,
    words: list[str],
) -> None:
    refused = build_py(*arguments, wrap=wrap, env=env)
    assert refused.returncode == status, refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert all(word in refused.stderr for word in words), refused.stderr


def test_no_network_is_said_and_leaves_nothing(tmp_path: Path, main_job: MainJob) -> None:
    folder = tmp_path / "build"
    cut_off = build_py(
        "--engine", "buildah", "--build-folder", str(folder), wrap=("unshare", "--net", "--")
    )
    assert cut_off.returncode == 5, cut_off.stdout + cut_off.stderr
    assert "check the network" in cut_off.stderr
    assert not list((folder / "locks" / "debian").glob("*.json"))


def test_a_full_disk_is_said(tmp_path: Path, main_job: MainJob) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=True)
    try:
        full = build_py("--engine", "buildah", "--build-folder", str(small))
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert full.returncode == 4, full.stdout + full.stderr
    assert "free" in full.stderr
    assert "Traceback" not in full.stderr


def test_the_front_door_reads_well() -> None:
    shown = build_py("--help")
    assert shown.returncode == 0
    for flag in ("--arch", "--agent", "--engine", "--plan", "--no-test", "--push", "--jobs"):
        assert flag in shown.stdout


def test_nothing_names_this_checkout(main_job: MainJob) -> None:
    for dockerfile in main_job.workspace.plan.glob("*/Dockerfile"):
        assert str(ROOT) not in dockerfile.read_text()
