"""Files that one machine writes and the other reads.

``python3 exchange.py write FOLDER`` keeps every case as ONNX Runtime saves it, at each optimization
level; ``python3 exchange.py read FOLDER`` loads what lies there and compares the answers with the
numbers that the cases were made of. It prints each file that is wrong, and ends with status 1 then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import more_cases  # noqa: F401 - it registers its cases
import onnxruntime as ort
from byte_order_cases import Case, byte_order_case, byte_order_cases, is_unreadable
from consumer_cases import MAKERS
from element_types import TYPES, ElementType
from sessions import LEVELS, check, options, run, save_external, save_ort, write_model

PARAMETERS = "parameters"
FORMATS = (".ort", ".onnx")


@dataclass(frozen=True)
class Kept:
    """One saved file: a case at a level, in one of the formats."""

    name: str
    level: str
    suffix: str
    make: Callable[[], Case]

    @property
    def file(self) -> str:
        return f"{self.name}-{self.level}{self.suffix}"

    def write(self, model: Path, case: Case, folder: Path) -> None:
        """Save the case; its model lies at that path."""
        if self.suffix == ".ort":
            save_ort(model, self.level, folder / self.file)
        else:
            save_external(model, self.level, folder / self.file, case.smallest)

    def read(self, folder: Path) -> None:
        """Raise an error unless the file says what the case has to."""
        case = self.make()
        check(case, run(folder / self.file, options("all"), case))


def kept() -> Iterator[Kept]:
    """Every file, those of one case after each other.

    Left out is what no machine can read, and what is for one machine alone: layouts of its own, at
    the highest level.
    """
    for name, (kind, place, form) in byte_order_cases().items():
        for level in LEVELS:
            for suffix in FORMATS:
                if suffix == ".ort" or not is_unreadable(kind, place):
                    yield Kept(name, level, suffix, maker_of(kind, place, form))
    for name, make in MAKERS.items():
        for level in LEVELS:
            if level != "all" or make().portable:
                yield from (Kept(name, level, suffix, make) for suffix in FORMATS)


def maker_of(kind: ElementType, place: str, form: str) -> Callable[[], Case]:
    """What makes that case."""
    return lambda: byte_order_case(kind, place, form)


def parameters() -> dict[str, ElementType]:
    """The types that a file of adapter parameters can have in Python."""
    return {name: kind for name, kind in TYPES.items() if kind.shown and not kind.is_text}


def write_parameters(folder: Path) -> None:
    """Keep a tensor of each type in a file of parameters."""
    # The values are views of these arrays, which have to live until the file is written.
    arrays = {name: kind.expected(kind.numbers(6)) for name, kind in parameters().items()}
    adapter = ort.AdapterFormat()
    adapter.set_adapter_version(1)
    adapter.set_model_version(1)
    adapter.set_parameters({n: ort.OrtValue.ortvalue_from_numpy(a) for n, a in arrays.items()})
    adapter.export_adapter(str(folder / PARAMETERS))


def read_parameters(folder: Path) -> None:
    """Raise an error unless the file of parameters has the numbers."""
    adapter = ort.AdapterFormat.read_adapter(str(folder / PARAMETERS))
    found = adapter.get_parameters()
    for name, kind in parameters().items():
        wanted = kind.expected(kind.numbers(6)).tolist()
        assert found[name].numpy().tolist() == wanted, name


def write(folder: Path) -> int:
    """Write all files; returns how many."""
    count = 1
    write_parameters(folder)
    with TemporaryDirectory() as scratch:
        last, case, model = "", None, Path()
        for one in kept():
            if one.name != last:
                last, case = one.name, one.make()
                model = write_model(case, Path(scratch))
            assert case is not None
            one.write(model, case, folder)
            count += 1
    return count


def read(folder: Path) -> tuple[int, list[str]]:
    """Read all files; returns how many were right, and a line on each that was not."""
    right, wrong = 0, []
    tasks = [(PARAMETERS, read_parameters), *((one.file, one.read) for one in kept())]
    for name, task in tasks:
        try:
            task(folder)
        except Exception as error:  # whatever it is, the file cannot be used
            wrong.append(f"{name}: {str(error).splitlines()[0] if str(error) else error!r}")
        else:
            right += 1
    return right, wrong


def main(mode: str, folder: Path) -> int:
    """The command; returns its exit status."""
    if mode == "write":
        print(f"{write(folder)} files written on a {sys.byteorder}-endian machine")
        return 0
    right, wrong = read(folder)
    print(*wrong, sep="\n")
    print(f"{right} files right, {len(wrong)} wrong, on a {sys.byteorder}-endian machine")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "read"):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
