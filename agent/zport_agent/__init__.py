"""zport-agent: the program inside zport's images that loads and runs models."""

__version__ = "0.1.0"
