"""Downloads from a real server on loopback: resumed, retried, checked, and cached or not at all."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback import cut, refuse, send, whole

from zport.debian.packages import DebianPackage
from zport.errors import ChecksumError, FetchError, HostError
from zport.sources import fetch
from zport.sources.fetch import APT_HELPER, ATTEMPTS, Fetcher, Member, UrlFile, download
from zport.sources.pypi import Index

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def naps(monkeypatch):
    """The pauses between tries, noted and not slept."""
    slept: list[float] = []
    monkeypatch.setattr(fetch, "time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def fetcher(workspace):
    return Fetcher(workspace, Index())


@pytest.fixture
def served(server):
    server.files["/leaf.tar.gz"] = CONTENT
    return UrlFile(server.url("/leaf.tar.gz"), SHA256)


def left_in(cache: Path) -> list[str]:
    return [path.name for path in cache.rglob("*") if path.is_file()]


def start_of(request: tuple[str, str | None]) -> int:
    return int((request[1] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))


def test_a_file_is_cached_under_its_hash_and_not_asked_for_again(server, served, fetcher):
    path = fetcher.file(served)
    assert path.read_bytes() == CONTENT
    assert path == fetcher.cached(SHA256)
    assert fetcher.file(served) == path
    assert server.asked == [("/leaf.tar.gz", None)]


def test_a_cut_connection_is_taken_up_where_it_stopped(server, served, fetcher):
    server.script.append(cut(after=300_000))
    assert fetcher.file(served).read_bytes() == CONTENT
    assert [first for first, *_ in server.asked] == ["/leaf.tar.gz"] * 2
    assert 200_000 < start_of(server.asked[1]) <= 300_000


def test_an_interrupted_run_is_taken_up_by_the_next(server, served, fetcher):
    server.script.extend([cut(after=300_000), *[refuse(503)] * (ATTEMPTS - 1)])
    with pytest.raises(FetchError, match="503"):
        fetcher.file(served)
    assert fetcher.file(served).read_bytes() == CONTENT
    assert 200_000 < start_of(server.asked[-1]) <= 300_000


def test_a_server_that_ignores_ranges_sends_it_whole(server, served, fetcher):
    server.script.extend([cut(after=300_000), whole])
    assert fetcher.file(served).read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, served, fetcher):
    part = fetcher.cached(SHA256).with_name(f"{SHA256}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert fetcher.file(served).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [f"bytes={len(CONTENT)}-", None]


def test_a_part_of_another_file_is_not_taken_for_this_one(served, fetcher):
    part = fetcher.cached(SHA256).with_name(f"{SHA256}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    with pytest.raises(ChecksumError):
        fetcher.file(served)
    assert left_in(fetcher.workspace.cache) == []
    assert fetcher.file(served).read_bytes() == CONTENT


def test_a_server_that_compresses_what_it_can_is_told_not_to(server, served, fetcher):
    def compress(handler, content):
        if "gzip" in handler.headers.get("Accept-Encoding", ""):
            packed = gzip.compress(content)
            handler.send_response(200)
            handler.send_header("Content-Encoding", "gzip")
            handler.send_header("Content-Length", str(len(packed)))
            handler.end_headers()
            handler.wfile.write(packed[:100])
            handler.close_connection = True
        else:
            send(handler, 200, content, len(content))

    server.script.append(compress)
    assert fetcher.file(served).read_bytes() == CONTENT
    assert len(server.asked) == 1


def tagged(asked: list, tag: str, content: bytes, after: int | None = None):
    """A server whose file has that tag and content, and that may break after so many bytes; it goes
    on with any file, whatever it is ``asked`` for."""

    def answer(handler, _):
        start = start_of(("", handler.headers["Range"]))
        asked.append((start, handler.headers["If-Range"]))
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        if tag:
            handler.send_header("ETag", tag)
        handler.end_headers()
        handler.wfile.write(content[start : after or len(content)])
        handler.close_connection = after is not None

    return answer


OTHER = bytes(reversed(CONTENT))


@pytest.mark.parametrize(
    ("tags", "starts_over"),
    [
        (('"1"', '"1"'), False), (('"1"', '"2"'), True), (("", ""), True), (('"1"', ""), True),
        (('W/"1"', 'W/"1"'), True),
    ],
)  # fmt: skip
def test_of_a_file_without_a_pin_no_two_are_joined(server, tmp_path, tags, starts_over):
    part, url = tmp_path / "part", server.url("/leaf")
    server.files["/leaf"] = CONTENT
    content, asked = OTHER if starts_over else CONTENT, []
    server.script.append(tagged(asked, tags[0], CONTENT, 300_000))
    server.script.extend([tagged(asked, tags[1], content)] * 3)
    part.write_bytes(b"left by an earlier run")
    download(url, part, where="leaf", pinned=False)
    assert part.read_bytes() == content
    assert asked[0] == (0, None)
    assert asked[1][1] == (tags[0] if tags[0].startswith('"') else None)
    assert (asked[-1][0] == 0) == starts_over


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_passing_failure_is_tried_again_with_longer_pauses(server, served, fetcher, naps, code):
    server.script.extend([refuse(code)] * (ATTEMPTS - 1))
    assert fetcher.file(served).read_bytes() == CONTENT
    assert len(server.asked) == ATTEMPTS
    assert naps == sorted(naps)
    assert 0 < naps[-1] < 10


def test_a_failure_that_lasts_is_told_with_its_reason(server, served, fetcher):
    server.script.extend([refuse(503)] * ATTEMPTS)
    with pytest.raises(FetchError, match=r"leaf\.tar\.gz: HTTP 503") as caught:
        fetcher.file(served)
    assert len(server.asked) == ATTEMPTS
    assert served.url in str(caught.value)
    assert left_in(fetcher.workspace.cache) == []


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_that_stays_is_not_tried_again(server, served, fetcher, code):
    server.script.append(refuse(code))
    with pytest.raises(FetchError, match=f"HTTP {code}"):
        fetcher.file(served)
    assert len(server.asked) == 1


def test_a_server_that_is_not_there_is_told(server, served, fetcher):
    server.server_close()
    with pytest.raises(FetchError, match="cannot fetch"):
        fetcher.file(served)


def test_a_wrong_file_is_refused_with_both_hashes_and_leaves_nothing(server, served, fetcher):
    server.files["/leaf.tar.gz"] = b"another"
    with pytest.raises(ChecksumError) as caught:
        fetcher.file(served)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(b"another").hexdigest() in str(caught.value)
    assert left_in(fetcher.workspace.cache) == []


def test_after_a_wrong_file_the_right_one_is_taken(server, served, fetcher):
    server.files["/leaf.tar.gz"] = b"another"
    with pytest.raises(ChecksumError):
        fetcher.file(served)
    server.files["/leaf.tar.gz"] = CONTENT
    assert fetcher.file(served).read_bytes() == CONTENT


def test_many_threads_fetch_one_file_once(server, served, workspace):
    found = []

    def fetch_it():
        found.append(Fetcher(workspace, Index()).file(served).read_bytes())

    threads = [threading.Thread(target=fetch_it) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 5
    assert len(server.asked) == 1


def test_a_local_file_is_copied(tmp_path, fetcher):
    source = tmp_path / "a file.bin"
    source.write_bytes(CONTENT)
    path = fetcher.file(UrlFile(source.as_uri(), SHA256))
    assert path.read_bytes() == CONTENT
    assert source.exists()


def test_a_local_file_that_is_absent_is_told(tmp_path, fetcher):
    with pytest.raises(FetchError, match=r"cannot read .*gone"):
        fetcher.file(UrlFile((tmp_path / "gone").as_uri(), SHA256))


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_place_that_cannot_be_written_is_the_hosts_fault(server, served, tmp_path, scheme):
    (tmp_path / "source").write_bytes(CONTENT)
    url = served.url if scheme == "http" else (tmp_path / "source").as_uri()
    part = tmp_path / "part"
    part.mkdir()
    with pytest.raises(HostError, match="cannot write") as caught:
        download(url, part, where="leaf")
    assert str(part) in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_full_disk_is_the_hosts_fault(server, served, tmp_path, scheme):
    (tmp_path / "source").write_bytes(CONTENT)
    url = served.url if scheme == "http" else (tmp_path / "source").as_uri()
    part = tmp_path / "part"
    part.symlink_to("/dev/full")
    with pytest.raises(HostError, match="No space left"):
        download(url, part, where="leaf")


def test_a_cache_that_is_a_file_is_the_hosts_fault(served, fetcher):
    fetcher.workspace.root.mkdir(parents=True)
    fetcher.workspace.cache.touch()
    with pytest.raises(HostError, match="cannot write"):
        fetcher.file(served)


def package_at(path: Path, sha256: str = SHA256) -> DebianPackage:
    return DebianPackage("leaf", "1.0", "all", sha256, len(CONTENT), f"file:{path}", "")


@pytest.mark.skipif(not Path(APT_HELPER).exists(), reason=f"needs {APT_HELPER}")
def test_packages_of_a_local_archive_are_copied_and_not_linked(tmp_path, fetcher):
    (tmp_path / "leaf.deb").write_bytes(CONTENT)
    fetcher.debian([package_at(tmp_path / "leaf.deb")])
    (tmp_path / "leaf.deb").unlink()
    assert fetcher.cached(SHA256).read_bytes() == CONTENT
    assert not fetcher.cached(SHA256).is_symlink()


@pytest.mark.skipif(not Path(APT_HELPER).exists(), reason=f"needs {APT_HELPER}")
def test_a_package_that_is_another_one_is_refused(tmp_path, fetcher):
    (tmp_path / "leaf.deb").write_bytes(CONTENT)
    with pytest.raises(ChecksumError, match=r"leaf_1\.0_all\.deb"):
        fetcher.debian([package_at(tmp_path / "leaf.deb", "1" * 64)])
    assert left_in(fetcher.workspace.cache) == []


def test_a_host_without_apt_is_told(tmp_path, fetcher, monkeypatch):
    monkeypatch.setattr(fetch, "APT_HELPER", "/nonexistent/apt-helper")
    with pytest.raises(HostError, match="apt is not installed"):
        fetcher.debian([package_at(tmp_path / "leaf.deb")])


def zip_of(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("models/leaf.bin", content)
    return buffer.getvalue()


def tar_of(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("models/leaf.bin")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_one_file_of_an_archive_is_taken_out_and_checked(server, fetcher, pack):
    packed = server.files["/pack"] = pack(CONTENT)
    archive = UrlFile(server.url("/pack"), hashlib.sha256(packed).hexdigest())
    assert fetcher.file(Member(archive, "models/leaf.bin", SHA256)).read_bytes() == CONTENT
    with pytest.raises(FetchError, match="no file models/other"):
        fetcher.file(Member(archive, "models/other", "0" * 64))
    with pytest.raises(ChecksumError):
        fetcher.file(Member(archive, "models/leaf.bin", "1" * 64))
    assert sorted(left_in(fetcher.workspace.cache)) == sorted([SHA256, archive.sha256])
