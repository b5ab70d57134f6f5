"""The two sides of a difference: agents on targets, or what the repository keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zport.agents import Agent, agent_names, load_agents
from zport.definitions import choose_by_name
from zport.errors import UsageError
from zport.plan.planner import AgentPlan
from zport.targets import TARGETS, Target, find_target

STORED = "stored"


@dataclass(frozen=True)
class Sides:
    """Which agent on which target is looked at, and against which; the latter is None where it
    is the outputs that the repository keeps, and exact arithmetic."""

    candidate: tuple[Agent, Target]
    reference: tuple[Agent, Target] | None

    @property
    def names(self) -> dict[str, str]:
        """How each side is called in words."""
        reference = side_name(self.reference) if self.reference else STORED
        return {"reference": reference, "candidate": side_name(self.candidate)}

    @property
    def agents(self) -> list[Agent]:
        agents = [side[0] for side in (self.reference, self.candidate) if side]
        return list({agent.name: agent for agent in agents}.values())

    @property
    def targets(self) -> list[Target]:
        return list(dict.fromkeys(side[1] for side in (self.reference, self.candidate) if side))

    def plans(self, planned: Sequence[AgentPlan]) -> dict[str, AgentPlan]:
        """The plan of each side that is run."""
        found = {}
        for label, side in (("reference", self.reference), ("candidate", self.candidate)):
            for plan in planned:
                if side and (plan.agent.name, plan.target) == (side[0].name, side[1]):
                    found[label] = plan
        return found


def side_name(side: tuple[Agent, Target]) -> str:
    """A side in words."""
    return f"{side[0].name} on {side[1].name}"


def choose_sides(arch: str, agent: str, against: str) -> Sides:
    """The sides that the flags name. Raises :class:`UsageError` unless they are two."""
    target, [own, *more] = find_target(arch), load_agents(agent)
    if more:
        raise UsageError("one agent is compared with another side", where="--agent",
                         next_step="name the other one after --against")  # fmt: skip
    if against == STORED:
        return Sides((own, target), None)
    choose_by_name("other side", against, [*TARGETS, *agent_names(), STORED])
    other = (own, find_target(against)) if against in TARGETS else (load_agents(against)[0], target)
    if (other[0].name, other[1]) == (own.name, target):
        raise UsageError(f"both sides are {side_name(other)}", where="--against",
                         next_step="name another target or agent")  # fmt: skip
    if other[0].framework != own.framework:
        raise UsageError(
            f"{other[0].name} runs {other[0].framework}, {own.name} runs {own.framework}",
            where="--against",
            next_step="name an agent of the same framework",
        )
    return Sides((own, target), other)
