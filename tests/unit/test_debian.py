"""Debian packages: resolved by apt itself from a small signed archive on the local disk."""

import gzip
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from zport.debian import apt, packages
from zport.debian.apt import archive_places
from zport.debian.packages import Archive, Closure, DebianPackage, Served
from zport.distribution import Distribution
from zport.errors import BlockedError, ChecksumError, FetchError, HostError
from zport.sources.fetch import APT_HELPER, Fetcher
from zport.sources.pypi import Index
from zport.workspace import Workspace

SMALL = Distribution("small", (3, 13), (2, 41), "debian:small", ("small-updates", "small-security"))
ARCHITECTURES = ("amd64", "s390x")
PACKAGES = {
    "leaf": ("1:2.0-1", "any", "leaf-data (>= 1)\nRecommends: tool"),
    "leaf-data": ("1.0", "all", ""),
    "lonely": ("1.0", "any", "nowhere"),
    "tool": ("1.0", "any", ""),
    "tool-for": ("1.0", "any", ""),
}
DATE = 1_735_689_600


def stanza(name: str, version: str, architecture: str) -> str:
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
        f"Filename: pool/{name}.deb\nDescription: Package: not a field\n"
    )


def package(name="leaf", version="1:2.0-1", architecture="s390x"):
    text = stanza(name, version, architecture)
    return DebianPackage(name, version, architecture, "0" * 64, 10, "file:x", text)


@pytest.mark.parametrize(
    ("version", "file"),
    [
        ("1:2.0-1", "leaf_2.0-1_s390x.deb"),
        ("2.0~rc1+dfsg-1", "leaf_2.0~rc1+dfsg-1_s390x.deb"),
        ("10:1:2", "leaf_1:2_s390x.deb"),
    ],
)
def test_a_file_name_has_no_epoch(version, file):
    assert package(version=version).file == file


def test_the_index_of_a_folder_names_the_files_in_it():
    closure = Closure((package(), package("leaf-data", "1.0", "all")), DATE, ())
    stanzas = closure.index().split("\n\n")
    assert [re.search("(?m)^Filename: (.*)$", one)[1] for one in stanzas] == [
        "./leaf_2.0-1_s390x.deb",
        "./leaf-data_1.0_all.deb",
    ]


def test_installed_packages_are_what_dpkg_calls_installed():
    closure = Closure((package(), package("leaf-data", "1.0", "all")), DATE, ())
    text = closure.installed()
    assert text.count("Status: install ok installed\n") == 2
    assert text.startswith("Package: leaf\nStatus: install ok installed\nVersion: 1:2.0-1\n")
    assert "Description: Package: not a field" in text


# An archive as Debian's: pool, Packages and a signed Release, for apt to read.


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build_package(pool: Path, name: str, version: str, architecture: str, needs: str) -> None:
    root = pool / f"root-{name}-{architecture}"
    (root / "DEBIAN").mkdir(parents=True)
    depends = f"Depends: {needs}\n" if needs else ""
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{depends}"
        "Maintainer: Test <test@example.org>\nDescription: a test\n"
    )
    plain = version.rsplit(":", 1)[-1]
    run("dpkg-deb", "--build", root, pool / f"{name}_{plain}_{architecture}.deb")
    shutil.rmtree(root)


def write_suite(
    archive: Path, home: Path, suite: str, header: str = "", codename: str | None = None
) -> None:
    dist = archive / "dists" / suite
    listed = run("dpkg-scanpackages", "--multiversion", "pool", cwd=archive).strip().split("\n\n")
    sums = []
    for architecture in ARCHITECTURES:
        folder = dist / "main" / f"binary-{architecture}"
        folder.mkdir(parents=True)
        wanted = [s for s in listed if re.search(f"(?m)^Architecture: ({architecture}|all)$", s)]
        plain = ("\n\n".join(wanted) + "\n").encode()
        for name, data in ("Packages", plain), ("Packages.gz", gzip.compress(plain)):
            (folder / name).write_bytes(data)
            path = f"main/{folder.name}/{name}"
            sums.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n")
    (dist / "Release").write_text(
        f"Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {codename or suite}\n"
        "Date: Wed, 01 Jan 2025 00:00:00 UTC\nComponents: main\n"
        f"Architectures: {' '.join(ARCHITECTURES)}\n{header}SHA256:\n{''.join(sums)}"
    )
    run("gpg", "--homedir", home, "--batch", "--yes", "--output", dist / "InRelease",
        "--clearsign", dist / "Release")  # fmt: skip


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """The archive's folder and the keyring that trusts it."""
    missing = [tool for tool in ("dpkg-deb", "dpkg-scanpackages", "gpg", "apt-get", "apt-cache")
               if shutil.which(tool) is None]  # fmt: skip
    if missing:
        pytest.skip(f"making a signed archive needs {', '.join(missing)}")
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    run("gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-generate-key",
        "test@example.org", "rsa2048", "sign", "never")  # fmt: skip
    keyring = home / "keyring.gpg"
    run("gpg", "--homedir", home, "--batch", "--output", keyring, "--export")
    archive = tmp_path_factory.mktemp("archive")
    (archive / "pool").mkdir()
    for name, (version, architecture, needs) in PACKAGES.items():
        for one in ARCHITECTURES if architecture == "any" else ("all",):
            build_package(archive / "pool", name, version, one, needs)
    write_suite(archive, home, "small")
    # A mirror of one architecture has the whole Release, but not the files of the others.
    write_suite(archive, home, "small-updates")
    shutil.rmtree(archive / "dists/small-updates/main" / f"binary-{ARCHITECTURES[1]}")
    write_suite(archive, home, "newest", codename="small")
    write_suite(archive, home, "newest-updates", codename="small-updates")
    write_suite(archive, home, "wrong", codename="large")
    write_suite(archive, home, "past", "Valid-Until: Wed, 08 Jan 2025 00:00:00 UTC\n")
    yield archive, keyring
    run("gpgconf", "--homedir", home, "--kill", "gpg-agent")


@pytest.fixture
def mirror(signed, monkeypatch):
    archive, keyring = signed
    monkeypatch.setattr(packages, "KEYRING", keyring)
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", f"copy:{archive}")
    monkeypatch.setenv("ZPORT_DEBIAN_SECURITY_MIRROR", f"copy:{archive}/absent")
    return archive


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One build folder for the tests that only ask: apt reads its lists once."""
    return Workspace(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def archive(mirror, shared):
    return Archive(shared, SMALL, ARCHITECTURES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_closure_has_what_a_package_needs_for_the_architecture(archive, mirror, architecture):
    closure = archive.closure([architecture], ["leaf"])
    found = {one.name: one for one in closure.packages}
    assert set(found) == {"leaf", "leaf-data"}
    leaf = found["leaf"]
    assert (leaf.version, leaf.architecture) == ("1:2.0-1", architecture)
    assert found["leaf-data"].architecture == "all"
    content = (mirror / "pool" / leaf.file).read_bytes()
    assert (leaf.sha256, leaf.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert closure.date == DATE


def test_packages_of_two_architectures_stand_side_by_side(archive):
    closure = archive.closure(["amd64", "s390x"], ["leaf-data", "tool", "tool-for:s390x"])
    found = {(one.name, one.architecture) for one in closure.packages}
    assert found == {("leaf-data", "all"), ("tool", "amd64"), ("tool-for", "s390x")}


def test_the_hosts_own_choices_do_not_decide(mirror, workspace, tmp_path, monkeypatch):
    write_root = apt.write_root
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "90host").write_text(
        'APT::Install-Recommends "true";\nAPT::Default-Release "other";\n'
        f'Dir::Etc::Preferences "{tmp_path}/preferences";\n'
    )
    (tmp_path / "preferences").write_text("Package: leaf\nPin: release *\nPin-Priority: -1\n")

    def written(root, *arguments):
        write_root(root, *arguments)
        with (root / "apt.conf").open("a") as file:
            file.write(f'Dir::Etc::Parts "{parts}";\n')

    monkeypatch.setattr(apt, "write_root", written)
    closure = Archive(workspace, SMALL, ARCHITECTURES).closure(["s390x"], ["leaf"])
    assert {one.name for one in closure.packages} == {"leaf", "leaf-data"}


def test_what_is_installed_is_not_in_the_answer(archive):
    base = archive.closure(["s390x"], ["leaf-data"])
    more = archive.closure(["s390x"], ["leaf"], base.installed())
    assert [one.name for one in more.packages] == ["leaf"]
    assert archive.closure(["s390x"], ["leaf-data"], base.installed()).packages == ()


def test_the_answer_is_kept_until_it_is_to_be_fresh(archive, shared, monkeypatch):
    first = archive.closure(["s390x"], ["leaf"])
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", "copy:/nonexistent")
    assert Archive(shared, SMALL, ARCHITECTURES).closure(["s390x"], ["leaf"]) == first
    with pytest.raises(FetchError):
        Archive(shared, SMALL, ARCHITECTURES, refresh=True).closure(["s390x"], ["leaf"])


def test_a_failed_refresh_does_not_spoil_later_runs(mirror, shared, monkeypatch):
    Archive(shared, SMALL, ARCHITECTURES).closure(["s390x"], ["tool"])
    with monkeypatch.context() as changed, pytest.raises(FetchError):
        changed.setenv("ZPORT_DEBIAN_MIRROR", "copy:/nonexistent")
        Archive(shared, SMALL, ARCHITECTURES, refresh=True).closure(["s390x"], ["tool"])
    found = Archive(shared, SMALL, ARCHITECTURES).closure(["s390x"], ["tool-for"])
    assert [one.name for one in found.packages] == ["tool-for"]


@pytest.mark.parametrize(("name", "told"), [("unknown", "unknown"), ("lonely", "nowhere")])
def test_a_package_that_cannot_be_installed_is_told(archive, name, told):
    with pytest.raises(BlockedError, match=told) as caught:
        archive.closure(["s390x"], [name])
    assert f"Debian small: {name}" in str(caught.value)


def test_suites_that_the_archive_does_not_serve_for_all_are_left_out(archive, mirror):
    assert archive.left_out == ("small-updates", "small-security")
    assert archive.sources().splitlines() == [
        f"deb [signed-by={packages.KEYRING}] copy:{mirror} small main"
    ]


def test_an_image_does_not_learn_the_password_of_a_mirror(archive):
    assert archive.left_out
    archive.__dict__["_places"] = {"Debian": "https://me:secret@mirror.test/debian"}
    assert archive.sources() == (
        f"deb [signed-by={packages.KEYRING}] https://mirror.test/debian small main\n"
    )


def test_a_suite_that_serves_the_only_architecture_is_used(mirror, workspace):
    assert Archive(workspace, SMALL, ["amd64"]).left_out == ("small-security",)


PAST = Distribution("past", (3, 13), (2, 41), "debian:past", ())


@pytest.fixture
def updating(signed, tmp_path, monkeypatch):
    """A mirror in the middle of an update: one list is older than the Release that names it."""
    archive, keyring = signed
    copy = tmp_path / "mirror"
    shutil.copytree(archive, copy)
    folder = copy / "dists/small/main/binary-s390x"
    fresh = {path: path.read_bytes() for path in folder.iterdir()}
    for path in fresh:
        path.write_bytes(gzip.compress(b"") if path.suffix == ".gz" else b"")
    monkeypatch.setattr(packages, "KEYRING", keyring)
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", f"copy:{copy}")
    monkeypatch.setenv("ZPORT_DEBIAN_SECURITY_MIRROR", f"copy:{copy}/absent")
    return fresh


def test_a_mirror_that_is_being_updated_is_asked_again(updating, workspace, monkeypatch):
    paused = []

    def pause(seconds):
        paused.append(seconds)
        if len(paused) == 2:
            for path, content in updating.items():
                path.write_bytes(content)

    monkeypatch.setattr(apt.time, "sleep", pause)
    closure = Archive(workspace, SMALL, ARCHITECTURES).closure(["s390x"], ["leaf"])
    assert {one.name for one in closure.packages} == {"leaf", "leaf-data"}
    assert paused == [10, 20]


def test_a_mirror_that_stays_between_two_updates_is_told(updating, workspace, monkeypatch):
    monkeypatch.setattr(apt.time, "sleep", lambda seconds: None)
    with pytest.raises(FetchError) as caught:
        Archive(workspace, SMALL, ARCHITECTURES).closure(["s390x"], ["leaf"])
    assert "ZPORT_DEBIAN_MIRROR" in caught.value.next_step


@pytest.mark.parametrize(
    ("alias", "told"), [("newest", None), ("wrong", "Mirror|Hash"), ("absent", "Mirror|Hash")]
)
def test_a_release_is_read_by_its_alias_where_only_its_lists_are_whole(
    updating, workspace, monkeypatch, alias, told
):
    monkeypatch.setattr(apt.time, "sleep", lambda seconds: None)
    archive = Archive(workspace, replace(SMALL, alias=alias), ARCHITECTURES)
    if told:
        with pytest.raises(FetchError, match=told):
            archive.closure(["s390x"], ["leaf"])
        return
    closure = archive.closure(["s390x"], ["leaf"])
    assert {one.name for one in closure.packages} == {"leaf", "leaf-data"}
    assert closure.date == DATE
    assert archive.served == Served("newest", ("small-security",))
    assert " small main" in archive.sources()
    again = Archive(workspace, replace(SMALL, alias=alias), ARCHITECTURES)
    assert again.closure(["s390x"], ["leaf"]) == closure
    assert again.served == archive.served


def test_a_release_is_read_by_its_codename_where_that_is_whole(mirror, workspace):
    archive = Archive(workspace, replace(SMALL, alias="newest"), ARCHITECTURES)
    assert archive.served.name == "small"


@pytest.fixture
def dates_count(monkeypatch):
    """apt looks at dates, as the host's configuration, read later, may tell it not to."""
    write_root = apt.write_root

    def written(root, *arguments):
        write_root(root, *arguments)
        with (root / "apt.conf").open("a") as file:
            file.write('Dir::Etc::Parts "none"; Dir::Etc::Main "none";\n')

    monkeypatch.setattr(apt, "write_root", written)


@pytest.mark.usefixtures("dates_count")
def test_only_a_snapshot_may_be_past_its_date(mirror, workspace, tmp_path, monkeypatch):
    with pytest.raises(FetchError, match="expired"):
        Archive(workspace, PAST, ARCHITECTURES).closure(["s390x"], ["leaf"])
    snapshot = tmp_path / "archive/debian/20250101T000000Z"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(mirror)
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", f"copy:{snapshot}/")
    closure = Archive(workspace, PAST, ARCHITECTURES).closure(["s390x"], ["leaf"])
    assert {one.name for one in closure.packages} == {"leaf", "leaf-data"}
    assert closure.date == DATE


def test_an_archive_signed_by_another_key_is_refused(mirror, workspace, tmp_path, monkeypatch):
    archive = Archive(workspace, SMALL, ARCHITECTURES)
    (tmp_path / "empty.gpg").write_bytes(b"")
    monkeypatch.setattr(packages, "KEYRING", tmp_path / "empty.gpg")
    with pytest.raises(FetchError) as caught:
        archive.closure(["s390x"], ["leaf"])
    assert caught.value.next_step


@pytest.mark.skipif(not Path(APT_HELPER).exists(), reason=f"needs {APT_HELPER}")
def test_packages_are_fetched_once_and_checked(archive, workspace, mirror):
    packages = archive.closure(["s390x"], ["leaf"]).packages
    fetcher = Fetcher(workspace, Index())
    fetcher.debian(packages)
    for one in packages:
        content = fetcher.cached(one.sha256).read_bytes()
        assert content == (mirror / "pool" / one.file).read_bytes()
    gone = [DebianPackage(**{**one.__dict__, "uri": "copy:/nonexistent"}) for one in packages]
    fetcher.debian(gone)
    missing = DebianPackage(**{**gone[0].__dict__, "sha256": "1" * 64})
    with pytest.raises((FetchError, ChecksumError), match=missing.name):
        fetcher.debian([missing])


# Where the archive is.


def apt_that_says(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "apt-get").write_text(f"#!/bin/sh\nprintf '{text}'\n")
    (folder / "apt-get").chmod(0o755)


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Makes apt's configuration what the test says, and the environment empty."""
    monkeypatch.delenv("ZPORT_DEBIAN_MIRROR", raising=False)
    monkeypatch.delenv("ZPORT_DEBIAN_SECURITY_MIRROR", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return lambda text: apt_that_says(tmp_path / "bin", text)


def test_the_places_are_those_of_apts_configuration(configured):
    configured("Debian|mirror/debian/\\nDebian|other/\\nUbuntu|x/\\nDebian-Security|mirror/sec/\\n")
    assert archive_places() == {"Debian": "mirror/debian", "Debian-Security": "mirror/sec"}


def test_the_environment_goes_before_apts_configuration(configured, monkeypatch):
    configured("Debian|mirror/debian/\\nDebian-Security|mirror/sec/\\n")
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", "copy:/srv/debian/")
    assert archive_places() == {"Debian": "copy:/srv/debian", "Debian-Security": "mirror/sec"}
    monkeypatch.setenv("ZPORT_DEBIAN_SECURITY_MIRROR", "copy:/srv/sec/")
    assert archive_places()["Debian-Security"] == "copy:/srv/sec"


def test_a_host_without_any_source_is_told(configured):
    configured("Ubuntu|x/\\n")
    with pytest.raises(HostError, match="no source of Debian packages") as caught:
        archive_places()
    assert "ZPORT_DEBIAN_MIRROR" in str(caught.value)


def test_a_host_without_apt_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ZPORT_DEBIAN_MIRROR", raising=False)
    with pytest.raises(HostError):
        archive_places()
