"""The audit on a real source from the package index: a known defect and its mending."""

import pytest

from zport.audit.auditor import audit
from zport.audit.inputs import find_input
from zport.errors import FetchError, UsageError
from zport.workspace import PROJECT, Workspace


@pytest.fixture(scope="module")
def kept():
    """The project's own build folder: sources that are fetched already are not fetched again."""
    return Workspace(PROJECT / "build")


def audited(name, kept):
    try:
        return audit(find_input(name, kept))
    except FetchError as error:
        pytest.skip(f"the package index does not answer: {error.message}")


def test_a_known_defect_is_found_in_the_version_that_has_it_and_gone_after(kept):
    before, after = (audited(f"murmurhash=={one}", kept) for one in ("1.0.6", "1.0.7"))
    place = ("hash-words", "murmurhash/MurmurHash2.cpp", 55)
    assert place in [(one.rule, one.path, one.line) for one in before.findings]
    assert "hash-words" not in [one.rule for one in after.findings]


def test_what_the_index_does_not_have_is_one_message(kept):
    with pytest.raises((UsageError, FetchError)):
        find_input("murmurhash==0.0.0.1", kept)
