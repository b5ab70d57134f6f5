"""Flavors: an agent's image as other platforms take it, made from the agent's own definition.

Each module makes the files of one platform from a :class:`~zport.flavors.subject.Subject`. What of
them was run and what was only checked stands in ``evidence.toml``.
"""
