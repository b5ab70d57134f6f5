"""Built wheels are checked by their tag and by every ELF file in them."""

import shutil
import struct
import subprocess
import zipfile

import pytest

from zport.errors import BuildError
from zport.targets import TARGETS
from zport.wheels.built import check_wheel
from zport.wheels.wheel_check import Expected, problems

S390X, AMD64 = TARGETS["s390x"], TARGETS["amd64"]
MACHINES = {"EM_S390": 22, "EM_X86_64": 62, "EM_AARCH64": 183, "EM_PPC64": 21, "EM_RISCV": 243}


def elf(machine: int, order: str) -> bytes:
    """The header of a shared object, and nothing behind it."""
    ident = b"\x7fELF" + bytes([2, 2 if order == "big" else 1, 1]) + bytes(9)
    mark = ">" if order == "big" else "<"
    return ident + struct.pack(
        f"{mark}HHIQQQIHHHHHH", 3, machine, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0
    )


def elf_with_dynamic(*entries: tuple[int, int]) -> bytes:
    """A big-endian s390 shared object with these dynamic entries, and nothing else."""
    string_table = (5, 0)
    dynamic = b"".join(struct.pack(">QQ", *one) for one in (string_table, *entries, (0, 0)))
    header = bytearray(elf(22, "big"))
    header[32:40] = struct.pack(">Q", 64)
    header[56:58] = struct.pack(">H", 2)
    start, size = 64 + 2 * 56, len(dynamic)
    load = struct.pack(">IIQQQQQQ", 1, 5, 0, 0, 0, start + size, start + size, 8)
    return (
        bytes(header)
        + load
        + struct.pack(">IIQQQQQQ", 2, 6, start, start, start, size, size, 8)
        + dynamic
    )


@pytest.fixture
def wheel(tmp_path):
    def make(tag, **files):
        path = tmp_path / f"leaf-1.0-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("leaf/__init__.py", "")
            for name, content in files.items():
                archive.writestr(f"leaf/{name}", content)
        return path

    return make


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_wheel_of_the_target_is_good(wheel, target):
    built = elf(MACHINES[target.elf_machine], target.byte_order)
    check_wheel(wheel(f"cp313-cp313-linux_{target.machine}", module=built), target)
    check_wheel(wheel(f"cp313-cp313-manylinux_2_41_{target.machine}", module=built), target)


def test_a_pure_wheel_is_good_for_any_target(wheel):
    for target in TARGETS.values():
        check_wheel(wheel("py3-none-any"), target)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(elf(62, "little"), r"EM_X86_64 \(little-endian\), not for s390x", id="both"),
        pytest.param(elf(62, "big"), "EM_X86_64", id="machine"),
        pytest.param(elf(22, "little"), "little-endian", id="byte order"),
        pytest.param(b"\x7fELF", "broken ELF", id="only the mark"),
        pytest.param(b"\x7fELF" + b"\xff" * 12, "broken ELF", id="no class"),
        pytest.param(elf(22, "big")[:30], "broken ELF", id="cut"),
    ],
)
@pytest.mark.parametrize("tag", ["cp313-cp313-linux_s390x", "py3-none-any"])
def test_an_elf_file_that_is_not_the_targets_is_told(wheel, tag, content, told):
    with pytest.raises(BuildError, match=told) as caught:
        check_wheel(wheel(tag, good=elf(22, "big"), bad=content), S390X)
    assert "leaf/bad" in str(caught.value)


@pytest.mark.parametrize("entry", [(22, 0), (30, 4), (30, 0x14)], ids=["tag", "flag", "flags"])
def test_text_relocations_are_told(wheel, entry):
    with pytest.raises(BuildError, match="text relocations"):
        check_wheel(wheel("cp313-cp313-linux_s390x", module=elf_with_dynamic(entry)), S390X)


def test_static_tls_alone_is_no_text_relocation(wheel):
    check_wheel(wheel("cp313-cp313-linux_s390x", module=elf_with_dynamic((30, 0x10))), S390X)


def ar(*members: tuple[bytes, bytes]) -> bytes:
    """A static library of members: their names as they stand in the archive, their contents."""
    return b"!<arch>\n" + b"".join(
        b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, 0, 0, 0, 0o644, len(content))
        + content
        + b"\n" * (len(content) % 2)
        for name, content in members
    )


TABLES = ((b"/", b"\0" * 5), (b"//", b"an_object_with_a_long_name.o/\n"))
"""A symbol table, of an odd length, and the names that are too long for a header."""


def test_a_static_library_of_the_target_is_good(wheel):
    content = ar(*TABLES, (b"/0", elf(22, "big") + b"x"), (b"b.o/", elf(22, "big")))
    check_wheel(wheel("cp313-cp313-linux_s390x", **{"libleaf.a": content}), S390X)


@pytest.mark.parametrize(
    ("member", "name"), [(b"/0", "an_object_with_a_long_name.o"), (b"bad.o/", "bad.o")]
)
def test_an_object_in_a_static_library_that_is_not_the_targets_is_told(wheel, member, name):
    content = ar(*TABLES, (b"a.o/", elf(22, "big")), (member, elf(62, "little")))
    with pytest.raises(BuildError, match="EM_X86_64") as caught:
        check_wheel(wheel("cp313-cp313-linux_s390x", **{"libleaf.a": content}), S390X)
    assert f"leaf/libleaf.a({name})" in str(caught.value)


BROKEN_LIBRARIES = {
    "cut content": ar((b"a.o/", b"content"))[:-4],
    "cut header": ar((b"a.o/", b"content"))[:40],
    "no size": ar((b"a.o/", b"content")).replace(b"7         `", b"-60       `"),
    "no end of the header": ar((b"a.o/", b"content")).replace(b"`", b"x"),
}


@pytest.mark.parametrize("content", BROKEN_LIBRARIES.values(), ids=list(BROKEN_LIBRARIES))
def test_a_broken_static_library_is_told(wheel, content):
    with pytest.raises(BuildError, match="broken static library"):
        check_wheel(wheel("cp313-cp313-linux_s390x", **{"libleaf.a": content}), S390X)


def test_a_static_library_is_read_as_ar_wrote_it(wheel, tmp_path):
    if not shutil.which("ar"):
        pytest.skip("no ar on this machine")
    for name in ("short.o", "an_object_with_a_long_name.o"):
        (tmp_path / name).write_bytes(elf(62, "little") + b"x")
    library, files = tmp_path / "libleaf.a", sorted(tmp_path.glob("*.o"))
    subprocess.run(["ar", "rcS", library, *files], check=True)
    built = wheel("cp313-cp313-linux_s390x", **{"libleaf.a": library.read_bytes()})
    expected = Expected(S390X.machine, S390X.elf_machine, S390X.byte_order)
    told = [one.where.partition("libleaf.a")[2] for one in problems(built, expected)]
    assert told == [f"({file.name})" for file in files]


@pytest.mark.parametrize("place", [b"/build/source", b"/build/requirements"])
@pytest.mark.parametrize("form", [b"x = %s/x", b"%s", b"'%s'", b"in %s.", b"-I%s/x", b"\0abc%s/x"])
def test_a_path_of_the_build_is_told(wheel, place, form):
    with pytest.raises(BuildError, match=f"own path {place.decode()}") as caught:
        check_wheel(wheel("py3-none-any", config=form % place), S390X)
    assert "leaf/config" in str(caught.value)


def test_every_place_of_the_build_is_told_once(wheel):
    built = wheel("py3-none-any", config=b"/build/work/a /build/wheel/b /build/work/c")
    expected = Expected(S390X.machine, S390X.elf_machine, S390X.byte_order)
    assert [(one.where.rpartition(" ")[2], one.message) for one in problems(built, expected)] == [
        ("leaf/config", "holds the build's own path /build/wheel"),
        ("leaf/config", "holds the build's own path /build/work"),
    ]


@pytest.mark.parametrize(
    "content",
    [b"/build/workflow.yml", b"/build/wheel-1.0", b"/build/source.tar", b"our/build/source/x",
     b"../build/work", b"/build/other"],
)  # fmt: skip
def test_a_path_that_only_looks_like_one_of_the_build_is_good(wheel, content):
    check_wheel(wheel("py3-none-any", config=content), S390X)


@pytest.mark.parametrize(
    ("tag", "target"),
    [
        ("cp313-cp313-linux_x86_64", S390X),
        ("cp313-cp313-linux_s390", S390X),
        ("cp313-cp313-manylinux_2_17_s390x.linux_x86_64", S390X),
        ("cp313-cp313-linux_s390x", AMD64),
    ],
)
def test_a_tag_of_another_platform_is_told(wheel, tag, target):
    with pytest.raises(BuildError, match=f"tagged .*, not for {target.machine}"):
        check_wheel(wheel(tag), target)


@pytest.mark.parametrize("name", ["leaf-1.0-py3-none-any.whl", "leaf.whl"])
def test_what_is_no_wheel_is_told(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"not a zip file")
    with pytest.raises(BuildError, match=r"not a wheel"):
        check_wheel(path, S390X)
