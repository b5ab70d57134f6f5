"""The failures a user can meet, each with its own exit code.

An error says three things: what is wrong, where (file and field, image, command), and what to do
next. The command line prints them and exits with the class's ``exit_code``; nothing else in zport
prints an error or ends the process. Everything that is not a :class:`ZportError` is a defect of
zport itself and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path


class ZportError(Exception):
    """A failure with a cause that the user can act on.

    ``where`` names the file, field, image or command; ``next_step`` is one sentence that tells
    what to do; ``log`` is the file that holds the whole output of a failed command.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str | Path | None = None,
        next_step: str | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = str(where) if where is not None else None
        self.next_step = next_step
        self.log = log

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        if self.next_step:
            lines.append(f"next: {self.next_step}")
        if self.log:
            lines.append(f"log: {self.log}")
        return "\n".join(lines)


class UsageError(ZportError):
    """A flag or a name on the command line is not known."""

    exit_code = 2


class DefinitionError(ZportError):
    """A recipe, agent or model manifest of the project does not fit its schema."""

    exit_code = 3


class HostError(ZportError):
    """The host lacks a tool, root, an emulator or free space."""

    exit_code = 4


class FetchError(ZportError):
    """A source, wheel or package cannot be fetched."""

    exit_code = 5


class ChecksumError(ZportError):
    """A fetched file is not the pinned one."""

    exit_code = 6


class PatchError(ZportError):
    """A patch does not apply, or lacks its header."""

    exit_code = 7


class BlockedError(ZportError):
    """A requirement has no provider on a target."""

    exit_code = 8


class EngineError(ZportError):
    """The container engine is absent, does not answer, or refuses."""

    exit_code = 9


class BuildError(ZportError):
    """A build step inside a container failed."""

    exit_code = 10


class VerdictError(ZportError):
    """The build is whole, but not every cell of the matrix passed."""

    exit_code = 11


class ScanError(ZportError):
    """Something of the scanned requirements is blocked or dangerous on a target."""

    exit_code = 12


class ResultsError(ZportError):
    """A results store or a run file cannot be read, or a record does not fit."""

    exit_code = 13


class AuditError(ZportError):
    """The audited source has code that is not safe in every byte order."""

    exit_code = 14


class ImportedError(ZportError):
    """Some of the imported manifests cannot be run as they are."""

    exit_code = 15


class SubmissionError(ZportError):
    """A run cannot be submitted, or what is to be submitted with it is not whole."""

    exit_code = 16


class RegistryError(ZportError):
    """A registry does not answer or refuses, or what is asked of it would move a fixed tag."""

    exit_code = 17


class TrustError(ZportError):
    """What a registry holds is not what it claims to be: digest, signature, SBOM, provenance."""

    exit_code = 18
