"""Write the samples in every format, to the folder of this machine's byte order in ``archives``.

    python3 make_archives.py

Those in ``little`` were written on amd64 by Debian's PyTorch 2.6.0, those in ``big`` on s390x by
the same with the recipe's patches.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from samples import Holder, classic, name_of, ordinary, tensors, traced, views
from torch.package import PackageExporter

FOLDER = Path(__file__).with_name("archives") / sys.byteorder
EXPORTED = (torch.float32, torch.complex64, torch.int16)


def write(folder: Path) -> None:
    """One file a format."""
    every = tensors()
    torch.save(every, folder / "zip.pt")
    torch.save(classic(), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(traced(every), folder / "script.pt")
    torch.jit.save(traced(every, frozen=True), folder / "constants.pt")
    module = traced(every)
    module._save_for_lite_interpreter(str(folder / "mobile.ptl"))
    module._save_for_lite_interpreter(str(folder / "mobile.ff"), _use_flatbuffer=True)
    with PackageExporter(folder / "package.pt") as package:
        package.save_pickle("samples", "classic.pkl", classic())
        package.save_pickle("samples", "script.pkl", traced(views()))
    held = Holder({name_of(dtype): ordinary(dtype) for dtype in EXPORTED})
    torch.export.save(torch.export.export(held, (torch.zeros(2),)), folder / "export.pt2")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    write(FOLDER)
    print(f"torch {torch.__version__}: {FOLDER}")
