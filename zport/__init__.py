"""zport: container images for IBM Z that are proven to give the right numbers."""

__version__ = "0.1.0"
