"""Vulnerabilities by Debian's security tracker, for what a bill lists."""

import json

import pytest
from packageurl import PackageURL

from zport.errors import FetchError, HostError, UsageError
from zport.publish.vulnerabilities import (
    is_older,
    list_vulnerabilities,
    read_tracker,
    source_of,
)

BILL = {
    "components": [
        {"purl": "pkg:deb/debian/libc6@2.41-12?arch=s390x&upstream=glibc"},
        {"purl": "pkg:deb/debian/libc-bin@2.41-12?arch=s390x&upstream=glibc"},
        {"purl": "pkg:deb/debian/libpython3.13@3.13.5-2%2Bb1?upstream=python3.13%403.13.5-2"},
        {"purl": "pkg:deb/debian/zlib1g@1%3A1.3-1%2Bb1?arch=s390x&upstream=zlib"},
        {"purl": "pkg:pypi/numpy@2.0"},
    ]
}  # fmt: skip


def entry(status, fixed=None, release="trixie"):
    state = {"status": status, "urgency": "low"} | ({"fixed_version": fixed} if fixed else {})
    return {"releases": {release: state}}


def found(tracker):
    listing = list_vulnerabilities(BILL, tracker, "trixie")
    return [(one.cve, one.source, one.fixed) for one in listing.found]


def test_what_is_open_and_what_is_mended_later_is_found():
    tracker = {
        "glibc": {"CVE-1": entry("open"), "CVE-2": entry("resolved", "2.41-12"),
                  "CVE-3": entry("resolved", "2.41-13"), "CVE-4": entry("resolved", "0"),
                  "CVE-5": entry("undetermined"), "CVE-6": entry("open", release="sid")},
        "python3.13": {"CVE-7": entry("resolved", "3.13.5-2"),
                       "CVE-8": entry("resolved", "3.13.5-3")},
        "zlib": {"CVE-9": entry("resolved", "1:1.3-1")},
        "other": {"CVE-10": entry("open")},
    }  # fmt: skip
    assert found(tracker) == [
        ("CVE-1", "glibc", None),
        ("CVE-3", "glibc", "2.41-13"),
        ("CVE-8", "python3.13", "3.13.5-3"),
    ]


def test_packages_of_a_source_are_named_and_others_counted():
    listing = list_vulnerabilities(BILL, {"glibc": {"CVE-1": entry("open")}}, "trixie")
    assert listing.found[0].packages == ("libc-bin", "libc6")
    assert (listing.judged, listing.unjudged) == (4, 1)


def test_versions_are_debians():
    assert is_older("1.0~rc1-1", "1.0-1")
    assert is_older("9.9", "1:0.1")
    assert not is_older("1.10", "1.9")


def test_without_dpkg_versions_cannot_be_compared(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="dpkg is not installed"):
        is_older("1.0-1", "1.0-2.this-pair-was-not-asked-before")


@pytest.mark.parametrize(
    ("version", "source"),
    [("1.3-1+b1", "1.3-1"), ("1.3-1+b12", "1.3-1"), ("1.3+beta1-1", "1.3+beta1-1"),
     ("1.3+b2-1", "1.3+b2-1"), ("2.0+bzr7-1+b3", "2.0+bzr7-1"), ("1.3-1", "1.3-1")],
)  # fmt: skip
def test_only_the_mark_of_another_build_is_taken_off(version, source):
    assert source_of(PackageURL("deb", "debian", "leaf", version)) == ("leaf", source)


@pytest.mark.parametrize(
    "tracker", [{}, {"glibc": {}}, {"glibc": {"CVE-1": entry("open", release="sid")}}]
)
def test_a_release_that_is_not_in_the_data_is_told(tracker):
    with pytest.raises(UsageError, match="nothing about trixie in the tracker's data") as caught:
        list_vulnerabilities(BILL, tracker, "trixie")
    assert caught.value.where == "--release, --tracker"


def test_a_release_with_nothing_open_is_no_error():
    assert found({"other": {"CVE-1": entry("open")}}) == []


@pytest.mark.parametrize(
    ("bill", "field"),
    [
        ({}, "components"),
        ([], "components"),
        ({"components": 3}, "components"),
        ({"components": [3]}, "components.0.purl"),
        ({"components": [{}]}, "components.0.purl"),
        ({"components": [{"purl": "x"}]}, "components.0.purl"),
        ({"components": [{"purl": "pkg:deb/debian/a@1"}, {"purl": 3}]}, "components.1.purl"),
    ],
)
def test_another_bill_is_refused_with_file_and_field(bill, field):
    with pytest.raises(UsageError, match="not a CycloneDX bill") as caught:
        list_vulnerabilities(bill, {}, "trixie", "bill.json")
    assert caught.value.where == f"bill.json: {field}"
    assert caught.value.next_step


@pytest.mark.parametrize("tracker", [{"glibc": []}, {"glibc": {"CVE-1": {}}}, {"glibc": {"C": 1}}])
def test_other_data_is_refused(tracker):
    with pytest.raises(UsageError, match="not the data of Debian's security tracker") as caught:
        list_vulnerabilities(BILL, tracker, "trixie")
    assert caught.value.where == "--tracker"
    assert caught.value.next_step


def test_the_data_is_read_from_a_file(tmp_path):
    file = tmp_path / "json"
    file.write_text(json.dumps({"glibc": {}}))
    assert read_tracker(str(file)) == {"glibc": {}}
    for content in ("", "[]", "{"):
        file.write_text(content)
        with pytest.raises(FetchError):
            read_tracker(str(file))
    with pytest.raises(FetchError, match="cannot be read"):
        read_tracker(str(tmp_path / "absent"))
