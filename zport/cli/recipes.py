"""``zport recipe``: recipes themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from zport.cli.options import BuildFolder, wide_console
from zport.scaffold import new_recipe
from zport.sources.fetch import Fetcher
from zport.sources.pypi import Index
from zport.workspace import PROJECT, Workspace

app = typer.Typer(help="Recipes: how packages become wheels.", no_args_is_help=True)


@app.callback()
def recipes() -> None:
    """Recipes: how packages become wheels."""


@app.command()
def new(
    package: Annotated[str, typer.Argument(metavar="PACKAGE[==VERSION]")],
    force: Annotated[bool, typer.Option("--force", help="Write an existing one anew.")] = False,
    build_folder: BuildFolder = PROJECT / "build",
) -> None:
    """Write a first recipe from a package's source distribution, with its locks."""
    draft = new_recipe(package, Fetcher(Workspace(build_folder.absolute()), Index()), force=force)
    recipe, console = draft.recipe, wide_console()
    languages = ", ".join(draft.languages) or "no language known"
    console.print(f"recipes/{recipe.name}: {recipe.version}, {draft.backend}, {languages}")
    for look in draft.looks:
        console.print(f"  look: {look}", soft_wrap=True, markup=False)
    console.print(f"next: zport wheel {recipe.name}")
