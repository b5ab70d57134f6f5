"""PyTorch, imported without what running a model never touches.

``import torch`` runs 800 modules, which under emulation takes most of a short job. A quarter of
them belongs to training, quantizing and compiling: these are put off until something of them is
asked for, by the standard library's own LazyLoader. The rest is the native library, and the modules
that are used.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

LATER = frozenset({
    "torch._meta_registrations", "torch.compiler", "torch.distributions", "torch.export",
    "torch.fft", "torch.masked", "torch.nested", "torch.nn.intrinsic", "torch.nn.qat",
    "torch.nn.quantizable", "torch.nn.quantized", "torch.optim", "torch.profiler",
    "torch.quantization", "torch.quasirandom",
})  # fmt: skip


class _Later(MetaPathFinder):
    """Finds these modules where they are, and has them executed when they are first looked into."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in LATER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


def import_torch() -> Any:
    """The module ``torch``. Raises ImportError without it."""
    finder = _Later()
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module("torch")
    finally:
        sys.meta_path.remove(finder)


def complete() -> None:
    """Execute what was put off, for programs that depend on what these modules register."""
    for name in sorted(LATER & set(sys.modules)):
        vars(sys.modules[name])
