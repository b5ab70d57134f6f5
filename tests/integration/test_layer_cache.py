"""An engine's layer cache must not give an old layer for new content."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path

import pytest

from zport.engines import Engine
from zport.engines.buildah import Buildah
from zport.engines.process import ask
from zport.targets import host_target

EPOCH = 1_700_000_000


def test_content_that_is_only_mounted_counts(engine: Engine, tmp_path: Path) -> None:
    """A file of the context and one of another stage, both mounted: built twice, changed between.

    As with a patched wheel: same Dockerfile, and the stage that tests it mounts it.
    """
    host = host_target()
    root = next(name for name in Buildah().images() if "zport/builder:" + host.name in name)
    if engine.name == "docker":
        root = next(name for name in engine.images() if "zport/builder:" + host.name in name)
    context = tmp_path / "context"
    (context / "source").mkdir(parents=True)
    (context / "Dockerfile").write_text(
        f"FROM --platform={host.oci} {root} AS made\n"
        "COPY source/ /made/\n"
        f"FROM --platform={host.oci} {root}\n"
        "RUN --mount=type=bind,source=source,target=/source cp /source/file /of-context\n"
        "RUN --mount=type=bind,from=made,source=/made,target=/made cp /made/file /of-stage\n"
    )
    for number in ("1", "2"):
        (context / "source" / "file").write_text(number)
        image = f"localhost/zport-test/cache:{number}"
        engine.build(context, image, host, EPOCH, tmp_path / "log")
        assert engine.read_file(image, host, "/of-context").decode() == number
        assert engine.read_file(image, host, "/of-stage").decode() == number


def test_a_build_leaves_no_images_of_its_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would fill the disk, build after build; nothing takes them up again. While another
    build runs they stay, and the next one removes them."""
    # A lock of its own: other builds of this machine neither keep this one nor are harmed by it.
    monkeypatch.setattr("zport.engines.buildah.BUILDING", tmp_path / "lock")
    before = unnamed_images()
    with (tmp_path / "lock").open("a") as another:
        fcntl.flock(another, fcntl.LOCK_SH)
        kept = build_in_stages(tmp_path / "first")
    assert left_of(kept, before)
    mark = build_in_stages(tmp_path / "second")
    assert not left_of(kept, before)
    assert not left_of(mark, before)
    assert (tmp_path / "lock").read_text() == ""


def build_in_stages(folder: Path) -> str:
    """Build an image in two stages; returns the text that is in its stages' history alone."""
    host, buildah, mark = host_target(), Buildah(), str(time.time_ns())
    root = next(name for name in buildah.images() if "zport/builder:" + host.name in name)
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f"FROM --platform={host.oci} {root} AS made\n"
        f"RUN echo {mark} >/made\n"
        f"FROM --platform={host.oci} {root}\n"
        "COPY --from=made /made /made\n"
        "RUN touch /more\n"
    )
    # A name of its own: one that is taken over would leave its former image without any.
    image = f"localhost/zport-test/stages:{mark}"
    log = folder.with_suffix(".log")
    buildah.build(folder, image, host, EPOCH, log)
    assert "-->" in log.read_text()
    assert buildah.read_file(image, host, "/made").decode().strip() == mark
    ask(["buildah", "rmi", image])
    return mark


def left_of(mark: str, before: set[str]) -> list[str]:
    """The new images without a name whose history has the text."""
    new = unnamed_images() - before
    return [one for one in new if mark in ask(["buildah", "inspect", "--type", "image", one])]


def unnamed_images() -> set[str]:
    listed = json.loads(ask(["buildah", "images", "--json"]))
    return {image["id"] for image in listed if not image.get("names")}
