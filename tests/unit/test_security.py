"""What SECURITY.md promises of the host, tried: files of others that reach for more than theirs.

What runs in a container is tried in tests/integration/test_security.py, archives of sources in
test_unpack_source.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import stat
import tarfile
import types
import zipfile
from pathlib import Path

import pytest
import yaml
from zport_agent import processing
from zport_agent.errors import ManifestError
from zport_agent.manifest import load_manifest

from zport import recipes
from zport.engines.buildah import Buildah
from zport.errors import BuildError, ChecksumError, DefinitionError, EngineError, FetchError
from zport.matrix.outcome import NO_RECORD, keep_dead, keep_served
from zport.models import load_model
from zport.models.foreign import read_foreign
from zport.models.importing import Wish, write_model
from zport.models.weights import Weights
from zport.plan.wheel import recipe_files
from zport.plan.wheel import test_script as script_files
from zport.sources.fetch import Fetcher, UrlFile, extract_member
from zport.sources.kinds import GitSource
from zport.sources.pypi import Index
from zport.steps.context import write_context
from zport.steps.step import ContextFile, Step, tree_files
from zport.suites.plan import own_files
from zport.targets import TARGETS
from zport.untrusted import keep_plain, take_over
from zport.workspace import Workspace, read_json

SECRET = "root:$6$secret"
OUTSIDE = ["/etc/passwd", "../secret", "a/../../secret", "..\\secret", ".."]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host that nobody else is to see or to change."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path


@pytest.fixture
def document() -> dict:
    """A whole manifest as data, to be changed by a test."""
    return {
        "name": "net",
        "version": "1.0",
        "framework": {"name": "onnxruntime"},
        "inputs": [{"type": "vector"}],
        "outputs": [{"type": "vector"}],
        "preprocess": "def preprocess(ctx, data):\n    return data\n",
        "postprocess": "def postprocess(ctx, data):\n    return []\n",
        "model": {"graph_path": "net.onnx"},
        "zport": {"weights": "trained", "inputs": ["a.npy"]},
    }


@pytest.fixture
def model(tmp_path: Path, document: dict):
    """Writes a model folder of somebody else."""

    def write(**changes: object) -> Path:
        folder = tmp_path / "theirs"
        folder.mkdir(exist_ok=True)
        (folder / "manifest.yml").write_text(yaml.safe_dump(document | changes))
        (folder / "a.npy").touch()
        return folder

    return write


# Manifests


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("field", ["inputs", "expected", "network"])
def test_a_manifest_names_no_file_outside_its_folder(model, field: str, name: str) -> None:
    own = {"weights": "trained", "inputs": ["a.npy"]}
    folder = model(zport=own | {field: [name] if field == "inputs" else name})
    if name == "..":
        name = "'..'"
    with pytest.raises(ManifestError, match=rf"zport\.{field}"):
        load_manifest(folder)


@pytest.mark.parametrize("name", ["a.npy", "expected.npz", "net.py"])
def test_a_link_in_a_models_folder_leads_nowhere_else(model, secret: Path, name: str) -> None:
    folder = model(zport={"weights": "trained", "inputs": ["a.npy"], "network": "net.py"})
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(DefinitionError, match=f"{name} leads out of the folder theirs"):
        load_model(folder)


def test_an_imported_model_brings_no_file_of_the_host(model, secret: Path, tmp_path: Path) -> None:
    folder = model()
    (folder / "a.npy").unlink()
    (folder / "a.npy").symlink_to(secret)
    with pytest.raises(DefinitionError, match="leads out"):
        write_model(read_foreign(folder / "manifest.yml"), tmp_path / "models", Wish())
    assert not list((tmp_path / "models").glob("*"))


@pytest.mark.parametrize(
    "place",
    [
        {"graph_path": "file://{secret}"},
        {"graph_path": "secret", "base_url": "file://{folder}"},
        {"graph_path": "../secret", "base_url": "file://{folder}/theirs"},
        {"graph_path": "x", "base_url": "file://{secret}", "is_archive": True},
    ],
)
def test_a_foreign_manifest_fetches_no_file_of_the_host(
    model, secret: Path, tmp_path: Path, place: dict
) -> None:
    filled = {key: value.format(secret=secret, folder=tmp_path) if isinstance(value, str) else value
              for key, value in place.items()}  # fmt: skip
    workspace = Workspace(tmp_path / "build")
    foreign = read_foreign(model(model=filled) / "manifest.yml")
    judged = Weights(Fetcher(workspace, Index()), fetch=True).examined(foreign)
    assert any("leads out" in one.text for one in judged.findings), judged.findings
    assert not [path for path in tmp_path.rglob("build/cache/**/*") if path.is_file()]


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yml"
    for evil in (f"!!python/object/apply:os.mkdir ['{tmp_path}/pwned']", "!!python/name:os.system"):
        path.write_text(f"name: {evil}\n")
        with pytest.raises(ManifestError, match="not valid YAML"):
            load_manifest(path)
    assert not (tmp_path / "pwned").exists()


def test_the_host_reads_the_python_of_a_manifest_and_never_runs_it(
    model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processing, "exec", None, raising=False)
    code = f"open({str(tmp_path / 'pwned')!r}, 'w')\n"
    folder = model(preprocess=code, postprocess=code)
    assert load_model(folder).manifest.preprocess
    assert read_foreign(folder / "manifest.yml").manifest
    assert not (tmp_path / "pwned").exists()


# Recipes and contexts


def test_a_link_in_a_recipe_brings_no_file_of_the_host(tmp_path: Path, secret: Path) -> None:
    overlay = tmp_path / "recipe" / "overlay"
    overlay.mkdir(parents=True)
    (overlay / "setup.py").symlink_to(secret)
    with pytest.raises(DefinitionError, match="leads out of the folder overlay"):
        tree_files(overlay, "overlay", "*")


@pytest.mark.parametrize("name", ["overlay", "test_leaf.py", "own"])
def test_a_recipe_itself_names_no_file_of_the_host(
    tmp_path: Path, fixtures: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "recipes" / "leaf"
    shutil.copytree(fixtures / "project/recipes/leaf", folder)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret if name.endswith(".py") else secret.parent)
    monkeypatch.setattr(recipes, "RECIPES", folder.parent)
    recipe, suite = recipes.load_recipe("leaf"), recipes.Suite(pytest=(".",), own="own")
    take = {
        "overlay": lambda: recipe_files(recipe, TARGETS["s390x"]),
        "test_leaf.py": lambda: script_files(recipe),
        "own": lambda: own_files(recipe, suite),
    }
    with pytest.raises(DefinitionError, match=f"{name} leads out of the folder leaf"):
        take[name]()


@pytest.mark.parametrize("name", ["wheels/../../../escaped", "/tmp/escaped", ".."])
def test_a_file_that_an_index_names_stays_in_the_context(tmp_path: Path, name: str) -> None:
    target = TARGETS["amd64"]
    step = Step("leaf", "", "wheel", target, "x", "x", "1", 0, dockerfile="FROM scratch\n",
                context=(ContextFile.text(name, "escaped"),))  # fmt: skip
    workspace = Workspace(tmp_path / "build")
    with pytest.raises(BuildError, match="leaves the context"):
        write_context(step, workspace, Fetcher(workspace, Index()), tmp_path / "log")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch% pwned", "--upload-pack=touch pwned", "fd::17", "/etc", "-ssh://x/y"],
)
def test_a_git_source_is_a_url_and_no_command(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        GitSource.model_validate({"kind": "git", "url": url, "commit": "0" * 40})


# What was fetched


def test_a_wheel_whose_hash_differs_is_not_taken(tmp_path: Path) -> None:
    wheel = tmp_path / "leaf-1-py3-none-any.whl"
    wheel.write_bytes(b"tampered")
    workspace = Workspace(tmp_path / "build")
    pinned = hashlib.sha256(b"honest").hexdigest()
    with pytest.raises(ChecksumError, match=pinned):
        Fetcher(workspace, Index()).file(UrlFile(wheel.as_uri(), pinned))
    assert not [path for path in workspace.cache.rglob("*") if path.is_file()]


def archive_of(kind: str, path: Path, secret: Path) -> Path:
    """An archive of weights with everything that could leave it, and one honest file."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("net.onnx", b"weights")
            zipped.writestr("../escaped", b"x")
            link = zipfile.ZipInfo("link.onnx")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            zipped.writestr(link, str(secret))
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, kind_of, target in (
            ("net.onnx", tarfile.REGTYPE, ""), ("../escaped", tarfile.REGTYPE, ""),
            ("link.onnx", tarfile.SYMTYPE, str(secret)),
            ("hard.onnx", tarfile.LNKTYPE, str(secret)),
            ("pipe.onnx", tarfile.FIFOTYPE, ""),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind_of, target
            content = b"weights" if kind_of == tarfile.REGTYPE else b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_of_weights_gives_the_file_that_was_asked_for(
    tmp_path: Path, secret: Path, kind: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    archive = archive_of(kind, folder / f"a.{kind}", secret)
    part = folder / "part"
    extract_member(archive, "net.onnx", part)
    assert part.read_bytes() == b"weights"
    links = ("link.onnx",) if kind == "zip" else ("link.onnx", "hard.onnx", "pipe.onnx")
    for name in links:
        part.unlink(missing_ok=True)
        try:
            extract_member(archive, name, part)
        except FetchError:
            continue
        # A zip's link is its text: the path, and not what is there.
        assert SECRET.encode() not in part.read_bytes()
    assert not list(tmp_path.rglob("escaped"))


def test_a_bomb_of_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zport.sources.fetch.SMALL", 1 << 16)
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("net.onnx", bytes(1 << 24))
    with pytest.raises(FetchError, match="bomb"):
        extract_member(archive, "net.onnx", tmp_path / "part")
    assert (tmp_path / "part").stat().st_size < 1 << 23


# What a container wrote


@pytest.fixture
def written(tmp_path: Path, secret: Path) -> Path:
    """A folder as a hostile container leaves it."""
    folder = tmp_path / "out" / "cell"
    (folder / "deep").mkdir(parents=True)
    (folder / "outputs.npz").write_bytes(b"honest")
    (folder / "result.json").symlink_to(secret)
    (folder / "log.txt").symlink_to(secret)
    (folder / "etc").symlink_to(secret.parent)
    (folder / "deep" / "link").symlink_to("../../..")
    os.mkfifo(folder / "deep" / "pipe")
    return folder


def test_links_and_pipes_of_a_container_are_removed(written: Path, secret: Path) -> None:
    assert keep_plain(written) == ["deep/link", "deep/pipe", "etc", "log.txt", "result.json"]
    assert [path.name for path in sorted(written.iterdir())] == ["deep", "outputs.npz"]
    assert secret.read_text() == SECRET


@pytest.mark.parametrize(("name", "depth"), [("d" * 200, 40), ("d", 3000)])
def test_a_folder_without_end_is_removed(tmp_path: Path, name: str, depth: int) -> None:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "outputs.npz").touch()
    here = os.open(folder / "deep", os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
    os.symlink("/etc", "link", dir_fd=here)
    os.close(here)
    assert keep_plain(folder) == ["deep"]
    assert [path.name for path in folder.iterdir()] == ["outputs.npz"]


@pytest.fixture
def image(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An image whose root somebody else has filled, seen by Buildah's engine."""
    root = tmp_path / "root"
    (root / "var").mkdir(parents=True)
    (root / "model.onnx").write_text("honest")
    (root / "shadow").symlink_to(secret)
    (root / "inner").symlink_to("model.onnx")
    (root / "var" / "lib").symlink_to(secret.parent)
    os.mkfifo(root / "pipe")
    monkeypatch.setattr(Buildah, "_root", lambda *_: contextlib.nullcontext(root))
    return "image"


def test_what_is_taken_out_of_an_image_is_of_the_image(image: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for pattern in ("*", "var/lib/*"):
        Buildah().extract(image, TARGETS["s390x"], pattern, tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("path", ["/shadow", "/var/lib/secret", "/pipe", "/../secret", "/absent"])
def test_a_file_of_an_image_is_no_file_of_the_host(image: str, path: str) -> None:
    with pytest.raises(EngineError, match="no plain file"):
        Buildah().read_file(image, TARGETS["s390x"], path)
    assert Buildah().read_file(image, TARGETS["s390x"], "/model.onnx") == b"honest"


def test_a_link_in_place_of_the_folder_gives_nothing(tmp_path: Path, secret: Path) -> None:
    host, folder = tmp_path / "host", tmp_path / "kept"
    host.mkdir()
    folder.mkdir()
    (host / "precious").touch()
    (tmp_path / "cell").symlink_to(host)
    take_over(tmp_path / "cell", folder)
    assert list(folder.iterdir()) == []
    assert (host / "precious").exists()


def cell_and_batch(out: Path) -> tuple:
    """As much of a cell and its batch as keeping them takes."""
    cell = types.SimpleNamespace(name="cell", verbs=("predict",))
    return cell, types.SimpleNamespace(out=out, limits={"cell": 1.0}, memory=1)


def test_what_a_finished_cell_left_is_plain(written: Path, secret: Path, tmp_path: Path) -> None:
    cell, batch = cell_and_batch(written.parent)
    keep_served(cell, batch, tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "deep", "outputs.npz", "run.json"
    ]  # fmt: skip
    # The cell's own code has taken the record away: it does not count as well run.
    assert read_json(tmp_path / "kept" / "run.json")["predict"] == NO_RECORD


def test_the_host_writes_through_no_link_of_a_dead_cell(
    written: Path, secret: Path, tmp_path: Path
) -> None:
    written.rename(written.with_name("cell.part"))
    cell, batch = cell_and_batch(written.parent)
    (tmp_path / "container.log").write_text("* * * * * root evil\n")
    keep_dead(cell, batch, tmp_path / "kept", [137], tmp_path / "container.log")
    assert secret.read_text() == SECRET
    assert "evil" in (tmp_path / "kept" / "log.txt").read_text()
