"""Running the agent program's verbs: on both sides, and in the image that looks into models."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zport.diff.subject import Subject
from zport.engines import Engine, Mount
from zport.errors import EngineError
from zport.matrix.outcome import reason_in
from zport.plan.planner import AgentPlan, Planner
from zport.steps.step import Step, tree_files
from zport.verbs import SECONDS, run_verb
from zport.workspace import PROJECT, read_json, write_json

Probes = list[dict[str, Any]]


def plan_inspection(planner: Planner) -> Step:
    """The image that looks into models: the agent program with onnx, on the host's machine."""
    code = tree_files(PROJECT / "agent" / "zport_agent", "agent/zport_agent", "*.py")
    tools = planner.model_tools()
    return planner.step(
        "inspect",
        "looks into models",
        "inspect",
        planner.host,
        "inspect",
        planner.host.name,
        [tools],
        code,
        images={"tools": tools.image},
    )


@dataclass(frozen=True)
class Containers:
    """Runs verbs. ``work`` has the model's ``files``, a folder a side, and requests as JSON.

    Every method raises :class:`EngineError` when a verb fails that should not.
    """

    engine: Engine
    inspection: Step
    sides: dict[str, AgentPlan]
    work: Path
    log: Path

    def survey(self, source: Path, graph: str, seed: int | None) -> dict[str, Any]:
        """The operators, in which passes to look at them, files of data; makes random inputs."""
        with_seed = ["--seed", str(seed)] if seed is not None else []
        self._inspect(
            ["survey", "--model", f"/source/{graph}", "--out", "/work", *with_seed],
            [Mount(source, "/source")],
        )
        return dict(self._answer("survey.json"))

    def expose(
        self, graph: str, ranges: Sequence[tuple[int, int]], level: str, stem: str
    ) -> Probes:
        """Make a probe for each range of nodes."""
        nodes = ",".join(f"{first}-{last}" for first, last in ranges)
        self._inspect(
            ["expose", "--model", f"/work/files/{graph}", "--out", "/work/files",
             "--nodes", nodes, "--level", level, "--stem", stem],
        )  # fmt: skip
        return list(self._answer(f"files/{stem}.json"))

    def locate(self, request: dict[str, Any]) -> dict[str, Any]:
        """The first operator that differs, of what was observed."""
        write_json(self.work / "request.json", request)
        command = ["locate", "--request", "/work/request.json", "--out", "/work/located.json"]
        self._inspect(command, statuses=(0, 1))
        return dict(self._answer("located.json"))

    def compare(self, pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Compare outputs: each pair as the agent program's ``compare --pairs`` takes it."""
        write_json(self.work / "pairs.json", pairs)
        command = ["compare", "--pairs", "/work/pairs.json", "--out", "/work/compared.json"]
        self._inspect(command, statuses=(0, 1, 2))
        return list(self._answer("compared.json"))

    def prepare(self, subject: Subject, files: Path, index: int) -> dict[str, str | None]:
        """Each side makes its inputs of the manifest's; why it could not, by side."""
        assert subject.model is not None
        mounts = [Mount(subject.model.folder, "/model"), Mount(files, "/files")]
        command = ["prepare", "--model", "/model", "--files", "/files", "--input", str(index),
                   "--out", "/out/inputs.npz"]  # fmt: skip
        return self._on_sides(command, mounts)

    def observe(self, probes: Probes) -> dict[str, dict[tuple[str, str], str | None]]:
        """Both sides run the probes; by side, and by file and level, why one did not end well."""
        write_json(self.work / "files" / "probes.json", probes)
        mounts = [Mount(self.work / "files", "/files"), Mount(self.work / "inputs", "/inputs")]
        command = ["observe", "--files", "/files", "--probes", "/files/probes.json",
                   "--inputs", "/inputs/inputs.npz", "--out", "/out"]  # fmt: skip
        ended = self._on_sides(command, mounts)
        return {side: self._observed(side, probes, ended[side]) for side in self.sides}

    def _observed(
        self, side: str, probes: Probes, ended: str | None
    ) -> dict[tuple[str, str], str | None]:
        """A probe that the list does not name is the one that ended the process, or came later."""
        listed = read_json(self.work / side / "observed.json") or []
        said = {(one["file"], one["level"]): one["error"] for one in listed}
        asked = [(probe["file"], probe["level"]) for probe in probes]
        return {one: said.get(one, ended or "it was not run") for one in asked}

    def _on_sides(self, command: list[str], mounts: list[Mount]) -> dict[str, str | None]:
        with ThreadPoolExecutor(max_workers=len(self.sides)) as pool:
            running = {
                side: pool.submit(self._on_side, side, command, mounts) for side in self.sides
            }
            return {side: one.result() for side, one in running.items()}

    def _on_side(self, side: str, command: list[str], mounts: list[Mount]) -> str | None:
        plan = self.sides[side]
        out = self.work / side
        out.mkdir(exist_ok=True)
        out.chmod(0o777)  # the image's user is not the host's
        (out / "observed.json").unlink(missing_ok=True)
        log = self.log.with_name(f"{self.log.stem}-{side}.txt")
        mounts = [*mounts, Mount(out, "/out", writable=True)]
        return run_verb(self.engine, plan, self.inspection.target, command, mounts, log)

    def _inspect(
        self,
        command: list[str],
        mounts: Sequence[Mount] = (),
        statuses: Sequence[int] = (0,),
    ) -> None:
        status = self.engine.run(
            self.inspection.image,
            self.inspection.target,
            command,
            [*mounts, Mount(self.work, "/work", writable=True)],
            self.log,
            SECONDS["native"],
        )
        if status not in statuses:
            raise EngineError(
                reason_in(self.log) or f"it ended with status {status}",
                where=command[0],
                next_step="read the log",
                log=self.log,
            )

    def _answer(self, name: str) -> Any:
        answer = read_json(self.work / name)
        if answer is None:
            raise EngineError(f"no {name} was written", where=self.inspection.image,
                              next_step="read the log", log=self.log)  # fmt: skip
        return answer

    def forget(self, probes: Probes) -> None:
        """Remove what probes left, whose values nobody looks at again."""
        for probe in probes:
            (self.work / "files" / probe["file"]).unlink(missing_ok=True)
            for side in self.sides:
                (self.work / side / f"{probe['file']}.{probe['level']}.npz").unlink(missing_ok=True)

    def take_inputs(self, side: str | None) -> None:
        """The inputs for both sides: those that one side prepared, or the survey's."""
        source = self.work / side / "inputs.npz" if side else self.work / "inputs.npz"
        (self.work / "inputs").mkdir(exist_ok=True)
        shutil.copyfile(source, self.work / "inputs" / "inputs.npz")
