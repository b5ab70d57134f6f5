"""Processor facts, by the shape of /proc/cpuinfo."""

import json
import platform
import sys
from pathlib import Path

import pytest
from zport_agent import info
from zport_agent.cli import main
from zport_agent.cpuinfo import parse_cpuinfo

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
    cpu = parse_cpuinfo(S390X, "s390x")
    assert (cpu.cpuinfo, cpu.vendor, cpu.model) == ("own", "IBM/S390", "machine 3906")
    assert "vxe" in cpu.features
    assert cpu.facilities[-2:] == [129, 134]


def test_x86() -> None:
    cpu = parse_cpuinfo(X86, "x86_64")
    assert (cpu.cpuinfo, cpu.model) == ("own", "Intel(R) Xeon(R) Processor")
    assert cpu.features == ["fpu", "sse2", "avx2"] and cpu.facilities == []


def test_arm() -> None:
    cpu = parse_cpuinfo(ARM, "aarch64")
    assert (cpu.cpuinfo, cpu.vendor, cpu.features) == ("own", "0x41", ["fp", "asimd"])


@pytest.mark.parametrize(("text", "machine"), [(X86, "s390x"), (S390X, "x86_64"), (ARM, "s390x")])
def test_the_hosts_file_is_recognized(text: str, machine: str) -> None:
    assert parse_cpuinfo(text, machine).cpuinfo == "host"


@pytest.mark.parametrize("text", ["", "\n\n", "no colons here\n"])
def test_absent(text: str) -> None:
    assert parse_cpuinfo(text, "s390x").cpuinfo == "absent"


def test_cut_short_and_odd_lines() -> None:
    cpu = parse_cpuinfo("processor 0: version = FF\nfacilities : 1 x 2\n", "s390x")
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
