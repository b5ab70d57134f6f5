"""A plan's steps: each ``step`` has a key, a ``context`` of files and a Dockerfile to ``render``;
they are run by ``build``, or written down for BuildKit by ``bake``.
"""
