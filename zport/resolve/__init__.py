"""Requirements: pinned in a ``lock``, each with its ``providers`` on a target; the ``graph`` of
recipes says which wheel comes first.
"""
