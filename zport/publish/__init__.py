"""Publishing: images of several architectures under one name, and what makes them trustworthy.

Everything that is to be in a registry is first put together as an OCI layout (:mod:`.layout`), a
folder of blobs named by their digests. ``oras`` copies it and ``cosign`` signs what it copied:
zport is no registry's client itself.
"""
