"""Traces of a model in MLModelScope's levels, one run a level.

Profiling an inner level disturbs the outer ones, so each level is measured in a run of its own
(XSP, arXiv 1908.06869): its model is loaded anew, and no run has more switched on than its level
needs. A run has the spans of the levels around its own too, which show what its profiling costs.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zport_agent import __version__, info
from zport_agent.backends import Backend, OperatorRun, Profiling, open_backend
from zport_agent.errors import UnsupportedError
from zport_agent.manifest import load_manifest
from zport_agent.output import output_folder
from zport_agent.pipeline import Job, Pipeline, open_pipeline
from zport_agent.trace.counters import Counters, difference
from zport_agent.trace.levels import APPLICATION, COUNTED, FRAMEWORK, MODEL
from zport_agent.trace.machines import this_machine
from zport_agent.trace.operators import place_operators
from zport_agent.trace.spans import Attribute, Recorder, Span, write_otlp

TRACE = "trace.otlp.json"


@dataclass(frozen=True)
class Request:
    """What to trace: the levels, how often every input of the manifest is run, and how often before
    that without being recorded. ``emulated`` is what the caller knows of the machine."""

    levels: Sequence[str]
    iterations: int = 3
    warmup: int = 1
    emulated: bool = False


def trace(job: Job, request: Request) -> list[str]:
    """Run each level and write ``trace.otlp.json``; returns why levels could not be run.

    Raises any AgentError; UnsupportedError only when it is of the first level.
    """
    out = output_folder(job.out, TRACE)
    manifest = load_manifest(job.model)
    open_backend(manifest.framework.name)  # imported now: no run's load has to pay for it
    recorder = Recorder()
    not_run: list[str] = []
    runs: list[_Run] = []
    with recorder.span(manifest.name, iterations=request.iterations, warmup=request.warmup) as root:
        for level in request.levels:
            run = _Run(recorder, level, request)
            try:
                run.run(job)
                runs.append(run)
            except UnsupportedError as error:
                if not runs:
                    raise
                not_run.append(f"{level}: {error}")
    if not_run:
        root.attributes["zport.not_run"] = not_run
    write_otlp(out / TRACE, recorder, _resource(runs[0].pipeline, request))
    return not_run


class _Run:
    """One run at one level."""

    pipeline: Pipeline

    def __init__(self, recorder: Recorder, level: str, request: Request) -> None:
        self.recorder, self.level, self.request = recorder, level, request
        self.calls: list[Span] = []

    def run(self, job: Job) -> None:
        """Load the model and run its inputs. Raises any AgentError."""
        spans = self.recorder.spans
        before = len(spans)
        try:
            with (
                self._counters() as counters,
                self.recorder.span(f"run at {self.level}", run=self.level) as own,
            ):
                if counters and counters.unavailable:
                    own.attributes["zport.unavailable"] = [
                        f"{name}: {why}" for name, why in counters.unavailable.items()
                    ]
                self._run_inputs(job, counters)
        except UnsupportedError:
            del spans[before:]
            raise

    def _run_inputs(self, job: Job, counters: Counters | None) -> None:
        ran: list[OperatorRun] = []
        with contextlib.ExitStack() as profiling:

            def load(backend: Backend, path: Path, threads: int) -> None:
                nonlocal ran
                with self._span("load", APPLICATION):
                    if self.level == FRAMEWORK:
                        ran = profiling.enter_context(_profiler(backend).profile(path, threads))
                    else:
                        backend.load(path, threads)

            self.pipeline = open_pipeline(job, load)
            for _ in range(self.request.warmup):
                self._warm_up()
            for iteration in range(self.request.iterations):
                for index in range(len(self.pipeline.input_files)):
                    self._run_input(iteration, index, counters)
        marks = {"level": FRAMEWORK, "run": self.level}
        self.recorder.spans += place_operators(ran, self.calls, **marks)

    def _warm_up(self) -> None:
        for index in range(len(self.pipeline.input_files)):
            self.pipeline.features(self.pipeline.predict(self.pipeline.prepare(index)))

    def _run_input(self, iteration: int, index: int, counters: Counters | None) -> None:
        name = self.pipeline.input_files[index].name
        which: dict[str, str | int] = {"iteration": iteration, "input": name}
        with self._span("preprocess", APPLICATION, **which):
            arrays = self.pipeline.prepare(index)
        with self._span("predict", APPLICATION, **which):
            if self.level == APPLICATION:
                answer = self.pipeline.predict(arrays)
            else:
                answer = self._predict(arrays, counters)
        with self._span("postprocess", APPLICATION, **which):
            self.pipeline.features(answer)

    def _predict(self, arrays: Any, counters: Counters | None) -> Any:
        """The predict call itself, with what was counted while it ran as a span inside it."""
        name = f"{self.pipeline.backend.name} predict"
        if counters is None:
            with self._span(name, MODEL) as call:
                answer = self.pipeline.predict(arrays)
            self.calls.append(call)
            return answer
        with self._span(name, MODEL), self._span("counted", self.level) as counted:
            before = counters.read()
            answer = self.pipeline.predict(arrays)
            after = counters.read()
        for key, value in difference(before, after).items():
            counted.attributes[f"zport.counter.{key}"] = value
        return answer

    def _span(
        self, name: str, level: str, **attributes: Attribute
    ) -> contextlib.AbstractContextManager[Span]:
        return self.recorder.span(name, level=level, run=self.level, **attributes)

    @contextlib.contextmanager
    def _counters(self) -> Iterator[Counters | None]:
        """The level's counters: open before the model is loaded, which may start threads.

        Raises UnsupportedError where there is none.
        """
        if self.level not in COUNTED:
            yield None
            return
        counters = Counters(self.level)
        try:
            if not counters.read():
                raise UnsupportedError("; ".join(sorted(set(counters.unavailable.values()))))
            yield counters
        finally:
            counters.close()


def _profiler(backend: Backend) -> Profiling:
    if not isinstance(backend, Profiling):
        raise UnsupportedError(f"{backend.name} has no profiler that this agent knows how to use")
    return backend


def _resource(pipeline: Pipeline, request: Request) -> dict[str, Attribute]:
    """What ran where: OpenTelemetry's names where it has one, zport's for the rest."""
    facts = info.collect(pipeline.backend, pipeline.job.threads)
    emulated = request.emulated or facts["machine"] == "QEMU" or facts["cpu"]["cpuinfo"] == "host"
    return {
        "service.name": "zport-agent",
        "service.version": __version__,
        "host.arch": this_machine().otel,
        "host.cpu.model.name": facts["cpu"]["model"] or "unknown",
        "os.type": "linux",
        "process.runtime.name": "cpython",
        "process.runtime.version": facts["python"],
        "zport.byte_order": facts["byte_order"],
        "zport.emulated": emulated,
        "zport.framework.name": pipeline.backend.name,
        "zport.framework.version": pipeline.backend.version,
        "zport.model.name": pipeline.manifest.name,
        "zport.model.version": pipeline.manifest.version,
        "zport.cpus": facts["cpus"],
        "zport.threads": pipeline.job.threads,
    }
