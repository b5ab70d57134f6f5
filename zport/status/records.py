"""What ran: wheels that were built and tested, and cells of the matrix, kept beside the rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from pydantic import ValidationError

from zport.definitions import Definition
from zport.errors import DefinitionError
from zport.results import Store, store_path
from zport.results.collect import collect
from zport.targets import Target
from zport.workspace import PROJECT, Workspace, read_json, write_json

RECORDS = PROJECT / "porting" / "status.json"


class WheelRun(Definition):
    """A wheel that was built, installed in a clean root of its target and tested there."""

    package: str
    version: str
    day: date
    file: str


class CellRun(Definition):
    """The newest verdict on a model in an agent's image, by a runner such as ``qemu``.

    ``largest`` is the largest absolute difference from the reference, where both gave numbers.
    """

    model: str
    agent: str
    runner: str
    verdict: str
    largest: float | None
    day: date


class Records(Definition):
    """``porting/status.json``: everything that ran for one target."""

    target: str
    wheels: tuple[WheelRun, ...] = ()
    cells: tuple[CellRun, ...] = ()


def load_records(path: Path = RECORDS) -> Records:
    """The records. Raises :class:`DefinitionError` for a file that is none."""
    step = "write it anew with zport status --record"
    raw = read_json(path)
    if raw is None:
        raise DefinitionError("not there, or no JSON", where=path, next_step=step)
    try:
        return Records.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(one) for one in first["loc"]) or "(whole file)"
        raise DefinitionError(first["msg"], where=f"{path}: {field}", next_step=step) from error


def record(workspace: Workspace, target: Target, path: Path = RECORDS) -> Records:
    """Take up what a build folder holds; what other folders have given stays unless it is older."""
    known = load_records(path) if path.exists() else Records(target=target.name)
    wheels = {(one.package, one.version): one for one in known.wheels}
    for wheel in tested_wheels(workspace, target):
        kept = wheels.get((wheel.package, wheel.version))
        if kept is None or kept.day <= wheel.day:
            wheels[wheel.package, wheel.version] = wheel
    cells = {(one.model, one.agent, one.runner): one for one in known.cells}
    for cell in judged_cells(workspace, target):
        before = cells.get((cell.model, cell.agent, cell.runner))
        if before is None or before.day <= cell.day:
            cells[cell.model, cell.agent, cell.runner] = cell
    found = Records(
        target=target.name,
        wheels=tuple(wheels[key] for key in sorted(wheels)),
        cells=tuple(cells[key] for key in sorted(cells)),
    )
    write_json(path, found.model_dump(mode="json"))
    return found


def tested_wheels(workspace: Workspace, target: Target) -> Iterable[WheelRun]:
    """The wheels for a target in a build folder: they are taken there when their test passes."""
    for path in sorted(workspace.wheels.glob(f"*/*_{target.machine}.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if path.with_name(path.name + ".provenance.json").exists():
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
            package = str(canonicalize_name(name))
            yield WheelRun(package=package, version=str(version), day=day, file=path.name)


def judged_cells(workspace: Workspace, target: Target) -> Iterable[CellRun]:
    """The newest verdict of each cell on a target that the results store has."""
    if not store_path(workspace).exists():
        return
    with Store.open(store_path(workspace)) as store:
        collect(store, workspace)
        for cell in store.latest():
            if cell["target"] == target.name:
                yield CellRun(
                    model=cell["model"], agent=cell["agent"], runner=cell["runner"],
                    verdict=cell["verdict"], largest=cell.get("largest_absolute"),
                    day=datetime.fromisoformat(cell["written"]).date(),
                )  # fmt: skip
