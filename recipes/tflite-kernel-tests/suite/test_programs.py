"""What GoogleTest prints is understood, also of a program that dies."""

from __future__ import annotations

from programs import read_output

PRINTED = """[==========] Running 4 tests from 1 test suite.
[ RUN      ] Add.Float
[       OK ] Add.Float (0 ms)
[ RUN      ] Add.Bytes/0
add_test.cc:3: Failure
Expected equality of these values
[  FAILED  ] Add.Bytes/0, where GetParam() = 1 (2 ms)
[ RUN      ] Add.Broken
Node number 1 (ADD) failed to prepare.[       OK ] Add.Broken (0 ms)
[ RUN      ] Add.Later
add_test.cc:9: Skipped
[  SKIPPED ] Add.Later (0 ms)
[ RUN      ] Add.Text
"""


def test_each_case_has_its_own_outcome() -> None:
    """Passed, failed, skipped, and ended with the program."""
    found = read_output(PRINTED, -11)
    assert {case: result.outcome for case, result in found.items()} == {
        "Add.Float": "passed",
        "Add.Bytes/0": "failed",
        "Add.Broken": "passed",
        "Add.Later": "skipped",
        "Add.Text": "died",
    }
    assert "Expected equality" in found["Add.Bytes/0"].said
    assert "status -11" in found["Add.Text"].said
