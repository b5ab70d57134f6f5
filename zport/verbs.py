"""Running one verb of the agent program in an agent's image, beside the matrix and its batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zport.engines import TIMED_OUT, Engine, Mount
from zport.matrix.outcome import reason_in
from zport.plan.planner import AgentPlan
from zport.targets import Target
from zport.untrusted import keep_plain_in

SECONDS = {"native": 900, "emulated": 7200}
"""How long a verb may take."""


def run_verb(
    engine: Engine,
    plan: AgentPlan,
    host: Target,
    command: Sequence[str],
    mounts: Sequence[Mount],
    log: Path,
) -> str | None:
    """Run a verb on this machine; returns why it did not end well, if it did not."""
    limit = SECONDS["emulated" if plan.target != host else "native"]
    status = engine.run(plan.step.image, plan.target, command, mounts, log, limit)
    keep_plain_in(mounts)
    if status == TIMED_OUT:
        return "no answer in time"
    return None if status == 0 else reason_in(log) or f"it ended with status {status}"
