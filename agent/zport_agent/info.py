"""What ran: framework, agent, architecture, byte order, Python, NumPy, CPU."""

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from zport_agent import __version__
from zport_agent.backends import BACKENDS, Backend, open_backend
from zport_agent.cpuinfo import describe
from zport_agent.errors import UnsupportedError

CPUINFO = Path("/proc/cpuinfo")
AUXV = Path("/proc/self/auxv")
SYSINFO = Path("/proc/sysinfo")
"""IBM Z's kernel says there what the machine calls itself: IBM, or QEMU when that emulates it."""


def collect(backend: Backend | None = None, threads: int | None = None) -> dict[str, Any]:
    """The facts of this process. ``threads`` is what the framework was given, if one runs.

    ``machine`` is who the machine says has made it, where its kernel tells. An emulator of programs
    shows nothing of that: whether there is one the caller knows.
    """
    machine = platform.machine()
    cpu = describe(_read(CPUINFO).decode(errors="replace"), _read(AUXV), machine)
    return {
        "framework": {"name": backend.name, "version": backend.version} if backend else None,
        "agent": __version__,
        "architecture": machine,
        "machine": manufacturer(_read(SYSINFO).decode(errors="replace")),
        "byte_order": sys.byteorder,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu": cpu.as_json(),
        "cpus": len(os.sched_getaffinity(0)),
        "threads": threads,
    }


def manufacturer(sysinfo: str) -> str | None:
    """The manufacturer that ``/proc/sysinfo`` names first: the machine's own."""
    found = re.search(r"^Manufacturer:[ \t]*(\S+)", sysinfo, re.MULTILINE)
    return found[1] if found else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def frameworks() -> dict[str, str | None]:
    """Every framework the agent knows, with its version; None where it cannot be imported."""
    found: dict[str, str | None] = {}
    for name in BACKENDS:
        try:
            found[name] = open_backend(name).version
        except UnsupportedError:
            found[name] = None
    return found


def render(facts: dict[str, Any], installed: dict[str, str | None]) -> str:
    """The facts as text, one line each."""
    cpu = facts["cpu"]
    lines = [
        ("agent", facts["agent"]),
        *((name, version or "not installed") for name, version in installed.items()),
        ("architecture", f"{facts['architecture']}, {facts['byte_order']}-endian"),
        ("python", facts["python"]),
        ("numpy", facts["numpy"]),
        ("cpu", " ".join(filter(None, (cpu["vendor"], cpu["model"]))) or "unknown"),
        ("cpuinfo", _ORIGINS[cpu["cpuinfo"]]),
        ("cpus", facts["cpus"]),
        ("features", " ".join(cpu["features"]) or "none listed"),
        ("features from", cpu["features_from"] or "nowhere"),
    ]
    if cpu["facilities"]:
        lines.append(("facilities", " ".join(map(str, cpu["facilities"]))))
    return "\n".join(f"{name:<14}{value}" for name, value in lines)


_ORIGINS = {
    "own": "of this architecture",
    "host": "of another architecture, shown by an emulator: not used here",
    "absent": "absent",
}
