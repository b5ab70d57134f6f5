"""Upstream's own tests of a wheel, on the target and on the reference, and what differs."""
