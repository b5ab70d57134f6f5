"""The patches as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from zport.recipes import PATCHES
from zport.sources.patches import read_patches


def print_patches(console: Console) -> None:
    """Every patch with its reason, its targets and upstream's state, from its DEP-3 header."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("package", "patch", "why", "targets", "upstream"):
        table.add_column(column)
    for folder in sorted(path for path in PATCHES.glob("*") if path.is_dir()):
        for patch in read_patches(folder):
            targets = patch.header.get("X-Zport-Targets", "all")
            upstream = patch.header.get("Applied-Upstream") or patch.header["Forwarded"]
            table.add_row(folder.name, patch.path.name, patch.reason, targets, upstream)
    if table.row_count:
        console.print(table)
    else:
        console.print("no patches: every source builds as upstream publishes it")
