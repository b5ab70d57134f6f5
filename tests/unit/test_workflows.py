"""The project's own CI: workflows fit GitHub's schema and pin what they run; scripts parse."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from zport.workflows.rendering import PREPARE, STORE

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
CI_SCRIPTS = ("setup-test-host", "start-dockerd", "registry-login", "gather-runs")
SCRIPTS = [PROJECT / ".ci/run", *(PROJECT / "ci" / name for name in CI_SCRIPTS)]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request):
    return request.param


def test_fits_the_schema(workflow):
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command = [*check, "vendor.github-workflows", workflow]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_pins_every_action_and_says_its_version(workflow):
    used = re.findall(r"uses: (.*)", workflow.read_text())
    assert used
    for line in used:
        assert re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_pins_one_version_of_an_action():
    pins = {tuple(pin.split("@")) for path in WORKFLOWS
            for pin in re.findall(r"uses: (\S+)", path.read_text())}  # fmt: skip
    assert len(dict(pins)) == len(pins)


def test_may_only_read_and_ends_in_time(workflow):
    definition = yaml.safe_load(workflow.read_text())
    assert definition["permissions"] == {"contents": "read"}
    assert definition["concurrency"]
    assert all("timeout-minutes" in job for job in definition["jobs"].values())


def test_the_integration_tests_run_on_debian():
    """Ubuntu lacks packages that they need."""
    workflow = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())
    job = workflow["jobs"]["integration"]
    state = re.search(r"ZPORT_DOCKER_STATE:-(\S+)}", (PROJECT / "ci/start-dockerd").read_text())
    assert job["container"] == {
        "image": "debian:trixie", "options": "--privileged", "volumes": [STORE, state[1]],
    }  # fmt: skip
    lines = [step["run"] for step in job["steps"] if "run" in step]
    assert lines[0].startswith(PREPARE.partition(" ca-certificates")[0])
    assert set(PREPARE.split()) | {"make"} == set(lines[0].split())
    assert lines[-1] == ".ci/run"
    assert not re.search("sudo|systemctl", "\n".join(lines))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_parses_is_strict_and_executable(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "set -euo pipefail" in script.read_text()
    assert script.stat().st_mode & 0o111


def ran(script, *arguments, **environment):
    command = [PROJECT / "ci" / script, *arguments]
    environment = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n",
         "ubuntu has no docker-buildx or oras: this works on Debian 12 and 13"),
        ("ID=debian\nVERSION_CODENAME=bookworm\n", "apt knows no source of bookworm main"),
    ],
)  # fmt: skip
def test_another_distribution_is_not_given_debian_s_packages(tmp_path, release, said):
    """Of a script whose apt knows nothing, the step that would read the next suite."""
    (tmp_path / "os-release").write_text(release)
    fakes = tmp_path / "bin"
    fakes.mkdir()
    (fakes / "apt-get").write_text("#!/bin/sh\n")
    (fakes / "apt-get").chmod(0o755)
    (fakes / "head").symlink_to(shutil.which("head"))
    lines = (PROJECT / "ci" / "setup-test-host").read_text().splitlines()
    assert lines[-1] == 'main "$@"'
    script = "\n".join([*lines[:-1], "use_next_suite"])
    script = script.replace("/etc/os-release", str(tmp_path / "os-release"))
    done = subprocess.run([shutil.which("bash"), "-c", script], env={"PATH": str(fakes)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 4
    assert said in done.stderr
    assert done.stdout == ""


def test_runs_of_several_machines_get_numbers_of_their_own(tmp_path):
    for name, text in (("a", "one"), ("b", "two")):
        (tmp_path / "collected" / name).mkdir(parents=True)
        (tmp_path / "collected" / name / "run-1.json").write_text(text)
    done = ran("gather-runs", tmp_path / "collected", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    kept = sorted(tmp_path.glob("results/run-*.json"))
    assert [(path.name, path.read_text()) for path in kept] == [
        ("run-1.json", "one"), ("run-2.json", "two"),
    ]  # fmt: skip


def test_no_runs_at_all_are_an_error(tmp_path):
    done = ran("gather-runs", tmp_path / "collected", tmp_path / "results")
    assert done.returncode == 13
    assert "no run files in" in done.stderr


def test_without_a_password_nobody_logs_in():
    done = ran("registry-login", "registry.example.org/team")
    assert done.returncode == 0
    assert "not logging in to registry.example.org" in done.stdout


def test_a_password_without_a_user_is_an_error():
    done = ran("registry-login", "registry.example.org/team", REGISTRY_PASSWORD="x")
    assert done.returncode != 0
    assert "REGISTRY_USER is not" in done.stderr


def test_the_password_is_no_argument(tmp_path):
    """What a command was started with, every process of the machine can read."""
    fake = tmp_path / "buildah"
    fake.write_text('#!/bin/sh\necho "$@"; cat\n')
    fake.chmod(0o755)
    done = ran("registry-login", "registry.example.org:5000/team", REGISTRY_USER="me",
               REGISTRY_PASSWORD="secret", PATH=f"{tmp_path}:{os.environ['PATH']}")  # fmt: skip
    assert done.stdout.splitlines() == [
        "login --username me --password-stdin registry.example.org:5000", "secret",
    ]  # fmt: skip
