"""TensorFlow Lite's runtime."""

__version__ = "2.14.1"
