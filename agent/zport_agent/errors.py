"""What can go wrong, each kind with its exit code.

0 is success; 1 is an honest "no": the arrays differ, or LoadGen calls the run INVALID.
Every message is one a user can act on: which file, which field, what was expected.
"""


class AgentError(Exception):
    """Base of all errors the agent reports; ``str()`` of it is the whole message."""

    exit_code = 1


class UsageError(AgentError):
    """A flag, a folder or a file given on the command line cannot be used."""

    exit_code = 2


class ManifestError(AgentError):
    """The manifest is not YAML, or a field of it is wrong."""

    exit_code = 3


class ModelFileError(AgentError):
    """A model file is missing, cut short, changed, or not readable by the framework."""

    exit_code = 4


class ProcessingError(AgentError):
    """The manifest's preprocess or postprocess raised, or gave what the model cannot take."""

    exit_code = 5


class UnsupportedError(AgentError):
    """The framework is absent, or it does not implement what the model asks for."""

    exit_code = 6


class BenchError(AgentError):
    """LoadGen is absent, failed, or left a log that cannot be read."""

    exit_code = 7


def one_line(error: Exception) -> str:
    """What a framework says, on one line and not at length."""
    return " ".join(str(error).split())[:400]
