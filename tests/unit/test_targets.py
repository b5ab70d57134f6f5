"""The target table, and that no other code names an architecture."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from zport.errors import UsageError
from zport.targets import TARGETS, find_target, parse_targets

PROJECT = Path(__file__).resolve().parents[2]

NAMES = {
    name
    for target in TARGETS.values()
    for name in (target.name, target.machine, target.debian, target.elf_machine)
}
NAME = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(sorted(NAMES))})(?![A-Za-z0-9])")

ALLOWED = {
    "zport/targets.py": NAMES,
    # The examples in its help.
    "build.py": {"s390x", "amd64"},
    # The agent stands alone inside the images: which kernel prints which fields of its own file.
    "agent/zport_agent/cpuinfo.py": NAMES,
    # What each kernel's system call table has, and what OpenTelemetry calls the machine.
    "agent/zport_agent/trace/machines.py": NAMES,
}


@pytest.mark.parametrize("field", ["name", "oci", "machine", "debian", "triplet", "emulator"])
def test_no_two_targets_share(field):
    assert len({getattr(target, field) for target in TARGETS.values()}) == len(TARGETS)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_every_name_of_a_target_finds_it(target):
    for name in (target.name, target.oci, target.machine, target.debian):
        assert find_target(name) is target


def test_list_keeps_its_order_and_drops_repetitions():
    assert [t.name for t in parse_targets(" amd64, S390X,x86_64,")] == ["amd64", "s390x"]


@pytest.mark.parametrize("text", ["", " , "])
def test_an_empty_list_is_refused(text):
    with pytest.raises(UsageError, match="no architecture given"):
        parse_targets(text)


@pytest.mark.parametrize(("typo", "meant"), [("s390", "s390x"), ("amd46", "amd64")])
def test_a_typo_is_answered_with_the_nearest_name(typo, meant):
    with pytest.raises(UsageError, match=f"did you mean {meant}"):
        find_target(typo)


def test_an_unlike_name_is_answered_with_all_names():
    with pytest.raises(UsageError) as caught:
        find_target("vax")
    assert "did you mean" not in str(caught.value)
    assert all(name in str(caught.value) for name in TARGETS)


def test_wheel_platforms_are_best_first_and_never_newer_than_the_glibc():
    platforms = TARGETS["s390x"].wheel_platforms((2, 19))
    assert platforms == [
        "manylinux_2_19_s390x",
        "manylinux_2_18_s390x",
        "manylinux_2_17_s390x",
        "manylinux2014_s390x",
        "linux_s390x",
    ]


SOURCES = [
    PROJECT / "build.py",
    *sorted(PROJECT.glob("zport/**/*.py")),
    *sorted(PROJECT.glob("agent/zport_agent/**/*.py")),
    *sorted(path for path in PROJECT.glob("dockerfiles/**/*") if path.is_file()),
]


def code_of(path: Path) -> Iterator[str]:
    """The strings and identifiers of Python, the lines of a template; no comments, no docs."""
    text = path.read_text()
    if path.suffix != ".py":
        text = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
        yield from (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        return
    tree = ast.parse(text)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_only_the_table_names_an_architecture(path):
    named = {name for code in code_of(path) for name in NAME.findall(code)}
    assert named <= ALLOWED.get(str(path.relative_to(PROJECT)), set())


@pytest.mark.parametrize(
    "code", ["x = 'linux/s390x'", "f'{a}-aarch64'", "if arch == amd64: pass", "m.EM_S390"]
)
def test_a_name_in_code_is_found(code, tmp_path):
    path = tmp_path / "module.py"
    path.write_text(code)
    assert any(NAME.search(part) for part in code_of(path))


def test_a_name_in_a_comment_or_docstring_is_not(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""For s390x."""\nx = 1  # s390x\n"""As on amd64."""\n')
    assert not any(NAME.search(part) for part in code_of(path))
