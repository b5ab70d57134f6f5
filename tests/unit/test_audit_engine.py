"""The audit as a whole: inputs, exemptions, what is accepted, documents, and input that is bad."""

import io
import json
import os
import tarfile
import zipfile
from functools import partial

import pytest
from jsonschema import Draft4Validator, ValidationError
from typer.testing import CliRunner
from unreadable import UNREADABLE, put_unreadable

from zport.audit import auditor, files
from zport.audit.accepted import read_baseline
from zport.audit.auditor import audit
from zport.audit.cython import as_python
from zport.audit.examine import LARGEST, examine
from zport.audit.files import File, archive_files
from zport.audit.inputs import Input, find_input
from zport.cli import app
from zport.errors import AuditError, DefinitionError, UsageError

BAD = 'def f(file):\n    return struct.unpack("I", file.read(4))\n'
GOOD = 'def f(file):\n    return struct.unpack("<I", file.read(4))\n'


def input_of(**named):
    held = [File(path, text.encode()) for path, text in named.items()]
    return Input("made up", lambda: iter(held))


def found_in(text, path="module.py", **options):
    return audit(input_of(**{path: text}), **options).findings


def run(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "bad.py").write_text(BAD)
    (folder / "good.py").write_text(GOOD)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        '# struct.unpack("I", data)\n',
        'TEXT = """struct.unpack("I", data)"""\n',
        'if sys.byteorder == "big":\n    x = struct.unpack("I", d)\nelse:\n    x = (struct, d)\n',
        'if sys.platform == "win32":\n    x = struct.unpack("I", file.read(4))\n',
        'def f(fd):\n    return struct.unpack("hh", fcntl.ioctl(fd, 1, b"1234"))\n',
    ],
)  # fmt: skip
def test_comments_texts_guards_and_other_systems_are_no_findings(text):
    assert found_in(text) == ()


C_LOAD = "uint32_t read_it(const uint8_t *buf) {{\n{}\n  return *(const uint32_t *)buf;\n{}\n}}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("#if 0", "#endif"),
        ("#if defined(__x86_64__) || defined(__i386__)", "#endif"),
        ("#ifdef _WIN32", "#endif"),
        ("#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__", "#else\n  return 0;\n#endif"),
        ("#ifdef WORDS_BIGENDIAN\n  return 0;\n#else", "#endif"),
        ("  if (std::endian::native == std::endian::little)", ""),
        ("  /* as it lies", "*/"),
    ],
)
def test_branches_that_other_machines_take_are_no_findings(before, after):
    assert found_in(C_LOAD.format("", ""), "module.c")
    assert found_in(C_LOAD.format(before, after), "module.c") == ()


def test_an_unrelated_condition_does_not_excuse():
    assert found_in(C_LOAD.format("#ifdef HAVE_CONFIG_H", "#endif"), "module.c")


def test_a_fingerprint_does_not_move_with_its_line():
    (before,), (after,) = found_in(BAD), found_in("import struct\n\n\n" + BAD)
    assert (before.line, after.line) == (2, 5)
    assert before.fingerprint == after.fingerprint
    assert before.fingerprint != found_in(BAD, "other.py")[0].fingerprint


def test_equal_lines_have_fingerprints_of_their_own():
    one, other = found_in(BAD + BAD)
    assert one.fingerprint != other.fingerprint


def test_an_ignore_with_a_reason_suppresses_and_one_without_does_not():
    line = BAD.rstrip("\n") + "  # zport: ignore[native-struct]"
    kept = audit(input_of(**{"a.py": line + "\n"}))
    assert len(kept.findings) == 1
    assert "gives no reason" in kept.notes[0]
    gone = audit(input_of(**{"a.py": line + " this machine's own cache\n"}))
    assert (gone.findings, len(gone.suppressed), gone.notes) == ((), 1, ())


def test_an_ignore_of_another_rule_does_not_count():
    assert found_in(BAD.rstrip("\n") + "  # zport: ignore[cast-load] because\n")


def test_a_baseline_hides_what_is_known_and_nothing_new(source, tmp_path):
    baseline = tmp_path / "baseline.json"
    assert run(source, "--write-baseline", baseline).exit_code == 0
    assert run(source, "--baseline", baseline).exit_code == 0
    (source / "new.py").write_text(BAD)
    result = run(source, "--baseline", baseline, "--format", "json")
    assert isinstance(result.exception, AuditError)
    record = json.loads(result.stdout)
    assert [one["path"] for one in record["findings"]] == ["new.py"]
    assert [one["path"] for one in record["known"]] == ["bad.py"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no baseline: Expecting value"),
        ("[" * 200_000, "no baseline: it is nested too deeply"),
        ("1" * 5000, "no baseline: .*5000 digits\n"),
        ("[]", r"baseline.json: \(whole file\): this is no baseline: not an object"),
        ('{"schema": 9, "findings": []}', "baseline.json: schema: this is no baseline: 9, not 1"),
        ('{"findings": 7}', "baseline.json: schema: this is no baseline: None, not 1"),
        ('{"schema": 1}', "baseline.json: findings: this is no baseline: not a list"),
        ('{"schema": 1, "findings": 7}', "baseline.json: findings: .*not a list"),
        ('{"schema": 1, "findings": [7]}', "findings.0.fingerprint: .*missing or no text"),
        ('{"schema": 1, "findings": [{}]}', "findings.0.fingerprint: .*missing or no text"),
        ("\xff", "not UTF-8 text"),
    ],
)
def test_a_baseline_that_is_none_says_so(text, said, tmp_path):
    path = tmp_path / "baseline.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DefinitionError, match=said) as caught:
        read_baseline(path)
    assert "baseline.json" in str(caught.value)
    assert "--write-baseline" in str(caught.value)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_baseline_that_cannot_be_read_says_so(kind, tmp_path):
    path, said = put_unreadable(tmp_path / "baseline.json", kind)
    with pytest.raises(DefinitionError, match=said) as caught:
        read_baseline(path)
    assert caught.value.where == str(path)
    assert "--write-baseline" in caught.value.next_step


def test_text_names_place_rule_and_how_to_mend(source):
    result = run(source)
    assert "bad.py:2:12 warning [native-struct]" in result.stdout
    assert "mend:" in result.stdout
    assert isinstance(result.exception, AuditError)
    assert result.exception.exit_code == 14


def test_nothing_found_is_success(source):
    (source / "bad.py").unlink()
    result = run(source)
    assert result.exit_code == 0
    assert "no findings" in result.stdout


def test_json_has_why_and_mend(source):
    record = json.loads(run(source, "--format", "json").stdout)
    assert record["passed"] is False
    (finding,) = record["findings"]
    assert (finding["rule"], finding["line"]) == ("native-struct", 2)
    assert finding["why"]
    assert finding["mend"]


def test_severity_decides_what_counts(source):
    assert run(source, "--severity", "error").exit_code == 0


def test_several_processes_find_what_one_finds(monkeypatch):
    monkeypatch.setattr(auditor, "BATCH", 200)
    monkeypatch.setattr(auditor, "ALONE", 1000)
    many = {f"{number:03}.py": BAD for number in range(100)}
    alone, together = (audit(input_of(**many), processes=n) for n in (1, 2))
    assert alone.findings == together.findings
    assert alone.lines == together.lines == 300


def tar_of(path, **named):
    with tarfile.open(path, "w:gz") as tar:
        for name, data in named.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_archives_are_read_as_they_are(tmp_path, workspace):
    packed = tar_of(tmp_path / "pkg-1.0.tar.gz", **{"pkg-1.0/src/bad.py": BAD.encode()})
    with zipfile.ZipFile(tmp_path / "pkg.zip", "w") as zipped:
        zipped.writestr("pkg-1.0/src/bad.py", BAD)
    for path in (packed, tmp_path / "pkg.zip"):
        (finding,) = audit(find_input(str(path), workspace)).findings
        assert finding.path == "src/bad.py"


def test_names_in_an_archive_stay_inside(tmp_path):
    packed = tar_of(tmp_path / "a.tar.gz", **{"../../etc/bad.py": BAD.encode(), "/abs.py": b"x"})
    assert [one.path for one in archive_files(packed, "a")] == ["bad.py", "abs.py"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_bomb_is_refused(kind, tmp_path, monkeypatch, workspace):
    monkeypatch.setattr(files, "SMALL", 1 << 20)
    path = tmp_path / f"bomb.{kind}"
    zeros = bytes(4 << 20)
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("a/zeros.c", zeros)
    else:
        tar_of(path, **{"a/zeros.c": zeros})
    with pytest.raises(UsageError, match="MB come out of it"):
        audit(find_input(str(path), workspace))


@pytest.mark.parametrize("cut", [20, 200])
def test_a_broken_archive_is_one_message(cut, tmp_path, workspace):
    whole = tar_of(tmp_path / "whole.tar.gz", **{"a/bad.py": os.urandom(4000)}).read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(whole[:cut])
    with pytest.raises(UsageError, match="archive"):
        audit(find_input(str(path), workspace))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7fELF\0\0\0struct.unpack('I', f.read(4))", "binary"),
        ("struct.unpack('I', f.read(4))".encode("utf-16"), "UTF-16"),
        (b"/* Generated by Cython 3.1 */\nint x;\n", "generated"),
        (b"x = [" + b"1," * 5000 + b"]", "lines of more than"),
        (b"x\n" * (LARGEST // 2 + 1), "larger than"),
    ],
)
def test_files_that_no_person_wrote_are_skipped_with_the_reason(data, reason):
    result = examine("module.py", data)
    assert result.skipped is not None
    assert reason in result.skipped.reason


def test_other_encodings_and_broken_code_are_audited_all_the_same():
    text = BAD.encode() + b"# caf\xe9 \xff\xfe\n)))) def ((\n"
    assert [one.line for one in examine("module.py", text).findings] == [2]


def test_deep_nesting_does_not_end_the_audit():
    text = b"int x = " + b"(" * 1500 + b"1" + b")" * 1500 + b";\n" + C_LOAD.format("", "").encode()
    assert examine("module.c", text).skipped is None


def test_links_are_not_followed(source, workspace):
    (source / "loop").symlink_to(source, target_is_directory=True)
    (source / "again.py").symlink_to(source / "bad.py")
    report = audit(find_input(str(source), workspace))
    assert [one.path for one in report.findings] == ["bad.py"]
    assert [(one.path, one.reason) for one in report.skipped] == [
        ("again.py", "a link: not followed")
    ]


def test_an_unreadable_kind_of_file_is_skipped(source, workspace):
    os.mkfifo(source / "pipe.py")
    report = audit(find_input(str(source), workspace))
    assert [one.reason for one in report.skipped] == ["no regular file"]


@pytest.mark.parametrize(
    "text", ["no/such/folder", "missing.tar.gz", "not a package!", "missing.py"]
)
def test_an_input_that_is_none_says_what_may_be_named(text, workspace):
    with pytest.raises(UsageError) as caught:
        find_input(text, workspace)
    assert "a folder" in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path, workspace):
    path = tmp_path / "notes.txt"
    path.write_text("words")
    with pytest.raises(UsageError, match="neither an archive nor a source"):
        find_input(str(path), workspace)


CYTHON = """
cdef class Reader:
    cdef int32_t read_int(self, const char *buf) nogil:
        cdef int32_t value = (<int32_t *> buf)[0]
        return value
    def other(self, int n, double[:] x):
        memcpy(&value, buf, 4)
        return struct.unpack("I", self.file.read(4))
"""


def test_cython_keeps_its_lines_and_offsets():
    text = CYTHON.encode()
    changed = as_python(text)
    assert len(changed) == len(text)
    assert changed.count(b"\n") == text.count(b"\n")
    report = audit(Input("made up", partial(iter, [File("reader.pyx", text)])))
    assert [(one.rule, one.line) for one in report.findings] == [
        ("cython-cast-load", 4), ("native-struct", 8)]  # fmt: skip


def test_a_missing_function_of_a_big_endian_branch_is_found_across_files():
    use = (
        '#include "common.h"\n#ifdef IS_BIG_ENDIAN\nvoid f(int x) { x = util::Turn(x); }\n#endif\n'
    )
    elsewhere = "inline int Turn(int x) { return x; }\n"
    inside = "namespace util {\ninline int Turn(int x) { return x; }\n}  // namespace util\n"
    opened = "namespace util {\nint Other(int x);\n}  // namespace util\n"
    missing = audit(input_of(**{"use.cc": use, "common.h": elsewhere + opened}))
    assert [one.rule for one in missing.findings] == ["rotted-branch"]
    # A namespace that nobody opens here is another library's.
    assert audit(input_of(**{"use.cc": use, "common.h": elsewhere})).findings == ()
    assert audit(input_of(**{"use.cc": use, "common.h": inside})).findings == ()


TABLE = """
FIELDS = [
    ("Magic", "S4"),
    ("Size", "i4"),
    ("Time", "f8"),
]
HEADER = np.dtype(FIELDS)
"""


def test_a_layout_is_found_where_another_file_reads_with_it():
    reads = "def header(file):\n    return np.frombuffer(file.read(16), dtype=layout.HEADER)\n"
    keeps = "def table(size):\n    return np.zeros(size, dtype=layout.HEADER)\n"
    found = audit(input_of(**{"layout.py": TABLE, "reader.py": reads})).findings
    assert ("native-record", "layout.py", 4) in [(one.rule, one.path, one.line) for one in found]
    assert audit(input_of(**{"layout.py": TABLE, "reader.py": keeps})).findings == ()


def test_a_format_is_found_where_another_file_unpacks_with_it():
    formats = 'EXTRA_FORMAT = "QhH32s"\n'
    direct = "def extra(file):\n    return unpack(layout.EXTRA_FORMAT, file.read(44))\n"
    behind = 'def extra(file):\n    return _unpack("<" + layout.EXTRA_FORMAT, file.read(44))\n'
    found = audit(input_of(**{"layout.py": formats, "reader.py": direct})).findings
    assert [(one.rule, one.path) for one in found] == [("native-struct", "layout.py")]
    assert audit(input_of(**{"layout.py": formats, "reader.py": behind})).findings == ()


def test_sarif_fits_its_schema(source, fixtures, tmp_path):
    (source / "binary.c").write_bytes(b"\0\0")
    (source / "odd näme.py").write_text(BAD + "# zport: ignore[native-struct] kept here\n")
    baseline = tmp_path / "baseline.json"
    run(source, "--write-baseline", baseline)
    (source / "new.py").write_text(BAD)
    log = json.loads(run(source, "--baseline", baseline, "--format", "sarif").stdout)
    schema = json.loads((fixtures / "audit" / "sarif-2.1.0-rtm.5.json").read_text())
    Draft4Validator(schema).validate(log)
    (only,) = log["runs"]
    results = {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: one
               for one in only["results"]}  # fmt: skip
    assert "suppressions" not in results["new.py"]
    assert results["bad.py"]["suppressions"] == [{"kind": "external"}]
    assert "odd%20n%C3%A4me.py" in results
    rules = only["tool"]["driver"]["rules"]
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in results.values())
    assert "binary" in json.dumps(only["invocations"])


def test_the_schema_refuses_what_is_none(fixtures):
    schema = json.loads((fixtures / "audit" / "sarif-2.1.0-rtm.5.json").read_text())
    with pytest.raises(ValidationError):
        Draft4Validator(schema).validate({"version": "2.1.0", "runs": [{"results": []}]})
