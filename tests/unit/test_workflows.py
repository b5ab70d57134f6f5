"""The project's own CI: workflows fit GitHub's schema and pin what they run; scripts parse."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
SCRIPTS = [PROJECT / ".ci/run", PROJECT / "ci/setup-test-host", PROJECT / "ci/start-dockerd"]


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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_parses_is_strict_and_executable(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "set -euo pipefail" in script.read_text()
    assert script.stat().st_mode & 0o111
