"""Agents: what goes into a framework's image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, Field, model_validator

from zport.debian.leave_out import LeaveOut, PackageName
from zport.definitions import Line, Named, choose_by_name, load_named
from zport.workspace import PROJECT

AGENTS = PROJECT / "agents"


def _requirement(text: str) -> str:
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"should be a requirement such as 'numpy>=2.0': {error}") from error
    return text


def _license(text: str) -> str:
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression as error:
        raise ValueError(f"should be an SPDX expression such as MIT: {error}") from error


RequirementText = Annotated[str, AfterValidator(_requirement)]
License = Annotated[str, AfterValidator(_license)]


class Agent(Named):
    """An agent as ``agents/<name>.toml`` defines it.

    ``distribution`` has the requirements that the distribution provides, each with its package.
    ``without`` has what a requirement asks for and this agent never imports, each with the reason;
    ``leave_out`` what the distribution's packages ask for or hold, and it never uses.
    ``version_of`` names the requirement whose version the image carries, where that is not
    called as the framework is. ``license`` is the framework's, as SPDX writes it.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    framework: Line
    summary: Line
    requirements: tuple[RequirementText, ...] = Field(min_length=1)
    distribution: dict[str, PackageName] = Field(default={})
    without: dict[str, Line] = Field(default={})
    leave_out: LeaveOut = LeaveOut()
    version_of: str | None = None
    license: License | None = None

    @model_validator(mode="after")
    def _distribution_is_required(self) -> Agent:
        required = {canonicalize_name(Requirement(text).name) for text in self.requirements}
        for name in self.distribution:
            if canonicalize_name(name) not in required:
                raise ValueError(f"distribution.{name} is not among the requirements")
        for name in self.without:
            if canonicalize_name(name) in required:
                raise ValueError(f"without.{name} is among the requirements")
        for package in self.leave_out.packages:
            if package in self.distribution.values():
                raise ValueError(f"leave_out.packages.{package} provides a requirement")
        if self.version_of and canonicalize_name(self.version_of) not in required:
            raise ValueError(f"version_of: {self.version_of} is not among the requirements")
        return self

    @property
    def versioned(self) -> str:
        """The requirement whose version the image carries, by normal name."""
        return canonicalize_name(self.version_of or self.framework)

    @property
    def packaged(self) -> dict[str, str]:
        """The distribution's package of each requirement that it provides, by normal name."""
        return {canonicalize_name(name): package for name, package in self.distribution.items()}

    @property
    def lock(self) -> Path:
        """The pinned closure of the requirements that the distribution does not provide."""
        return AGENTS / f"{self.name}.lock"


def agent_names() -> list[str]:
    """The agents that the project defines."""
    return sorted(path.stem for path in AGENTS.glob("*.toml"))


def load_agents(text: str) -> list[Agent]:
    """Agents for a comma-separated list of names, or for ``all``."""
    known = agent_names()
    names = [part.strip() for part in text.split(",")]
    chosen = [choose_by_name("agent", name, [*known, "all"]) for name in dict.fromkeys(names)]
    wanted = known if "all" in chosen else chosen
    return [load_named(AGENTS / f"{name}.toml", Agent, name) for name in wanted]
