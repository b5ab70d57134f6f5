"""Processor facts, by the shape of /proc/cpuinfo and the bits of AT_HWCAP."""

import json
import platform
import struct
import sys
from pathlib import Path

import pytest
from zport_agent import info
from zport_agent.cli import main
from zport_agent.cpuinfo import Cpu, describe

S390X = """\
vendor_id       : IBM/S390
# processors    : 2
bogomips per cpu: 3241.00
max thread id   : 0
features\t: esan3 zarch stfle msa ldisp eimm dfp edat etf3eh highgprs te vx vxd vxe gs
facilities      : 0 1 2 3 4 6 7 8 9 10 129 134
cache0          : level=1 type=Data scope=Private size=128K line_size=256 associativity=8
processor 0: version = FF,  identification = 0133E8,  machine = 3906
processor 1: version = FF,  identification = 0133E8,  machine = 3906

cpu number      : 0
version         : FF
identification  : 0133E8
machine         : 3906
"""

X86 = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Processor
cpuid level\t: 31
flags\t\t: fpu sse2 avx2

processor\t: 1
vendor_id\t: GenuineIntel
"""

ARM = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"


def test_s390x() -> None:
    cpu = describe(S390X, b"", "s390x")
    assert (cpu.cpuinfo, cpu.vendor, cpu.model) == ("own", "IBM/S390", "machine 3906")
    assert "vxe" in cpu.features
    assert cpu.facilities[-2:] == [129, 134]


def test_x86() -> None:
    cpu = describe(X86, b"", "x86_64")
    assert (cpu.cpuinfo, cpu.model) == ("own", "Intel(R) Xeon(R) Processor")
    assert cpu.features == ["fpu", "sse2", "avx2"] and cpu.facilities == []


def test_arm() -> None:
    cpu = describe(ARM, b"", "aarch64")
    assert (cpu.cpuinfo, cpu.vendor, cpu.features) == ("own", "0x41", ["fp", "asimd"])


@pytest.mark.parametrize(("text", "machine"), [(X86, "s390x"), (S390X, "x86_64"), (ARM, "s390x")])
def test_nothing_comes_from_the_hosts_file(text: str, machine: str) -> None:
    assert describe(text, b"", machine) == Cpu("host")


def auxv(hwcap: int) -> bytes:
    """An auxiliary vector as the kernel lays it out: a page size, the capabilities, the end."""
    return struct.pack("@6L", 6, 4096, 16, hwcap, 0, 0)


def test_capabilities_stand_for_the_hosts_file() -> None:
    cpu = describe(X86, auxv(0x2B3F), "s390x")
    assert " ".join(cpu.features) == "esan3 zarch stfle msa ldisp eimm etf3eh highgprs vx vxe"
    assert (cpu.cpuinfo, cpu.features_from, cpu.vendor) == ("host", "AT_HWCAP", None)


@pytest.mark.parametrize(
    ("bit", "name"), [(0, "esan3"), (6, "dfp"), (15, "vxe2"), (18, "dflt"), (20, "nnpa")]
)
def test_capability_bits_have_the_kernels_names(bit: int, name: str) -> None:
    assert describe("", auxv(1 << bit), "s390x").features == [name]


def test_a_capability_newer_than_the_table_is_told() -> None:
    assert describe("", auxv(1 << 40 | 1), "s390x").features == ["esan3", "bit 40"]


def test_the_own_file_goes_before_the_capabilities() -> None:
    cpu = describe(S390X, auxv(1), "s390x")
    assert "vxe" in cpu.features
    assert cpu.features_from == "/proc/cpuinfo"


@pytest.mark.parametrize("vector", [b"", b"\x10", auxv(1)[:-3]], ids=["none", "odd", "cut"])
def test_a_broken_auxiliary_vector_is_no_error(vector: bytes) -> None:
    assert describe("", vector, "s390x").features in ([], ["esan3"])


def test_capabilities_of_a_machine_without_names_are_left_out() -> None:
    cpu = describe("", auxv(0xFFFF), "x86_64")
    assert (cpu.features, cpu.features_from) == ([], None)


@pytest.mark.parametrize("text", ["", "\n\n", "no colons here\n"])
def test_absent(text: str) -> None:
    assert describe(text, b"", "s390x").cpuinfo == "absent"


def test_cut_short_and_odd_lines() -> None:
    cpu = describe("processor 0: version = FF\nfacilities : 1 x 2\n", b"", "s390x")
    assert (cpu.model, cpu.facilities) == (None, [1, 2])


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["architecture"] == platform.machine()
    assert facts["byte_order"] == sys.byteorder
    assert facts["frameworks"]["numpy"]
    assert main(["info"]) == 0
    assert f"{sys.byteorder}-endian" in capsys.readouterr().out


def test_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "CPUINFO", Path("/nonexistent/cpuinfo"))
    assert info.collect()["cpu"]["cpuinfo"] == "absent"


SYSINFO = """\
Manufacturer:         {}
Type:                 {}
LPAR Number:          1
VM00 Control Program: KVM/Linux
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [(SYSINFO.format("IBM", 3931), "IBM"), (SYSINFO.format("QEMU", 8561), "QEMU"),
     ("", None), ("Manufacturer:\n", None)],
)  # fmt: skip
def test_the_machine_says_who_made_it(text, name):
    assert info.manufacturer(text) == name
