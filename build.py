#!/usr/bin/env python3
"""The front door: ``./build.py --arch s390x``.

Makes sure that the environment stands (host packages, then ``.venv`` from ``requirements.lock``)
and hands over to ``zport build`` inside it. Standard library only; the code is in ``zport/``. This
file must parse on old Pythons too, so that they meet a sentence instead of a traceback.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is the place that says so
    sys.stderr.write(
        f"error: zport needs Python 3.11 or later, this is {sys.version_info[0]}."
        f"{sys.version_info[1]} ({sys.executable})\n"
        "next: install one and run it with this file: python3.11 build.py\n"
    )
    sys.exit(4)

import argparse
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from zport import binfmt, host
from zport.environment import Environment, say
from zport.errors import HostError, ZportError
from zport.targets import TARGETS, host_target, parse_targets

ROOT = Path(__file__).resolve().parent
LOGS = ROOT / "build" / "logs"
RUNTIME = Environment(ROOT / ".venv", ROOT / "requirements.lock", LOGS / "venv.log")
TESTS = Environment(ROOT / ".venv-test", ROOT / "requirements-test.lock", LOGS / "venv-test.log")

HELP = """\
usage: ./build.py [--arch LIST] [option ...]

  ./build.py --arch s390x          build the images for IBM Z, run the models, compare
  ./build.py --arch s390x,amd64    the same for several targets

options of the front door:
  --setup-only    make the environment, install missing host packages, and stop
  --setup-tests   make the environment of the tests, and stop
  --no-install    print the command for missing host packages instead of running it
  --help          show this help; it installs nothing

All other options are those of `zport build`"""
OWN_OPTIONS = ("--setup-only", "--setup-tests", "--no-install", "--help")


def main(arguments: list[str]) -> None:
    """Set up what is missing, then become ``zport build`` with the same arguments."""
    options = parse(arguments)
    passed_on = [argument for argument in arguments if argument not in OWN_OPTIONS]
    if options.help:
        show_help()
    elif options.setup_tests:
        install(missing_python(), options.no_install)
        TESTS.ensure()
    else:
        install(missing_python() + missing_tools(options.arch, options.engine), options.no_install)
        RUNTIME.ensure()
        if not options.setup_only:
            hand_over(passed_on)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The front door's own options, and the two of ``zport build`` that decide host packages."""
    parser = argparse.ArgumentParser(prog="build.py", add_help=False, allow_abbrev=False)
    for flag in OWN_OPTIONS:
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--arch")
    parser.add_argument("--engine")
    return parser.parse_known_args(arguments)[0]


def show_help() -> None:
    """The front door's help, then that of ``zport build`` if the environment stands.

    The options of ``zport build`` are told by zport itself, which needs the environment; a help
    that installs packages would surprise, and a copy of the options would grow old.
    """
    if RUNTIME.is_whole():
        print(f"{HELP}:", flush=True)
        hand_over(["--help"])
    print(f"{HELP}; after --setup-only they are listed here too.")


def hand_over(arguments: list[str]) -> None:
    """Become zport. -P: a file in the current folder must not pass for one of its modules."""
    command = [str(RUNTIME.python), "-P", "-m", "zport", "build", *arguments]
    os.execv(command[0], command)  # noqa: S606 - no shell is meant


def missing_python() -> list[str]:
    """Debian ships the module that fills a new environment apart from Python."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    return [] if importlib.util.find_spec("ensurepip") else [package]


def missing_tools(arch: str | None, engine: str | None) -> list[str]:
    """The host packages that are missing for these targets and that engine."""
    targets = parse_targets(arch) if arch else TARGETS.values()
    foreign = [target for target in targets if target != host_target()]
    emulate = not all(map(binfmt.emulator_registered, foreign))
    tools = host.needs(engine or "buildah", bootstrap=engine != "docker", emulate=emulate)
    missing = host.missing_packages(tools)
    if missing and engine is None and docker_answers():
        missing = host.missing_packages(host.needs("docker", bootstrap=False, emulate=emulate))
    return missing


def docker_answers() -> bool:
    """Whether a Docker with buildx is at hand, which needs no other engine."""
    return shutil.which("docker") is not None and all(
        subprocess.run(["docker", *question], capture_output=True, check=False).returncode == 0
        for question in (["buildx", "version"], ["info"])
    )


def install(packages: list[str], forbidden: bool) -> None:
    """Install those host packages, or say how."""
    if forbidden or not host.can_install():
        host.refuse_missing(packages)
    elif packages:
        say(f"installing host packages: {', '.join(packages)}")
        host.install_packages(packages, LOGS / "host-packages.log")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as problem:
        error: ZportError = HostError(problem.strerror or str(problem), where=problem.filename)
    except ZportError as problem:
        error = problem
    except KeyboardInterrupt:
        sys.exit(130)
    else:
        sys.exit()
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
