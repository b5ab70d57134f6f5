"""Scans of the project's own locks, asking the real package index."""

import pytest

from zport.agents import load_agents
from zport.distribution import TRIXIE
from zport.errors import FetchError
from zport.resolve.providers import Resolver
from zport.resolve.requirements import read_pins
from zport.scan.inputs import read_inputs
from zport.scan.scanner import Scanner
from zport.sources.pypi import Index
from zport.targets import DEFAULT, REFERENCE
from zport.workspace import PROJECT, Workspace


def scanned(scanner, path, targets):
    try:
        return scanner.scan(read_inputs([str(path)]), targets)
    except FetchError as error:
        pytest.skip(f"the package index does not answer: {error.message}")


def test_nothing_blocks_zport_itself_on_its_target(workspace):
    report = scanned(Scanner(workspace, packaged=False), PROJECT / "requirements.lock", [DEFAULT])
    assert report.hindering == []
    assert len(report.findings) == len(read_pins(PROJECT / "requirements.lock"))
    assert not [one for one in report.findings if one.status == "source"]


@pytest.mark.parametrize("agent", load_agents("all"), ids=lambda agent: agent.name)
def test_a_scan_says_what_a_build_does(agent, workspace, tmp_path):
    """The build's resolver with its plain index, and the scan's with kept pages."""
    targets = [DEFAULT, REFERENCE]
    report = scanned(Scanner(workspace, packaged=False), agent.lock, targets)
    resolver = Resolver(Workspace(tmp_path / "other"), Index(), TRIXIE)
    said = {(one.text, one.target): one.provided for one in report.findings}
    built = {
        (pin.text, target.name): resolver.provide(pin, target)
        for target in targets
        for pin in read_pins(agent.lock)
        if resolver.applies(pin, target)
    }
    assert said == built
