"""Commands of an engine: their output goes to the log, their failure becomes one message."""

import pytest

from zport.engines.process import ask, build_failure, run_logged
from zport.errors import BuildError, EngineError, HostError, PatchError

PATCH = "zport-error: patch 0001-order.patch does not apply: leaf.c: Hunk #1 FAILED at 3."


@pytest.mark.parametrize(
    ("lines", "kind", "told"),
    [
        pytest.param(
            ["STEP 3/9: RUN build-wheel", f"#12 0.4 {PATCH}", "error: exit status 1"],
            PatchError, "leaf.c: Hunk #1", id="patch",
        ),
        pytest.param(
            ["cc1: fatal error: write: No space left on device", "error: exit status 1"],
            HostError, "disk is full", id="space",
        ),
        pytest.param(
            ["leaf.c:3:5: error: 'x' undeclared", "STEP 4", "done"],
            BuildError, "'x' undeclared", id="compiler",
        ),
        pytest.param(
            ["zport-error: no wheel came out", "error: exit status 1"],
            BuildError, "no wheel came out", id="marked",
        ),
        pytest.param(["E: Unable to locate package x"], BuildError, "locate package", id="apt"),
        pytest.param(["killed"], BuildError, "killed", id="last line"),
        pytest.param([], BuildError, "no output", id="nothing"),
    ],
)  # fmt: skip
def test_a_failed_build_says_what_failed(tmp_path, lines, kind, told):
    log = tmp_path / "step.log"
    log.write_text("\n".join(lines))
    failure = build_failure(log, "wheel-leaf")
    assert type(failure) is kind
    assert told in failure.message
    assert failure.where == "wheel-leaf"
    assert failure.next_step
    assert failure.log == log


def test_a_log_that_is_not_utf8_is_read(tmp_path):
    log = tmp_path / "step.log"
    log.write_bytes(b"\xff\xfe error: broken\n")
    assert "error: broken" in build_failure(log, "x").message


def test_space_that_ran_out_in_an_earlier_step_does_not_count(tmp_path):
    log = tmp_path / "step.log"
    log.write_text("No space left on device\n" + "line\n" * 50 + "error: other\n")
    assert isinstance(build_failure(log, "x"), BuildError)


def test_all_output_and_the_command_are_appended_to_the_log(tmp_path):
    log = tmp_path / "logs" / "step.log"
    assert run_logged(["sh", "-c", "echo out; echo err >&2; exit 3"], log) == 3
    assert run_logged(["sh", "-c", "echo $LEAF"], log, {"LEAF": "green"}) == 0
    text = log.read_text()
    assert text.startswith("$ sh -c")
    assert [line for line in text.splitlines() if not line.startswith("$")] == [
        "out", "err", "green",
    ]  # fmt: skip


def test_a_command_is_asked_for_its_output():
    assert ask(["printf", "a b"]) == "a b"


def test_a_command_that_fails_is_told_with_its_last_words():
    with pytest.raises(EngineError, match="second") as caught:
        ask(["sh", "-c", "echo first >&2; echo second >&2; exit 1"])
    assert "sh -c" in str(caught.value)


def test_a_command_that_is_not_installed_is_told():
    with pytest.raises(EngineError, match="zport-none"):
        ask(["zport-none", "version"])
