"""The plan: every image and wheel that a request needs, in order, each with its key.

Planning fetches no package and builds nothing. A step is a rendered Dockerfile with the list of
the files in its context; what it stands on it names by key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zport.agents import Agent
from zport.debian.leave_out import LeaveOut, closure_without
from zport.debian.packages import Archive, Closure, DebianPackage
from zport.distribution import Distribution
from zport.errors import BlockedError
from zport.plan.labels import image_labels
from zport.plan.origin import Origin, Root
from zport.plan.wheel import Supply, WheelPlan, plan_wheel
from zport.recipes import Mode
from zport.resolve.providers import Provided, Resolver, require_unblocked
from zport.resolve.requirements import read_pins
from zport.steps.render import TEMPLATES, render
from zport.steps.step import BootstrapRoot, ContextFile, Step, package_files, step_key, tree_files
from zport.targets import Target
from zport.wheels import bundled, wheel_check
from zport.workspace import PROJECT, digest

REPOSITORY = "localhost/zport"
LEFT_OUT = "left-out"
"""What dpkg leaves out of packages, in an agent's context."""
TOOLCHAIN_LOCK = TEMPLATES / "toolchain" / "requirements.lock"


@dataclass(frozen=True)
class AgentPlan:
    """An agent on a target: where its requirements come from, and the step of its image."""

    agent: Agent
    target: Target
    provided: tuple[Provided, ...]
    step: Step

    @property
    def version(self) -> str:
        """The version that the image carries: the framework's."""
        return version_of(self.agent, self.provided)


class Planner:
    """Plans steps for one host, distribution and state of the archive; each step once."""

    def __init__(
        self,
        host: Target,
        distribution: Distribution,
        archive: Archive,
        resolver: Resolver,
        origin: Origin,
        mode: Mode | None = None,
    ) -> None:
        self.host = host
        self.distribution = distribution
        self.archive = archive
        self.resolver = resolver
        self.origin = origin
        self.mode = mode
        self.steps: dict[str, Step] = {}
        self.wheels: dict[str, WheelPlan] = {}
        self.being_planned: dict[str, str] = {}
        self._toolchain_statuses: dict[tuple[Target, Target], str] = {}

    def agent(self, agent: Agent, target: Target) -> AgentPlan:
        """An agent's image. Raises :class:`BlockedError` when a requirement has no provider."""
        provided = self.resolver.resolve(agent, target)
        require_unblocked(provided, agent, target)
        base = self.base(target)
        recipes = [
            self.resolver.recipe_of(p.name, p.version) for p in provided if p.kind == "recipe"
        ]
        wheels = [plan_wheel(self, recipe, target) for recipe in recipes]
        names = [*self.distribution.agent_packages, *(p.package for p in provided if p.package)]
        leave_out = agent.leave_out
        packages = self.installed_on_base(target, names, leave_out)
        files = [
            ContextFile(f"wheels/{p.file.filename}", p.file.sha256, p.file)
            for p in provided
            if p.file
        ]
        options = leave_out.dpkg_options(self.distribution.agents_leave_out)
        files.append(ContextFile.text(LEFT_OUT, options))
        versions = {p.name: p.version for p in packages.packages}
        named = tuple(_with_version(p, versions) for p in provided)
        root = self.origin.root(target)
        code = tree_files(PROJECT / "agent" / "zport_agent", "agent/zport_agent", "*.py")
        step = self.step(
            f"agent-{agent.name}-{target.name}",
            f"{agent.summary} for {target.oci}",
            "agent",
            target,
            agent.name,
            target.name,
            [base, self.builder(self.host), *wheels],
            [*package_files(packages), *files, *code],
            images={"base": base.image},
            agent=agent,
            packages=names,
            left_out=LEFT_OUT,
            labels=image_labels(
                agent, version_of(agent, named), self._epoch(),
                root.reference if root else base.image,
            ),
            wheel_images=Supply(tuple(wheels), ()).images,
            site_packages=f"/usr/local/lib/python{self.distribution.python_version}/dist-packages",
        )  # fmt: skip
        return AgentPlan(agent, target, named, step)

    def toolchain(self, machine: Target, target: Target) -> Step:
        """Compilers on ``machine`` for ``target``."""
        name = f"toolchain-{target.name}" + ("" if machine == self.host else "-emulated")
        if name in self.steps:
            return self.steps[name]
        builder = self.builder(machine)
        names = self._toolchain_names(machine, target)
        closure = self._toolchain_closure(machine, target)
        return self.step(
            name,
            f"compilers on {machine.oci} for {target.oci}",
            "toolchain",
            machine,
            "toolchain",
            target.name,
            [builder],
            [*package_files(closure), *self._toolchain_files(machine, target)],
            images={"machine": builder.image},
            machine=machine,
            compiles_for=target,
            foreign=[] if machine == target else [target.debian],
            packages=names,
        )

    def _toolchain_files(self, machine: Target, target: Target) -> list[ContextFile]:
        """The build's scripts, the Python packages they use, the files that tell of the target."""
        folder = TEMPLATES / "toolchain"
        values = {"machine": machine, "compiles_for": target, **self._common_values()}
        files = [
            ContextFile.text(f"share/{path.stem}", render(f"toolchain/{path.name}", values))
            for path in sorted(folder.glob("*.j2"))
        ]
        for module in (bundled, wheel_check):
            path = Path(str(module.__file__))
            files.append(ContextFile.local(f"share/{path.name}", path))
        for path in sorted(folder.iterdir()):
            if not path.suffix:
                files.append(ContextFile.local(f"bin/{path.name}", path, 0o755))
        for pin in read_pins(TOOLCHAIN_LOCK):
            wheel = self.resolver.wheel(pin, machine)
            if wheel.file is None:
                raise BlockedError(wheel.reason or pin.text, where=TOOLCHAIN_LOCK)
            place = f"requirements/{wheel.file.filename}"
            files.append(ContextFile(place, wheel.file.sha256, wheel.file))
        return files

    def base(self, target: Target) -> Step:
        """The Debian root that a target's images stand on: pulled, or made from packages."""
        name = f"base-{target.name}"
        if name in self.steps:
            return self.steps[name]
        root = self.origin.root(target)
        closure = self._base_closure(target)
        pulled = root is not None
        context = [] if pulled else [
            *package_files(closure),
            ContextFile.text("sources.list", self.archive.sources()),
        ]  # fmt: skip
        return self.step(
            name,
            f"Debian {self.distribution.suite} for {target.oci}",
            "base",
            target,
            "base",
            target.name,
            [] if pulled else [self.builder(self.host)],
            context,
            origin={"reference": root.reference if root else None},
            packages=list(self.distribution.base_packages),
        )

    def builder(self, machine: Target) -> Step:
        """The tools that assemble images, on a machine (the host; a target to emulate on)."""
        name = f"builder-{machine.name}"
        if name in self.steps:
            return self.steps[name]
        root = self.origin.root(machine)
        names = list(self.distribution.builder_packages)
        closure = self.archive.closure([machine.debian], names, self._base_status(machine))
        context = [*package_files(closure), *tree_files(TEMPLATES / "builder", "bin", "*", 0o755)]
        needs: list[Step] = []
        reference = root.reference if root else None
        if machine != self.host:
            needs = [self.base(machine)]
            reference = needs[0].image
        elif root is None:
            bare = self._base_closure(machine)
            hashes = [package.sha256 for package in bare.packages]
            context.append(
                ContextFile(
                    "root.tar",
                    digest(hashes),
                    BootstrapRoot(machine, self.distribution.suite, bare),
                )
            )
        return self.step(
            name,
            f"assembling tools on {machine.oci}",
            "builder",
            machine,
            "builder",
            machine.name,
            needs,
            context,
            origin={"reference": reference},
            machine=machine,
            packages=names,
        )

    def model_tools(self, framework: str = "") -> Step:
        """The builder with the packages that make model files, a framework's own among them."""
        more = self.distribution.framework_packages.get(framework, ())
        role = "model-tools"
        name = f"{role}-{framework}" if more else role
        if name in self.steps:
            return self.steps[name]
        names = (*self.distribution.model_packages, *more)
        status = self._builder_status(self.host)
        packages = self.archive.closure([self.host.debian], names, status)
        return self.step(
            name,
            "tools that make model files" + (f" of {framework}" if more else ""),
            role,
            self.host,
            name,
            self.host.name,
            [self.builder(self.host)],
            package_files(packages),
            packages=names,
        )

    def model_preparation(
        self,
        name: str,
        framework: str,
        sources: Sequence[ContextFile],
        arguments: Sequence[str],
        tools: Step | None = None,
    ) -> Step:
        """A framework's model file that is made by ``zport_zoo``, at native speed.

        ``tools`` is the image that it is made in, where that is not of :meth:`model_tools`.
        """
        tools = tools or self.model_tools(framework)
        agent = PROJECT / "agent"
        code = tree_files(agent / "zport_zoo", "agent/zport_zoo", "*.py")
        for module in ("__init__", "errors", "output", "tf_graphs"):
            place = f"zport_agent/{module}.py"
            code.append(ContextFile.local(f"agent/{place}", agent / place))
        return self.step(
            f"model-{name}",
            f"model file of {name}",
            "model",
            self.host,
            f"model-{name}",
            "any",
            [tools],
            [*sources, *code],
            images={"tools": tools.image},
            sources=sources,
            arguments=arguments,
        )

    def step(
        self,
        name: str,
        summary: str,
        role: str,
        target: Target,
        repository: str,
        tag: str,
        needs: Sequence[Step],
        context: Iterable[ContextFile],
        images: dict[str, str] | None = None,
        **values: Any,
    ) -> Step:
        draft = Step(
            name, summary, role, target, f"{role}.Dockerfile.j2", f"{REPOSITORY}/{repository}", tag,
            self._epoch(), tuple(dict.fromkeys(step.name for step in needs)),
        )  # fmt: skip
        builder = [step.image for step in needs if step.role == "builder"]
        known = {"builder": builder[0]} if builder else {}
        text = render(draft.template, {
            "step": draft,
            "target": target,
            "epoch": draft.epoch,
            **self._common_values(),
            "images": known | (images or {}),
            **values,
        })  # fmt: skip
        files = tuple(context)
        step = Step(
            **{**draft.__dict__, "dockerfile": text, "context": files,
               "key": step_key(text, list(files))}
        )  # fmt: skip
        self.steps[name] = step
        return step

    def _common_values(self) -> dict[str, Any]:
        return {
            "build": self.host,
            "suite": self.distribution.suite,
            "python": self.distribution.python_version,
            "glibc": self.distribution.glibc[1],
        }

    def _epoch(self) -> int:
        return self._base_closure(self.host).date

    def _base_closure(self, target: Target) -> Closure:
        return self.archive.closure([target.debian], self.distribution.base_packages)

    def _base_status(self, target: Target) -> str:
        root: Root | None = self.origin.root(target)
        return root.status if root else self._base_closure(target).installed()

    def installed_on_base(
        self, target: Target, names: Sequence[str], leave_out: LeaveOut | None = None
    ) -> Closure:
        """The packages that ``names`` need on the base, but for those that are left out."""
        status = self._base_status(target)
        return closure_without(self.archive, target, names, status, leave_out or LeaveOut())

    def _builder_status(self, machine: Target) -> str:
        base = self._base_status(machine)
        names = self.distribution.builder_packages
        closure = self.archive.closure([machine.debian], names, base)
        return f"{base}\n{closure.installed()}"

    def _toolchain_status(self, machine: Target, target: Target) -> str:
        """What a toolchain has installed; every wheel asks for it."""
        if (machine, target) not in self._toolchain_statuses:
            status = self._builder_status(machine)
            tools = self._toolchain_closure(machine, target).installed()
            self._toolchain_statuses[machine, target] = f"{status}\n{tools}"
        return self._toolchain_statuses[machine, target]

    def compilers(self, machine: Target, target: Target) -> list[DebianPackage]:
        """The packages of a toolchain that have the target in their name: compilers, binutils."""
        closure = self._toolchain_closure(machine, target)
        triplet = target.triplet.replace("_", "-")
        return [package for package in closure.packages if triplet in package.name]

    def _toolchain_names(self, machine: Target, target: Target) -> list[str]:
        native = machine == target
        compiler = self.distribution.native_compiler if native else self.distribution.cross_compiler
        names = [*compiler, *self.distribution.toolchain_packages]
        return [name.format(debian=target.debian) for name in names]

    def _toolchain_closure(self, machine: Target, target: Target) -> Closure:
        names = self._toolchain_names(machine, target)
        return self.archive.closure(_both(machine, target), names, self._builder_status(machine))

    def on_toolchain(self, machine: Target, target: Target, names: Sequence[str]) -> Closure:
        """Packages on top of a toolchain."""
        status = self._toolchain_status(machine, target)
        return self.archive.closure(_both(machine, target), names, status)


def _both(machine: Target, target: Target) -> list[str]:
    return list(dict.fromkeys([machine.debian, target.debian]))


def version_of(agent: Agent, provided: Iterable[Provided]) -> str:
    """Upstream's version of what an agent carries, without what a distribution adds to it."""
    own = [one.version for one in provided if one.name == agent.versioned]
    return own[0].partition("+")[0].partition("-")[0] if own else "0"


def _with_version(provided: Provided, versions: dict[str, str]) -> Provided:
    if provided.package is None:
        return provided
    version = versions.get(provided.package, "")
    return Provided(provided.name, version, provided.kind, package=provided.package)
