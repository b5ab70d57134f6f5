"""``zport clean``: room on the disk."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer
from rich.progress import track

from zport.clean import replaced_images
from zport.cli.options import BuildFolder, EngineName, wide_console
from zport.engines import select_engine
from zport.workspace import PROJECT, Workspace


def clean(
    engine: EngineName = "auto",
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be removed; remove nothing.")
    ] = False,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Remove the images of this build folder's steps that a later build has replaced.

    The latest image of each step stays, so nothing has to be built again. What was fetched,
    wheels and results lie in the build folder, which can be deleted at any time.
    """
    console, chosen = wide_console(), select_engine(engine)
    chosen.check()
    replaced = replaced_images(chosen.images(), Workspace(build_folder.absolute()))
    if plan:
        for name in replaced:
            console.print(name, soft_wrap=True, markup=False)
        console.print(f"{len(replaced)} images would be removed")
        return
    for name in track(replaced, "removing", console=console, disable=not replaced):
        chosen.remove([name])
    free = shutil.disk_usage(build_folder if build_folder.exists() else PROJECT).free
    console.print(f"{len(replaced)} images removed, {free / 1e9:.0f} GB free")
