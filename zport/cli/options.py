"""What several commands share: options, and the request that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zport.agents import load_agents
from zport.engines import select_engine
from zport.job import Request
from zport.plan.origin import Policy
from zport.recipes import Mode
from zport.targets import parse_targets
from zport.workspace import Workspace

PIPE_WIDTH = 120

Arch = Annotated[str, typer.Option(metavar="LIST", help="Targets, comma-separated.")]
AgentNames = Annotated[
    str, typer.Option("--agent", metavar="LIST", help="Agents, comma-separated, or all.")
]
ModelNames = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="LIST", show_default="the smoke set",
        help="Models, comma-separated, or all.",
    ),
]  # fmt: skip
EngineName = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="auto, buildah or docker.")
]
BuildFolder = Annotated[
    Path, typer.Option(metavar="DIR", show_default="build", help="Can be deleted at any time.")
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", show_default="cores", help="Builds and cells at once."),
]
ForcedMode = Annotated[Mode | None, typer.Option(help="Force a build mode.")]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Ask Debian's archive and the registry again.")
]
BaseOrigin = Annotated[
    Policy, typer.Option(help="First root: from a registry, or from Debian's packages.")
]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Show what would be done and why; do nothing.")
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show each step and requirement.")]


def make_request(
    arch: str, agent: str | None, engine: str, build_folder: Path, **options: Any
) -> Request:
    """The request that the flags make. Raises before anything is done if one is wrong."""
    targets, agents = parse_targets(arch), [] if agent is None else load_agents(agent)
    chosen = select_engine(engine)
    chosen.check()
    return Request(
        targets=targets,
        agents=agents,
        engine=chosen,
        workspace=Workspace(build_folder.absolute()),
        console=wide_console(),
        **options,
    )


def split_names(text: str | None) -> list[str]:
    """The names in a comma-separated list that need not be given."""
    return text.split(",") if text else []


def wide_console() -> Console:
    """The terminal as wide as it is; a file or pipe wide enough for the tables."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console
