"""What the unit tests share."""

import importlib.machinery
import importlib.util
import os
import sys
import threading
import types
from collections.abc import Iterator

import pytest
from loopback import Server
from scripts import DOCKERFILES


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that runs while the test does."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def configured(server: Server, monkeypatch):
    """The server, with pip configured for an index on it and for nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
    return server


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user without configuration."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def load(monkeypatch):
    """A script as a module, without bytecode beside it."""

    def load_it(path: str) -> types.ModuleType:
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.setattr(sys, "path", [*sys.path])
        loader = importlib.machinery.SourceFileLoader("a_script", str(DOCKERFILES / path))
        module = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("a_script", loader)
        )
        loader.exec_module(module)
        return module

    return load_it
