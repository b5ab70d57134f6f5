"""The four kinds of source: what a recipe may say, and that each is fetched and pinned."""

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter, ValidationError

from zport.debian import packages
from zport.debian.source import DebianSourceFile, locate
from zport.errors import ChecksumError, FetchError, HostError
from zport.sources import fetch
from zport.sources.fetch import APT_HELPER, Fetcher, UrlFile
from zport.sources.git import GitArchive
from zport.sources.kinds import Source, coordinates
from zport.sources.pypi import Index, IndexFile
from zport.steps.context import fetch_sources
from zport.steps.step import ContextFile

PROJECT = Path(__file__).resolve().parents[2]
SHA256 = "a" * 64
COMMIT = "b" * 40
PYPI = {"kind": "pypi", "filename": "leaf-1.0.tar.gz", "sha256": SHA256}
URL = {**PYPI, "kind": "url", "url": "https://host.example/leaf-1.0.tar.gz"}
DEBIAN = {
    "kind": "debian",
    "suite": "small",
    "package": "leaf",
    "version": "1:1.0+dfsg-1",
    "filename": "leaf_1.0+dfsg.orig.tar.xz",
    "sha256": SHA256,
}
GIT = {
    "kind": "git",
    "url": "https://host.example/leaf",
    "commit": COMMIT,
    "tag": "v1.0",
    "submodules": True,
    "filename": "leaf-1.0.tar",
    "sha256": SHA256,
}


def source(fields: dict[str, object], **changes: object):
    return TypeAdapter(Source).validate_python({**fields, **changes})


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (PYPI, IndexFile("leaf", "1.0", "leaf-1.0.tar.gz", SHA256)),
        (URL, UrlFile("https://host.example/leaf-1.0.tar.gz", SHA256)),
        (DEBIAN, DebianSourceFile("leaf", "1:1.0+dfsg-1", "small", "leaf_1.0+dfsg.orig.tar.xz",
                                  SHA256)),
        (GIT, GitArchive("https://host.example/leaf", COMMIT, True, "leaf-1.0.tar", SHA256)),
    ],
)  # fmt: skip
def test_each_kind_has_its_coordinates(fields, found):
    assert coordinates("leaf", "1.0", source(fields)) == found


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        (PYPI, {"kind": "svn"}),
        (PYPI, {"sha256": "a" * 63}),
        (PYPI, {"sha256": "A" * 64}),
        (PYPI, {"sha256": SHA256 + "\n"}),
        (PYPI, {"filename": "leaf-1.0-py3-none-any.whl"}),
        (PYPI, {"filename": "../leaf.tar.gz"}),
        (PYPI, {"filename": "a b.tar.gz"}),
        (PYPI, {"filename": "--checkpoint-action=x.tar"}),
        (PYPI, {"filename": "$(x).tar"}),
        (PYPI, {"url": "https://host.example/x"}),
        (URL, {"url": "ftp://host.example/x"}),
        (URL, {"url": "/etc/passwd"}),
        (URL, {"url": "https://host.example/a b"}),
        (DEBIAN, {"suite": "small main\ndeb http://host.example x"}),
        (DEBIAN, {"suite": "../x"}),
        (DEBIAN, {"package": "-o=x"}),
        (DEBIAN, {"package": "Leaf"}),
        (DEBIAN, {"version": "1.0 x"}),
        (DEBIAN, {"version": ""}),
        (GIT, {"commit": "v1.0"}),
        (GIT, {"commit": "b" * 39}),
        (GIT, {"url": "ext::sh -c x"}),
        (GIT, {"url": "--upload-pack=x"}),
        (GIT, {"url": "host.example:leaf"}),
        (GIT, {"filename": "leaf.tar.gz"}),
        (GIT, {"filename": "..tar"}),
    ],
)
def test_what_does_not_fit_is_refused(fields, changes):
    with pytest.raises(ValidationError):
        source(fields, **changes)


def test_every_source_of_a_step_is_fetched(tmp_path, workspace):
    """Those in Debian's archive and in git too, not only what has a URL."""
    asked = []
    fetcher = SimpleNamespace(debian=lambda _: None, file=asked.append)
    found = [coordinates("leaf", "1.0", source(fields)) for fields in (PYPI, URL, DEBIAN, GIT)]
    files = [ContextFile(f"recipe/{i}", SHA256, one) for i, one in enumerate(found)]
    fetch_sources(SimpleNamespace(context=[*files, ContextFile.text("x", "x")]), fetcher)
    assert asked == found


# Debian source files, from an archive as Debian's: pool, Sources and a signed Release.

CONTENT = bytes(range(256)) * 2000
FILE = "leaf_1.0+dfsg.orig.tar.xz"


def stanza(version: str, files: dict[str, bytes]) -> str:
    sums = "".join(
        f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in files.items()
    )
    return (
        f"Package: leaf\nBinary: libleaf1,\n leaf-tools\nVersion: {version}\nFormat: 3.0 (quilt)\n"
        f"Files:\n 0 1 wrong.tar.xz\nChecksums-Sha256:\n{sums}Directory: pool/main/l/leaf\n"
    )


def run(*command: object) -> None:
    subprocess.run([str(c) for c in command], check=True, capture_output=True)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """A home of gpg with a key, and the keyring that trusts it."""
    missing = [tool for tool in ("gpg", "apt-get", "apt-cache") if shutil.which(tool) is None]
    if missing or not Path(APT_HELPER).exists():
        pytest.skip(f"needs apt and gpg: {', '.join(missing)}")
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    run("gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-generate-key",
        "test@example.org", "rsa2048", "sign", "never")  # fmt: skip
    run("gpg", "--homedir", home, "--batch", "--output", home / "keyring.gpg", "--export")
    yield home
    run("gpgconf", "--homedir", home, "--kill", "gpg-agent")


@pytest.fixture
def suite(tmp_path, key, monkeypatch):
    """Writes the suite's index into the archive that apt is to use."""
    archive = tmp_path / "archive"
    monkeypatch.setattr(packages, "KEYRING", key / "keyring.gpg")
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", f"file:{archive}")

    def write(*stanzas: str, name: str = "small") -> Path:
        dist = archive / "dists" / name
        (dist / "main/source").mkdir(parents=True, exist_ok=True)
        plain = "\n".join(stanzas).encode()
        sums = ""
        for file, data in ("Sources", plain), ("Sources.gz", gzip.compress(plain)):
            (dist / "main/source" / file).write_bytes(data)
            if stanzas:
                digest = hashlib.sha256(data).hexdigest()
                sums += f" {digest} {len(data)} main/source/{file}\n"
        (dist / "Release").write_text(
            f"Origin: Debian\nLabel: Debian\nSuite: {name}\nCodename: {name}\n"
            "Date: Wed, 01 Jan 2025 00:00:00 UTC\nComponents: main\nArchitectures: all\n"
            f"SHA256:\n{sums or f' {SHA256} 1 other'}\n"
        )
        run("gpg", "--homedir", key, "--batch", "--yes", "--output", dist / "InRelease",
            "--clearsign", dist / "Release")  # fmt: skip
        return archive

    pool = archive / "pool/main/l/leaf"
    pool.mkdir(parents=True)
    (pool / FILE).write_bytes(CONTENT)
    write(stanza("1:1.0+dfsg-1", {"leaf_1.0.dsc": b"x", FILE: CONTENT}))
    return write


@pytest.fixture
def file():
    return coordinates("leaf", "1.0", source(DEBIAN, sha256=hashlib.sha256(CONTENT).hexdigest()))


@pytest.fixture
def fetcher(workspace):
    return Fetcher(workspace, Index())


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]


@pytest.mark.parametrize("scheme", ["file", "copy"])
def test_a_source_file_is_fetched_by_its_index_and_kept(
    suite, fetcher, file, tmp_path, monkeypatch, scheme
):
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", f"{scheme}:{tmp_path / 'archive'}")
    path = fetcher.file(file)
    assert path == fetcher.cached(file.sha256)
    assert not path.is_symlink()
    assert path.read_bytes() == CONTENT
    assert left_in(fetcher.workspace.cache) == [path]
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", "file:/nonexistent")
    assert fetcher.file(file) == path


def test_another_suite_has_its_own_index(suite, fetcher):
    content = b"newer"
    archive = suite(stanza("2.0-1", {"leaf_2.0.orig.tar.xz": content}), name="next")
    (archive / "pool/main/l/leaf/leaf_2.0.orig.tar.xz").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    newer = DebianSourceFile("leaf", "2.0-1", "next", "leaf_2.0.orig.tar.xz", sha256)
    assert fetcher.file(newer).read_bytes() == content


def test_an_index_may_keep_older_versions(suite, fetcher, file):
    suite(stanza("1:2.0-1", {}), stanza("1:1.0+dfsg-1", {FILE: CONTENT}))
    assert fetcher.file(file).read_bytes() == CONTENT


def test_a_new_index_is_seen(suite, fetcher, file):
    suite(stanza("1:0.9-1", {}))
    with pytest.raises(FetchError, match=r"but 1:0\.9-1"):
        fetcher.file(file)
    suite(stanza("1:1.0+dfsg-1", {FILE: CONTENT}))
    assert fetcher.file(file).read_bytes() == CONTENT


def test_a_version_that_is_gone_is_told_with_what_there_is(suite, fetcher, file):
    suite(stanza("1:2.0-1", {}))
    with pytest.raises(FetchError) as caught:
        fetcher.file(file)
    said = str(caught.value)
    assert "Debian small has no source package leaf 1:1.0+dfsg-1, but 1:2.0-1" in said
    assert "ZPORT_DEBIAN_MIRROR" in said
    assert left_in(fetcher.workspace.cache) == []


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"package": "nothing"}, FetchError, "no source package nothing .*nor any other"),
        ({"package": "libleaf1"}, FetchError, "no source package libleaf1"),
        ({"filename": "leaf.tar.gz"}, FetchError, r"no file leaf.tar.gz\n.*leaf_1.0.dsc"),
        ({"filename": "wrong.tar.xz"}, FetchError, "no file wrong.tar.xz"),
        ({"sha256": "1" * 64}, ChecksumError, f"index is .*pinned is {'1' * 64}"),
        ({"suite": "absent"}, FetchError, "absent"),
        ({"suite": "absent-security"}, FetchError, "absent-security"),
    ],
)
def test_what_the_archive_does_not_have_is_told(suite, fetcher, file, changes, error, reason):
    with pytest.raises(error, match=reason):
        fetcher.file(DebianSourceFile(**{**file.__dict__, **changes}))
    assert left_in(fetcher.workspace.cache) == []


def test_a_mirror_without_sources_is_told(suite, fetcher, file):
    suite()
    with pytest.raises(FetchError, match="no index of source packages"):
        fetcher.file(file)


def test_an_index_that_is_not_signed_is_not_believed(suite, fetcher, file, tmp_path):
    release = tmp_path / "archive/dists/small/InRelease"
    release.write_text(release.read_text().replace("Codename: small", "Codename: other"))
    with pytest.raises(FetchError):
        fetcher.file(file)


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"x", CONTENT + b"x", CONTENT[:-1]])
def test_another_file_than_the_index_says_is_refused(suite, fetcher, file, tmp_path, wrong):
    (tmp_path / "archive/pool/main/l/leaf" / FILE).write_bytes(wrong)
    with pytest.raises((ChecksumError, FetchError), match="leaf"):
        fetcher.file(file)
    assert left_in(fetcher.workspace.cache) == []


def test_a_file_that_is_listed_but_gone_is_told(suite, fetcher, file, tmp_path):
    (tmp_path / "archive/pool/main/l/leaf" / FILE).unlink()
    with pytest.raises(FetchError, match=r"debian:leaf=1:1\.0\+dfsg-1 of small"):
        fetcher.file(file)


@pytest.mark.parametrize("left", [CONTENT[:1000], b"x" * 1000, b"x" * len(CONTENT)])
def test_what_a_killed_run_left_is_not_taken_for_whole(suite, fetcher, file, left):
    part = fetcher.cached(file.sha256).with_name(f"{file.sha256}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    assert fetcher.file(file).read_bytes() == CONTENT


@pytest.fixture
def web(suite, server, tmp_path, monkeypatch):
    """The archive over HTTP, as mirrors are."""
    archive = tmp_path / "archive"
    for path in left_in(archive):
        server.files[f"/{path.relative_to(archive)}".replace("+", "%2b")] = path.read_bytes()
        server.files[f"/{path.relative_to(archive)}".replace("+", "%2B")] = path.read_bytes()
    monkeypatch.setenv("ZPORT_DEBIAN_MIRROR", server.url(""))
    monkeypatch.delenv("http_proxy", raising=False)
    return server


def test_a_mirror_is_asked_for_the_index_and_the_file_alone(web, fetcher, file):
    assert fetcher.file(file).read_bytes() == CONTENT
    asked = {path.rpartition("/")[2].lower() for path, _ in web.asked}
    assert "packages.gz" not in asked
    assert FILE.replace("+", "%2b") in asked
    assert not any(name.endswith(".dsc") for name in asked)


@pytest.mark.parametrize("left", [CONTENT[:1000], b"x" * 1000, b"x" * len(CONTENT)])
def test_a_part_from_a_mirror_is_not_taken_for_whole(web, fetcher, file, left):
    part = fetcher.cached(file.sha256).with_name(f"{file.sha256}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    try:
        content = fetcher.file(file).read_bytes()
    except (ChecksumError, FetchError):
        # A part that is wrong is thrown away, and the next run starts anew.
        content = fetcher.file(file).read_bytes()
    assert content == CONTENT


def test_a_host_without_apt_is_told(suite, fetcher, file, monkeypatch):
    monkeypatch.setattr(fetch, "APT_HELPER", "/nonexistent/apt-helper")
    with pytest.raises(HostError, match="apt is not installed"):
        fetcher.file(file)


def test_a_security_suite_needs_a_place_of_its_own(workspace, file, monkeypatch):
    monkeypatch.setattr("zport.debian.apt.archive_places", lambda: {"Debian": "file:/x"})
    with pytest.raises(FetchError, match="small-security"):
        locate(workspace, DebianSourceFile(**{**file.__dict__, "suite": "small-security"}))


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="needs a git checkout")
def test_no_file_names_a_registrys_host():
    """Where pip, apt and npm get things from is their configuration's to say."""
    hosts = [
        ("pypi", "org"), ("pythonhosted", "org"), ("deb", "debian", "org"),
        ("security", "debian", "org"), ("registry", "npmjs", "org"),
    ]  # fmt: skip
    pattern = "|".join(r"\.".join(host) for host in hosts)
    command = ["git", "grep", "-I", "-l", "-i", "-E", pattern]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert found.stdout.splitlines() == []
    assert found.returncode == 1, found.stderr
