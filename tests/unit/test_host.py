"""Host packages, root, space, and emulators, all on folders that stand in for the host's."""

import os
import shutil
from pathlib import Path

import pytest

from zport import binfmt, host
from zport.errors import HostError
from zport.targets import TARGETS

TARGET = TARGETS["s390x"]
DEFINITION = f":{TARGET.emulator}:M::\\x7f\\x45\\x4c\\x46:\\xff\\xff\\xff\\xff:/opt/emulator:OPF"
ENTRY = "enabled\ninterpreter /opt/emulator\nflags: POCF\noffset 0\nmagic 7f454c46\nmask ffffffff\n"


def packages(engine, **asked):
    return [tool.package for tool in host.needs(engine, **asked)]


def test_an_engine_asks_only_for_what_it_uses():
    assert packages("docker", bootstrap=False, emulate=False) == []
    assert packages("docker", bootstrap=False, emulate=True) == ["qemu-user-static"]
    assert "mmdebstrap" in packages("docker", bootstrap=True, emulate=False)
    assert packages("buildah", bootstrap=False, emulate=False) == ["buildah", "iproute2"]


def test_missing_packages_are_those_whose_command_or_file_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "there").touch(mode=0o755)
    tools = [
        host.HostTool("there", "has-command", "buildah", ""),
        host.HostTool("absent", "lacks-command", "buildah", ""),
        host.HostTool("also-absent", "lacks-command", "buildah", ""),
        host.HostTool(f"{tmp_path}/th*", "has-file", "buildah", ""),
        host.HostTool(f"{tmp_path}/no*", "lacks-file", "buildah", ""),
    ]
    assert host.missing_packages(tools) == ["lacks-command", "lacks-file"]


@pytest.mark.parametrize(("uid", "start"), [(0, "apt-get"), (1000, "sudo apt-get")])
def test_the_install_command_fits_the_user(uid, start, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    command = host.install_command(["buildah", "mmdebstrap"])
    assert command.startswith(start)
    assert command.endswith("buildah mmdebstrap")


def test_nothing_missing_is_not_refused():
    host.refuse_missing([])


def test_a_user_who_may_not_install_is_told_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match=r"sudo apt-get install .* buildah") as caught:
        host.install_packages(["buildah"], tmp_path / "log")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "log").exists()


def stub_apt(tmp_path, monkeypatch, script):
    stub = tmp_path / "apt-get"
    stub.write_text(f"#!/bin/sh\n{script}\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_apt_updates_then_installs_and_speaks_to_the_log(tmp_path, monkeypatch):
    stub_apt(tmp_path, monkeypatch, 'echo "apt said $*"')
    log = tmp_path / "logs" / "host.log"
    host.install_packages(["buildah"], log)
    said = [line for line in log.read_text().splitlines() if line.startswith("apt said")]
    assert [("update" in said[0]), said[1].endswith("buildah")] == [True, True]


def test_a_failure_of_apt_names_the_package_and_the_log(tmp_path, monkeypatch):
    stub_apt(tmp_path, monkeypatch, "echo no such luck; exit 100")
    log = tmp_path / "host.log"
    with pytest.raises(HostError, match="apt cannot install buildah") as caught:
        host.install_packages(["buildah"], log)
    assert caught.value.log == log
    assert "no such luck" in log.read_text()


def test_space_is_measured_where_the_folder_will_be(tmp_path):
    host.free_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(HostError, match="GB are needed"):
        host.free_space(tmp_path / "not" / "yet", shutil.disk_usage(tmp_path).total * 2)


@pytest.fixture
def kernel(tmp_path) -> Path:
    """A folder that looks like a mounted binfmt_misc without registrations."""
    folder = tmp_path / "binfmt_misc"
    folder.mkdir()
    (folder / "register").touch()
    return folder


@pytest.fixture
def definitions(tmp_path) -> Path:
    folder = tmp_path / "binfmt.d"
    folder.mkdir()
    (folder / f"{TARGET.emulator}.conf").write_text(f"# a comment\n\n{DEFINITION}\n")
    return folder


def test_an_entry_of_the_kernel_is_read(kernel):
    assert binfmt.registration(TARGET.emulator, kernel) is None
    (kernel / TARGET.emulator).write_text(ENTRY)
    entry = binfmt.registration(TARGET.emulator, kernel)
    assert entry == binfmt.Registration(True, "/opt/emulator", "POCF")
    assert binfmt.emulator_registered(TARGET, kernel)


def test_the_version_of_an_emulator_is_the_same_before_it_is_registered(
    kernel, definitions, tmp_path
):
    def version():
        return binfmt.emulator_version(TARGET, kernel, definitions)

    program = tmp_path / "emulator"
    program.write_text("#!/bin/sh\necho version 7.2 of $0\n")
    program.chmod(0o755)
    (tmp_path / "link").symlink_to(program)
    definition = definitions / f"{TARGET.emulator}.conf"
    definition.write_text(DEFINITION.replace("/opt/emulator", str(tmp_path / "link")))
    assert version() == f"version 7.2 of {program}"
    definition.unlink()
    assert version() is None
    (kernel / TARGET.emulator).write_text(ENTRY.replace("/opt/emulator", str(tmp_path / "link")))
    assert version() == f"version 7.2 of {program}"
    (kernel / TARGET.emulator).write_text(ENTRY)
    assert version() is None


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (ENTRY.replace("enabled", "disabled"), "is disabled"),
        (ENTRY.replace("POCF", "POC"), "/opt/emulator, which does not exist"),
        (ENTRY.replace("POCF", "").replace("/opt/emulator", "/bin/sh"), "lacks flag F"),
    ],
)
def test_an_entry_of_no_use_is_named_and_left_alone(entry, fault, kernel, definitions):
    (kernel / TARGET.emulator).write_text(entry)
    assert not binfmt.emulator_registered(TARGET, kernel)
    with pytest.raises(HostError, match=fault) as caught:
        binfmt.register_emulators([TARGET], kernel, definitions)
    assert f"echo -1 > {kernel / TARGET.emulator}" in str(caught.value)
    assert (kernel / TARGET.emulator).read_text() == entry
    assert (kernel / "register").read_text() == ""


def test_what_is_missing_is_registered_from_its_definition(kernel, definitions):
    assert binfmt.register_emulators([TARGET], kernel, definitions) == [TARGET.emulator]
    assert (kernel / "register").read_text() == DEFINITION


def test_what_is_registered_is_not_touched(kernel, definitions):
    (kernel / TARGET.emulator).write_text(ENTRY)
    assert binfmt.register_emulators([TARGET], kernel, definitions) == []
    assert (kernel / "register").read_text() == ""


def test_nothing_to_emulate_needs_no_kernel(tmp_path):
    assert binfmt.register_emulators([], tmp_path / "absent", tmp_path) == []


def test_an_emulator_that_is_not_installed_names_its_package(kernel, tmp_path):
    with pytest.raises(HostError, match=r"is not installed[^!]*qemu-user-static"):
        binfmt.register_emulators([TARGET], kernel, tmp_path)


def test_a_definition_without_the_flag_is_refused(kernel, definitions):
    (definitions / f"{TARGET.emulator}.conf").write_text(DEFINITION.replace("OPF", "OP"))
    with pytest.raises(HostError, match="flag F"):
        binfmt.register_emulators([TARGET], kernel, definitions)
    assert (kernel / "register").read_text() == ""


def test_all_definitions_are_read_before_the_first_is_registered(kernel, definitions):
    with pytest.raises(HostError, match="qemu-riscv64 is not installed"):
        binfmt.register_emulators([TARGET, TARGETS["riscv64"]], kernel, definitions)
    assert (kernel / "register").read_text() == ""


def test_a_user_who_may_not_mount_is_told_the_command(tmp_path, definitions, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match="sudo mount -t binfmt_misc"):
        binfmt.register_emulators([TARGET], tmp_path / "unmounted", definitions)
