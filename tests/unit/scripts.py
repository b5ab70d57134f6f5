"""What the tests of the Dockerfiles' scripts share."""

import zipfile
from pathlib import Path

DOCKERFILES = Path(__file__).resolve().parents[2] / "dockerfiles"


def make_wheel(path: Path, **files: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
