"""Debian's archive: which packages a root needs, and the sources they were built from."""
