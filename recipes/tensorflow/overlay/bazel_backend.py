"""Builds TensorFlow's wheel with Bazel, as a build backend (PEP 517), without a network."""

import os
import shutil
import subprocess
from pathlib import Path

ARCHIVES = Path("/archives")
"""What WORKSPACE names, by file name: Bazel takes it from here by its SHA-256."""
TARGET = "//tensorflow/tools/pip_package:wheel"
BUILT = Path("bazel-bin/tensorflow/tools/pip_package/wheel_house")
FORWARDED = ("HERMETIC_PYTHON_VERSION", "ML_WHEEL_TYPE", "TF_SYSTEM_LIBS", "USE_PYWRAP_RULES")
# As the builds of the linux-on-ibm-z project have it.
OPTIONS = ("--config=opt", "--define=tflite_with_xnnpack=false", "--copt=-fno-ipa-cp")


def build_wheel(
    wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None
) -> str:
    """Write the wheel to a folder; its name. Raises CalledProcessError when Bazel fails."""
    subprocess.run(["python3", "configure.py"], input=b"\n" * 50, check=True)
    environment = [f"--repo_env={name}={os.environ[name]}" for name in FORWARDED]
    subprocess.run(
        ["bazel", "build", f"--distdir={ARCHIVES}", *OPTIONS, *environment, TARGET], check=True
    )
    wheel = next(BUILT.glob("*.whl"))
    shutil.copy(wheel, wheel_directory)
    return wheel.name
