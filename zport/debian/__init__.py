"""Debian's archive: ``packages`` that a root needs, pinned, and what to ``leave_out`` of them; the
``source`` packages; ``apt``, which reads both.
"""
